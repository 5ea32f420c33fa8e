// What the stream says of metadata, applied to the store. Rows come whole: the last one holds.

/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./store.js").Envelope} Envelope */

/** What holds for a chat that nobody touched. */
const UNTOUCHED = { version: 0, assignee: null, status: "open", priority: 0, snoozed_until: null };

/** @param {any} chat @returns {any} who cares for the chat, and where that stands */
export const assignmentOf = (chat) => chat?.assignment || UNTOUCHED;

/**
 * Take the answer to a change of ours, unless the stream told of a newer one before.
 * @param {Store} store @param {any} row
 */
export function takeAssignment(store, row) {
  const chat = store.chats.get(row.chat);
  if (!chat || assignmentOf(chat).version >= row.version) return;
  store.chats.set(chat.id, { ...chat, assignment: row });
  store.touch("chats");
}

/** @param {Store} store @param {any} row a note, also one that was deleted */
export function takeNote(store, row) {
  const known = store.notes.get(row.id);
  if (known && known.version > row.version) return;
  if (row.chat !== store.open && !known) return;
  // one that was deleted, or went with its chat, is remembered: an older page may still have it
  store.notes.set(row.id, row);
  store.touch("notes");
}

/** @param {Store} store @param {string} id @param {object} changes */
function annotate(store, id, changes) {
  const chat = store.chats.get(id);
  if (!chat) return;
  store.chats.set(id, { ...chat, ...changes });
  store.touch("chats");
}

/** @type {Record<string, (store: Store, event: Envelope) => void>} */
export const HANDLERS = {
  assignment_updated: (store, { data }) =>
    annotate(store, data.chat, { assignment: data.deleted_at ? null : data }),
  chat_tags_updated: (store, { data }) => annotate(store, data.chat, { tags: data.tags }),
  tag_updated(store, { data }) {
    if (data.deleted_at) {
      store.team.tags.delete(data.id);
      for (const chat of store.chats.values())
        if (chat.tags?.includes(data.id))
          annotate(store, chat.id, { tags: chat.tags.filter((/** @type {string} */ tag) => tag !== data.id) });
    } else store.team.tags.set(data.id, data);
    store.touch("team");
  },
  note_updated: (store, { data }) => takeNote(store, data),
  member_updated(store, { data }) {
    if (data.deleted_at) store.team.members.delete(data.user);
    else store.team.members.set(data.user, data);
    store.touch("team");
  },
  agent_presence(store, { data }) {
    store.agentsHeard?.add(`${data.chat} ${data.user}`);
    store.setAgent(data);
  },
};
