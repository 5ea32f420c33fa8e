// The page: its parts, put together.

import { api, session } from "./api.js";
import { chatHash, chatOfHash, pageChats, showChats } from "./chats.js";
import { compose } from "./composer.js";
import { Conversation } from "./conversation.js";
import { attempt, byId, setText, showText } from "./dom.js";
import { showSessions } from "./sessions.js";
import { Store } from "./store.js";
import { Stream } from "./stream.js";

const LINES = { opening: "Connecting…", live: "Live", lost: "Reconnecting…", ended: "Signed out" };

const store = new Store();
const composer = compose(store);
const conversation = new Conversation(store, composer.again);
const stream = new Stream(store, (line) => {
  setText(byId("line"), LINES[line]);
  byId("line").dataset.line = line;
});
const setNextChats = pageChats(store);

showSessions(store);
showChats(store);

/** @param {boolean} focus whether a person chose the chat just now */
function openChat(focus) {
  const id = chatOfHash();
  conversation.show(id, focus);
  composer.opened();
  if (id && !store.chats.has(id)) addChat(id);
}

async function addChat(/** @type {string} */ id) {
  try {
    store.addChats([await api.chat(id)]);
  } catch {
    if (store.open === id) location.replace("#"); // a chat that is not there any more
  }
}

/** A code that was shown before the stream began comes by no event: it is asked for. */
async function askForCodes() {
  for (const { id, state } of store.sessions.values()) {
    if (state !== "pairing") continue;
    const qr = await api.qr(id).catch(() => null); // there may be none yet: its event comes
    if (qr && !store.codes.get(id)?.qr) store.setCode(id, { qr });
  }
}

async function refreshChats() {
  const page = await api.chats();
  store.replaceChats(page.items);
  setNextChats(page.next_cursor);
}

stream.onSnapshot = (next) => {
  setNextChats(next);
  openChat(false);
  askForCodes();
};
store.onUnknownChat = addChat;
store.onEvent = ({ type, data }) => {
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
