// The box to answer: sends once, shows at once, tells that we type.

import { api, now } from "./api.js";
import { byId, sentence, showText } from "./dom.js";

const TYPING_EVERY_MS = 5000;
const TYPING_REST_MS = 4000;

/**
 * @param {import("./store.js").Store} store
 * @param {(isTyping: boolean) => void} onTyping called when the box is written in, or emptied
 * @param {() => void} onSent called when a message was sent, and is shown
 * @returns {{opened(): void, again(message: any): void}}
 */
export function compose(store, onTyping, onSent) {
  const form = /** @type {HTMLFormElement} */ (byId("composer"));
  const text = /** @type {HTMLTextAreaElement} */ (byId("text"));
  const error = byId("composer-error");
  /** What was begun in each chat. @type {Map<string, string>} */
  const drafts = new Map();
  /** @type {string | null} */
  let chat = null;
  const typing = tellTyping();

  async function send(/** @type {any} */ message) {
    store.unsent.set(message.client_ref, message);
    store.touch("messages");
    try {
      const accepted = await api.send(message.chat, message.text, message.client_ref);
      // The stream may have told of it before, and more of it since.
      if (store.unsent.delete(message.client_ref) && store.open === accepted.chat && !store.thread.messages.has(accepted.id))
        store.thread.add(accepted);
    } catch (trouble) {
      if (store.unsent.has(message.client_ref))
        store.unsent.set(message.client_ref, { ...message, status: "failed", trouble: `Not sent. ${sentence(trouble)}` });
    }
    store.touch("messages");
  }

  function submit() {
    if (!chat) return;
    if (!text.value.trim()) {
      showText(error, "Write a message first.");
      return text.focus();
    }
    typing.stop();
    const ref = newRef();
    const at = new Date(now()).toISOString();
    send({ id: ref, client_ref: ref, chat, at, from_me: true, type: "text", text: text.value, status: "pending" });
    text.value = "";
    onTyping(false);
    drafts.delete(chat);
    showText(error, null);
    text.focus();
    const scroller = byId("scroller");
    store.flush();
    scroller.scrollTop = scroller.scrollHeight;
    onSent();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  });
  text.addEventListener("input", () => {
    showText(error, null);
    if (!chat) return;
    drafts.set(chat, text.value);
    onTyping(Boolean(text.value));
    if (text.value) typing.start(chat);
    else typing.stop();
  });
  text.addEventListener("blur", () => typing.stop());

  return {
    opened() {
      typing.stop();
      chat = store.open;
      text.value = drafts.get(chat || "") || "";
      showText(error, null);
    },
    again(message) {
      if (store.unsent.has(message.client_ref)) {
        // never accepted, or without an answer: the same key makes sure that it is sent once
        send({ ...message, status: "pending", trouble: "" });
      } else {
        const ref = newRef();
        send({ ...message, id: ref, client_ref: ref, status: "pending", failure: "", at: new Date(now()).toISOString() });
      }
    },
  };
}

/** Tell that we type, now and then while it lasts, and that we stopped. */
function tellTyping() {
  /** @type {string | null} */
  let where = null;
  let told = 0;
  /** @type {number | undefined} */
  let rest;
  const tell = (/** @type {string} */ chat, /** @type {boolean} */ isTyping) =>
    api.typing(chat, isTyping).catch(() => {}); // nobody waits for it
  function stop() {
    clearTimeout(rest);
    if (where) tell(where, false);
    where = null;
    told = 0;
  }
  function start(/** @type {string} */ chat) {
    clearTimeout(rest);
    rest = setTimeout(stop, TYPING_REST_MS);
    if (Date.now() - told < TYPING_EVERY_MS) return;
    where = chat;
    told = Date.now();
    tell(chat, true);
  }
  return { start, stop };
}

/** A key that nobody else makes (`randomUUID` exists on https only). */
function newRef() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
