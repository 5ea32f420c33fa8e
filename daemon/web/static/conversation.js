// The open chat: its messages as they come, those that were, who types, and reading them.

import { api } from "./api.js";
import { chatHash, linkOf } from "./chats.js";
import { attempt, byId, named, place, sentence, setText, setWords, showText } from "./dom.js";
import { MessageView } from "./message.js";
import { chatName, dayAndTime, kindWord, phone, sessionName } from "./words.js";

/** How near to its end (in pixels) a conversation counts as being at its end. */
const NEAR = 80;
/** How near to what is not fetched yet one scrolls before it is fetched, in pixels. */
const AHEAD = 300;

/** @typedef {import("./thread.js").Thread} Thread */

export class Conversation {
  /** @param {import("./store.js").Store} store @param {(message: any) => void} onAgain */
  constructor(store, onAgain) {
    this.store = store;
    this.onAgain = onAgain;
    /** @type {Map<string, MessageView>} */ this.views = new Map();
    this.scroller = byId("scroller");
    this.log = byId("messages");
    this.reading = "";
    /** The message that was looked for. @type {string | null} */ this.found = null;
    /** Whether what is on the screen is up to date: then it follows what comes. */
    this.follows = false;
    /** Whether a page could not be fetched: only a button tries again. */
    this.isStuck = false;
    store.on(["messages"], () => this.renderMessages());
    store.on(["chats", "sessions"], () => this.renderHead());
    store.on(["typing"], () => this.renderTyping());
    byId("earlier").addEventListener("click", () => this.showMore("before"));
    byId("later").addEventListener("click", () => this.showMore("after"));
    byId("newest").addEventListener("click", () => this.showNewest(true));
    this.scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    document.addEventListener("visibilitychange", () => this.markRead());
  }

  /**
   * Show the chat (null: none), at a message (null: at its end).
   * @param {string | null} id @param {string | null} message @param {boolean} focus
   */
  async show(id, message, focus) {
    const before = this.store.open;
    this.views.clear();
    this.store.openChat(id);
    this.found = message;
    this.clearTroubles();
    showText(byId("earlier-gone"), null);
    byId("conversation").hidden = !id;
    byId("chats").classList.toggle("reading", Boolean(id));
    this.renderEnds();
    this.scroller.setAttribute("aria-busy", "true"); // a whole page is not read aloud
    this.store.flush();
    if (focus) focusOn(id, before, Boolean(message));
    if (!id) return;
    const { thread } = this.store;
    try {
      await (message ? this.loadAround(id, message, focus) : this.loadNewest(id));
    } catch (trouble) {
      if (this.store.thread === thread) showText(byId("messages-error"), sentence(trouble));
    }
    if (this.store.thread === thread) this.scroller.setAttribute("aria-busy", "false");
  }

  async loadNewest(/** @type {string} */ id) {
    if (!(await this.fetch(id, "newest"))) return;
    this.store.flush();
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.markRead();
  }

  async loadAround(/** @type {string} */ id, /** @type {string} */ message, /** @type {boolean} */ focus) {
    try {
      if (!(await this.fetch(id, "around", message))) return;
    } catch (/** @type {any} */ trouble) {
      if (trouble.code !== "message_not_found") throw trouble;
      await this.loadNewest(id);
      if (this.store.open === id) showText(byId("messages-error"), "This message is not in the chat any more.");
      return;
    }
    this.store.flush();
    const root = this.views.get(message)?.root || this.log.querySelector("[aria-current]");
    if (!(root instanceof HTMLElement)) return;
    // not scrollIntoView: that may scroll the page around the conversation, too
    const middle = (/** @type {DOMRect} */ box) => box.top + box.height / 2;
    const { scroller } = this;
    scroller.scrollTop += middle(root.getBoundingClientRect()) - middle(scroller.getBoundingClientRect());
    if (focus) root.focus({ preventScroll: true });
    this.markRead();
  }

  /**
   * Fetch a page of the open chat. Returns whether the chat is still open.
   * @param {string} id @param {import("./thread.js").Where} where @param {string | null} anchor
   */
  async fetch(id, where, anchor = null) {
    const { thread } = this.store;
    const page = await thread.fetch(where, anchor, () => api.messages(id, where, anchor));
    if (this.store.thread !== thread) return false;
    if (where !== "after") {
      const gone = !thread.hasEarlier && page.evicted_before;
      showText(byId("earlier-gone"), gone && `Messages before ${dayAndTime(gone)} are not kept here.`);
    }
    this.store.touch("messages");
    return true;
  }

  /** Fetch the page before, or after, what is held. @param {"before" | "after"} where */
  async showMore(where) {
    const { thread, open: id } = this.store;
    const anchor = thread.ordered().at(where === "before" ? 0 : -1);
    const isOpen = where === "before" ? thread.hasEarlier : thread.hasLater;
    if (!id || !anchor || !isOpen || thread.fetches) return;
    this.clearTroubles();
    const [button, error] = where === "before" ? ["earlier", "messages-error"] : ["later", "later-error"];
    this.isStuck = !(await attempt(byId(button), byId(error), async () => {
      if (!(await this.fetch(id, where, anchor.id))) return;
      this.scroller.setAttribute("aria-busy", "true");
      this.store.flush();
      this.scroller.setAttribute("aria-busy", "false");
    })) && this.store.thread === thread;
    if (!this.store.thread.hasLater && this.store.thread === thread) this.forget();
  }

  /** Go to the chat's end, from wherever in its past one is. @param {boolean} focus */
  async showNewest(focus) {
    const id = this.store.open;
    if (!id) return;
    this.forget();
    await attempt(byId("newest"), byId("later-error"), () => this.loadNewest(id));
    if (focus) this.scroller.focus({ preventScroll: true });
  }

  /** The end is reached: a reload shows it, not the message that was looked for. */
  forget() {
    if (this.store.open && this.found) history.replaceState(history.state, "", chatHash(this.store.open));
  }

  clearTroubles() {
    this.isStuck = false;
    for (const id of ["messages-error", "later-error"]) showText(byId(id), null);
  }

  scrolled() {
    const { scroller, store } = this;
    if (this.isStuck || !store.thread.messages.size) return;
    const below = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
    if (scroller.scrollTop < AHEAD && store.thread.hasEarlier) this.showMore("before");
    else if (below < AHEAD && store.thread.hasLater) this.showMore("after");
  }

  renderMessages() {
    const { store, scroller } = this;
    const { thread } = store;
    const chat = store.chats.get(store.open || "");
    const isAtEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR;
    const follows = isAtEnd && this.follows;
    const unsent = [...store.unsent.values()].filter((message) => message.chat === store.open && !thread.hasLater);
    const seen = new Set();
    const nodes = [...thread.ordered(), ...unsent].map((message) => {
      // a message keeps its element when the daemon gives it its id
      const key = message.client_ref || message.id;
      seen.add(key);
      const view = this.views.get(key) || new MessageView(() => this.onAgain(view.shown));
      this.views.set(key, view);
      view.mark(message.id === this.found);
      return view.update(message, chat?.kind === "group").root;
    });
    const fixed = this.fixed(new Set(nodes));
    for (const key of this.views.keys()) if (!seen.has(key)) this.views.delete(key);
    place(this.log, nodes);
    this.renderEnds();
    if (follows) scroller.scrollTop = scroller.scrollHeight;
    else if (fixed) scroller.scrollTop += fixed.root.getBoundingClientRect().top - fixed.top;
    this.follows = !thread.hasLater;
    this.markRead();
  }

  /** Return what must stay where it is on the screen: the first message in sight that is there after, too. */
  fixed(/** @type {Set<Element>} */ staying) {
    const { top } = this.scroller.getBoundingClientRect();
    for (const root of this.log.children) {
      const box = root.getBoundingClientRect();
      if (box.bottom > top && staying.has(root)) return { root, top: box.top };
    }
    return null;
  }

  /** What is offered above and below the messages; the focus is not lost with a button. */
  renderEnds() {
    const { thread } = this.store;
    const had = document.activeElement;
    byId("earlier").hidden = !thread.hasEarlier;
    byId("later").hidden = !thread.hasLater;
    byId("newest").hidden = !thread.hasLater;
    if (had instanceof HTMLElement && had.hidden && this.scroller.contains(had)) this.scroller.focus({ preventScroll: true });
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

  /** Who looks at the end of the open chat has read it. */
  async markRead() {
    const chat = this.store.chats.get(this.store.open || "");
    if (!chat?.unread || document.visibilityState !== "visible" || !this.store.team.has("send")) return;
    if (this.found && (this.store.thread.hasLater || !this.store.thread.messages.size)) return;
    const mark = `${chat.id} ${chat.last_message?.id}`;
    if (this.reading === mark) return; // once for each message, also where it fails
    this.reading = mark;
    await api.read(chat.id).catch(() => {});
  }
}

/** Put the focus where one goes on: to the answer, on a phone or before a message comes to the title, after it to the chat. */
function focusOn(/** @type {string | null} */ id, /** @type {string | null} */ before, /** @type {boolean} */ toMessage) {
  const toAnswer = !toMessage && matchMedia("(hover: hover)").matches;
  if (id) byId(toAnswer ? "text" : "conversation-title").focus();
  else if (before) linkOf(before)?.focus();
}
