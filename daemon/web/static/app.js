// The page: its parts, put together.

import { api, session } from "./api.js";
import { Care } from "./care.js";
import { chatHash, pageChats, placeOfHash, showChats } from "./chats.js";
import { compose } from "./composer.js";
import { Conversation } from "./conversation.js";
import { announce, attempt, byId, sentence, setText, showText } from "./dom.js";
import { filterChats } from "./filters.js";
import { Notes } from "./notes.js";
import { AgentPresence } from "./presence.js";
import { Search } from "./search.js";
import { showSessions } from "./sessions.js";
import { Store } from "./store.js";
import { Stream } from "./stream.js";
import { tagChats } from "./tagging.js";

const LINES = { opening: "Connecting…", live: "Live", lost: "Reconnecting…", ended: "Signed out" };

const store = new Store();
const presence = new AgentPresence(store);
const composer = compose(
  store,
  (isTyping) => presence.setTyping(isTyping),
  () => store.thread.hasLater && conversation.showNewest(false),
);
const conversation = new Conversation(store, composer.again);
const stream = new Stream(store, (line) => {
  setText(byId("line"), LINES[line]);
  byId("line").dataset.line = line;
});
const setNextChats = pageChats(store);
const filters = filterChats(store, setNextChats);
const care = new Care(store);
const tagging = tagChats(store);
const notes = new Notes(store);
const search = new Search(store, () => openChat(true));

showSessions(store);
showChats(store);
store.on(["team"], () => (byId("composer").hidden = !store.team.has("send")));

/** @param {boolean} focus whether a person chose the chat just now */
function openChat(focus) {
  const { id, message } = placeOfHash();
  conversation.show(id, message, focus);
  search.opened(focus);
  composer.opened();
  care.opened();
  tagging.opened();
  notes.opened();
  presence.opened();
  if (id && !store.chats.has(id)) addChat(id);
}

async function addChat(/** @type {string} */ id) {
  try {
    await store.fetchChats(async () => ({ items: [await api.chat(id)] }));
  } catch {
    if (store.open === id) location.replace("#"); // a chat that is not there any more
  }
}

/** A code that was shown before the stream began comes by no event: it is asked for. */
async function askForCodes() {
  if (!store.team.has("manage") && !store.team.has("pair")) return;
  for (const { id, state } of store.sessions.values()) {
    if (state !== "pairing") continue;
    const qr = await api.qr(id).catch(() => null); // there may be none yet: its event comes
    if (qr && !store.codes.get(id)?.qr) store.setCode(id, { qr });
  }
}

async function refreshChats() {
  const { filter } = store;
  const page = await api.chats(null, filter);
  store.replaceChats(page.items);
  if (filter === store.filter) setNextChats(page.next_cursor);
}

/** Tell who cannot see it that a colleague changed the open chat. @param {import("./store.js").Envelope} event */
function sayChange({ type, chat, data }) {
  if (chat !== store.open || !data.actor || store.team.isMe(data.actor.id)) return;
  const what = { assignment_updated: "changed who cares for this chat, or its status", note_updated: "changed the notes" }[type];
  if (what) announce(`${store.team.actorName(data.actor)} ${what}.`);
}

stream.onSnapshot = (next) => {
  showText(byId("notice"), null);
  if (Object.keys(store.filter).length) filters.refill();
  else setNextChats(next);
  openChat(false);
  askForCodes();
};
store.onUnknownChat = addChat;
stream.onTrouble = (trouble) => {
  if (trouble.code === "not_a_member") showText(byId("notice"), sentence(trouble));
};
store.onEvent = (event) => {
  const { type, chat, data } = event;
  const lists = type === "assignment_updated" || type === "chat_tags_updated";
  if (lists && !store.chats.has(chat)) filters.unknownChat(chat);
  if (type === "agent_presence" && store.team.isMe(data.user)) presence.heardOwn(data);
  if (type === "member_updated" && store.team.isMe(data.user)) stream.start(); // what we may and see is another
  sayChange(event);
  if (type === "chat_merged" && store.open === data.from) location.replace(chatHash(data.to));
  // a history sync fills chats without an event for each
  if (type === "history_progress" && data.percent >= 100) refreshChats().catch(() => {});
};
session.onEnd = () => {
  stream.end();
  showText(byId("notice"), "You are signed out. Run `zapd login-link` on the server, and open the link that it prints.");
  byId("main").inert = true;
};

addEventListener("hashchange", () => openChat(true));
byId("sign-out").addEventListener("click", () =>
  attempt(byId("sign-out"), byId("notice"), async () => {
    await api.signOut();
    stream.end();
    location.replace("/");
  }),
);
stream.start();
