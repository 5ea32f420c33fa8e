// The open chat: its messages as they come, who types, and reading them.

import { api } from "./api.js";
import { linkOf } from "./chats.js";
import { attempt, byId, named, place, sentence, setText, setWords, showText } from "./dom.js";
import { MessageView } from "./message.js";
import { chatName, dayAndTime, kindWord, phone, sessionName } from "./words.js";

/** How near to its end (in pixels) a conversation counts as being at its end. */
const NEAR = 80;

export class Conversation {
  /** @param {import("./store.js").Store} store @param {(message: any) => void} onAgain */
  constructor(store, onAgain) {
    this.store = store;
    this.onAgain = onAgain;
    /** @type {Map<string, MessageView>} */ this.views = new Map();
    this.scroller = byId("scroller");
    this.log = byId("messages");
    this.reading = "";
    /** @type {string | null} */ this.oldest = null;
    store.on(["messages"], () => this.renderMessages());
    store.on(["chats", "sessions"], () => this.renderHead());
    store.on(["typing"], () => this.renderTyping());
    byId("earlier").addEventListener("click", () => this.showEarlier());
    document.addEventListener("visibilitychange", () => this.markRead());
  }

  /** Show the chat (null: none). @param {string | null} id @param {boolean} focus */
  async show(id, focus) {
    const before = this.store.open;
    this.views.clear();
    this.store.openChat(id);
    this.scroller.setAttribute("aria-busy", "true"); // a whole page is not read aloud
    byId("earlier").hidden = true;
    showText(byId("messages-error"), null);
    byId("conversation").hidden = !id;
    byId("chats").classList.toggle("reading", Boolean(id));
    this.store.flush();
    if (focus) focusOn(id, before);
    if (!id) return;
    try {
      await this.load(id);
    } catch (trouble) {
      if (this.store.open === id) showText(byId("messages-error"), sentence(trouble));
    }
  }

  async load(/** @type {string} */ id) {
    const page = await api.messages(id);
    if (this.store.open !== id) return;
    this.takePage(id, page);
    this.store.flush();
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.scroller.setAttribute("aria-busy", "false");
    this.markRead();
  }

  takePage(/** @type {string} */ id, /** @type {any} */ page) {
    this.store.takeMessages(id, page.items);
    this.oldest = page.next_cursor;
    byId("earlier").hidden = !page.next_cursor;
    const gone = !page.next_cursor && page.evicted_before;
    showText(byId("earlier-gone"), gone && `Messages before ${dayAndTime(gone)} are not kept here.`);
  }

  async showEarlier() {
    const id = this.store.open;
    if (!id || !this.oldest) return;
    await attempt(byId("earlier"), byId("messages-error"), async () => {
      const page = await api.messages(id, this.oldest);
      if (this.store.open !== id) return;
      const fromEnd = this.scroller.scrollHeight - this.scroller.scrollTop;
      this.takePage(id, page);
      this.scroller.setAttribute("aria-busy", "true");
      this.renderMessages();
      this.scroller.setAttribute("aria-busy", "false");
      this.scroller.scrollTop = this.scroller.scrollHeight - fromEnd;
    });
  }

  renderMessages() {
    const { store, scroller } = this;
    const chat = store.chats.get(store.open || "");
    const atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR;
    const unsent = [...store.unsent.values()].filter((message) => message.chat === store.open);
    const messages = [...store.messages.values()].sort((a, b) => (a.at < b.at ? -1 : Number(a.at > b.at)));
    const seen = new Set();
    const nodes = [...messages, ...unsent].map((message) => {
      // a message keeps its element when the daemon gives it its id
      const key = message.client_ref || message.id;
      seen.add(key);
      const view = this.views.get(key) || new MessageView(() => this.onAgain(view.shown));
      this.views.set(key, view);
      return view.update(message, chat?.kind === "group").root;
    });
    for (const key of this.views.keys()) if (!seen.has(key)) this.views.delete(key);
    place(this.log, nodes);
    if (atEnd) scroller.scrollTop = scroller.scrollHeight;
    this.markRead();
  }

  renderHead() {
    const chat = this.store.chats.get(this.store.open || "");
    if (!chat) return;
    const session = this.store.sessions.get(chat.session);
    const number = phone(chat.pn || chat.jid);
    const about = [kindWord(chat.kind), number !== chatName(chat) && chat.kind === "user" && number];
    setText(byId("conversation-title"), chatName(chat));
    const known = about.filter(Boolean).join(" · ");
    const where = session ? [known && " · ", "on ", named(sessionName(session))] : [];
    setWords(byId("conversation-about"), ...[known, ...where].filter(Boolean));
    byId("conversation-sandbox").hidden = session?.provider !== "sandbox";
    byId("text").setAttribute("aria-label", `Message to ${chatName(chat)}`);
    this.markRead();
  }

  renderTyping() {
    const people = [...(this.store.typing.get(this.store.open || "") || new Map()).values()];
    const names = people.filter(Boolean).flatMap((name, i) => [i ? ", " : "", named(name)]);
    const doing = ` ${people.length > 1 ? "are" : "is"} typing…`;
    setWords(byId("typing"), ...(people.length ? [...(names.length ? names : ["Somebody"]), doing] : []));
  }

  /** Who looks at the open chat has read it. */
  async markRead() {
    const chat = this.store.chats.get(this.store.open || "");
    if (!chat?.unread || document.visibilityState !== "visible" || !this.store.team.has("send")) return;
    const mark = `${chat.id} ${chat.last_message?.id}`;
    if (this.reading === mark) return; // once for each message, also where it fails
    this.reading = mark;
    await api.read(chat.id).catch(() => {});
  }
}

/** Put the focus where one goes on: to the answer, on a phone to the title, after it to the chat. */
function focusOn(/** @type {string | null} */ id, /** @type {string | null} */ before) {
  if (id) byId(matchMedia("(hover: hover)").matches ? "text" : "conversation-title").focus();
  else if (before) linkOf(before)?.focus();
}
