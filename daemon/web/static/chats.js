// The list of chats, newest activity first.

import { api } from "./api.js";
import { showMarks } from "./chips.js";
import { attempt, byId, clone, named, place, setText, setWords } from "./dom.js";
import { passes } from "./filters.js";
import { chatName, messageText, sessionName, shortTime, tame, tick } from "./words.js";

/** The address of a chat within the page: the browser's back button closes it. */
export const chatHash = (/** @type {string} */ id) => `#chat=${encodeURIComponent(id)}`;

/** @param {string} id @returns {HTMLElement | null} the chat's link in the list */
export const linkOf = (id) => byId("chat-list").querySelector(`a[href="${CSS.escape(chatHash(id))}"]`);

/** The address of a message in its chat. @param {string} id @param {string} message */
export const messageHash = (id, message) => `${chatHash(id)}&message=${encodeURIComponent(message)}`;

/** @returns {{id: string | null, message: string | null}} the chat, and the message in it, that the address names */
export function placeOfHash() {
  const [, id, message] = /^#chat=([^&]+)(?:&message=([^&]+))?$/.exec(location.hash) || [];
  try {
    return { id: id ? decodeURIComponent(id) : null, message: message ? decodeURIComponent(message) : null };
  } catch {
    return { id: null, message: null };
  }
}

/** @param {import("./store.js").Store} store */
export function showChats(store) {
  /** @type {Map<string, {root: HTMLElement, parts: Record<string, any>, shown: any}>} */
  const rows = new Map();
  /** Changes whenever marks may read another way: names, colours. */
  let edition = 0;

  function render() {
    const list = byId("chat-list");
    const isFiltered = Object.keys(store.filter).length > 0;
    const chats = [...store.chats.values()].filter((chat) => passes(chat, store.filter, store.team)).sort(byActivity);
    const hadFocus = list.contains(document.activeElement);
    for (const id of rows.keys()) if (!store.chats.has(id)) rows.delete(id);
    place(list, chats.map((chat) => update(chat).root));
    if (hadFocus && !list.contains(document.activeElement)) byId("chats-title").focus();
    const hasLine = [...store.sessions.values()].some((session) => session.state === "connected");
    const isAlone = !hasLine && !store.chats.size && !isFiltered;
    byId("main").classList.toggle("alone", isAlone);
    byId("chats").hidden = isAlone;
    byId("no-chats").hidden = chats.length > 0 || isFiltered;
    byId("no-match").hidden = chats.length > 0 || !isFiltered;
    byId("no-chat-open").hidden = !store.chats.size || Boolean(store.open);
  }

  function update(/** @type {any} */ chat) {
    const row = rows.get(chat.id) || { ...clone("chat-row"), shown: null };
    rows.set(chat.id, row);
    const { root, parts } = row;
    const session = store.sessions.get(chat.session);
    const typing = store.typing.has(chat.id);
    const isOpen = store.open === chat.id;
    const agents = store.agents.get(chat.id);
    const shown = [chat, session?.label, session?.provider, typing, isOpen, store.sessions.size > 1, agents, edition];
    if (row.shown?.every((/** @type {any} */ value, /** @type {number} */ i) => value === shown[i])) return row;
    row.shown = shown;
    const link = /** @type {HTMLAnchorElement} */ (root.firstElementChild);
    link.href = chatHash(chat.id);
    if (isOpen) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
    setText(parts.name, chatName(chat));
    setWords(parts.last, ...(typing ? ["typing…"] : lastLine(chat)));
    parts.last.classList.toggle("is-typing", typing);
    setText(parts.time, shortTime(chat.updated_at));
    parts.time.dateTime = chat.updated_at || "";
    parts.sandbox.hidden = session?.provider !== "sandbox";
    showMarks(parts.marks, chat, store);
    setWords(parts.session, "on ", named(session ? sessionName(session) : chat.session));
    parts.session.hidden = store.sessions.size < 2;
    setText(parts.unread, chat.unread ? String(chat.unread) : "");
    parts.unread.setAttribute("aria-label", `${chat.unread} unread`);
    parts.unread.hidden = !chat.unread;
    return row;
  }

  store.on(["team"], () => (edition += 1));
  store.on(["chats", "sessions", "typing", "team", "agents"], render);
}

/** A button that fetches the next page of chats. @param {import("./store.js").Store} store */
export function pageChats(store) {
  const button = byId("more-chats");
  /** @type {string | null} */
  let next = null;
  function setNext(/** @type {string | null} */ cursor) {
    next = cursor;
    button.hidden = !cursor;
  }
  button.addEventListener("click", () =>
    attempt(button, byId("chats-error"), async () => {
      const { filter } = store;
      const page = await store.fetchChats(() => api.chats(next, filter));
      if (filter === store.filter) setNext(page.next_cursor);
    }),
  );
  return setNext;
}

/** Newest first; times are ISO 8601, so that their order is that of their letters. */
function byActivity(/** @type {any} */ a, /** @type {any} */ b) {
  const [left, right] = [a.updated_at || "", b.updated_at || ""];
  if (left !== right) return left < right ? 1 : -1;
  return a.id < b.id ? -1 : 1;
}

/** @param {any} chat @returns {(string | Element)[]} the last message, what others wrote apart */
function lastLine({ kind, last_message: message }) {
  if (!message) return [];
  const who = kind === "group" && !message.from_me ? tame(message.sender_name) : "";
  const mark = message.from_me ? tick(message.status).mark : "";
  const said = messageText(message);
  return [mark && `${mark} `, ...(who ? [named(who), ": "] : []), said && named(said)].filter(Boolean);
}
