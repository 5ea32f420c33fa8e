// Messages by their words: in all chats, or in the open one. Choosing one opens its chat there.

import { api } from "./api.js";
import { messageHash } from "./chats.js";
import { announce, attempt, byId, clone, named, sentence, setText, setWords, showText } from "./dom.js";
import { chatName, dateAndTime, phone, tame } from "./words.js";

/** A page may find nothing and have another after it; so many are fetched by themselves. */
const MOST_EMPTY = 10;
const PARTIAL = "Some may be missing: not all of the past can be looked through now.";

export class Search {
  /** @param {import("./store.js").Store} store @param {() => void} onAgain called when what is open is chosen again */
  constructor(store, onAgain) {
    this.store = store;
    this.onAgain = onAgain;
    /** What was asked. @type {{q: string, chat: string | null}} */ this.asked = { q: "", chat: null };
    /** @type {string | null} */ this.next = null;
    this.isPartial = false;
    this.turn = 0;
    this.words = /** @type {HTMLInputElement} */ (byId("search-words"));
    this.where = /** @type {HTMLSelectElement} */ (byId("search-where"));
    this.list = byId("found-list");
    this.more = byId("more-found");
    byId("search-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.find();
    });
    for (const id of ["search-form", "search"])
      byId(id).addEventListener("keydown", (event) => {
        if (event.key !== "Escape") return;
        event.preventDefault();
        this.close();
      });
    byId("search-close").addEventListener("click", () => this.close());
    byId("search-here").addEventListener("click", () => this.begin());
    this.more.addEventListener("click", () => this.showMore());
    this.opened(false);
  }

  /** Look for something in the open chat: on a phone its place is that of the list. */
  begin() {
    byId("chats").classList.add("searching");
    this.where.value = "open";
    this.words.focus();
    this.words.select();
  }

  /** Put the list of chats back. */
  close() {
    const panel = byId("chats").classList;
    const wasOver = panel.contains("searching");
    this.turn += 1;
    this.words.value = "";
    this.list.replaceChildren();
    byId("search").hidden = true;
    panel.remove("searching");
    // `searching` shows the list where only one of both has room: there the field went with it
    (wasOver && !this.words.checkVisibility() ? byId("search-here") : this.words).focus();
  }

  /** Another chat was opened, or none. @param {boolean} byPerson whether somebody chose it just now */
  opened(byPerson) {
    const { open } = this.store;
    byId("search-where-field").hidden = !open;
    if (!open) this.where.value = "";
    if (byPerson) byId("chats").classList.remove("searching");
    for (const link of this.list.querySelectorAll("a"))
      if (link.hash === location.hash) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
  }

  async find() {
    const turn = (this.turn += 1); // of two at once, the later one counts
    const { open } = this.store;
    this.asked = { q: this.words.value, chat: this.where.value === "open" ? open : null };
    this.next = null;
    this.isPartial = false;
    byId("search").hidden = false;
    this.list.replaceChildren();
    this.more.hidden = true;
    showText(byId("search-error"), null);
    setText(byId("search-status"), "Searching…");
    const chat = this.asked.chat && this.store.chats.get(this.asked.chat);
    setWords(byId("search-title"), "Messages found", ...(chat ? [" in ", named(chatName(chat))] : []));
    try {
      await this.fetch(turn);
    } catch (trouble) {
      if (turn !== this.turn) return;
      setText(byId("search-status"), "");
      showText(byId("search-error"), told(trouble));
    }
    // on a narrow screen the sessions are above: what is found is to be seen
    const isNarrow = matchMedia("(max-width: 899.98px)").matches;
    if (turn === this.turn && isNarrow) byId("search-form").scrollIntoView({ block: "start" });
  }

  async showMore() {
    const { turn } = this;
    const last = this.list.lastElementChild;
    const isDone = await attempt(this.more, byId("search-error"), () => this.fetch(turn));
    if (!isDone || turn !== this.turn || !this.more.hidden) return;
    // the button went: the focus goes on with the first that it brought
    const first = /** @type {HTMLElement | null} */ ((last?.nextElementSibling || last)?.firstElementChild || null);
    if (document.activeElement === document.body || document.activeElement === this.more) first?.focus();
  }

  /** Fetch pages until one has something. @param {number} turn */
  async fetch(turn) {
    for (let page = 0; page < MOST_EMPTY; page += 1) {
      const found = await api.search(this.asked.q, this.asked.chat, this.next);
      if (turn !== this.turn) return;
      this.next = found.next_cursor;
      this.isPartial ||= found.partial;
      this.list.append(...found.items.map((/** @type {any} */ item) => this.row(item)));
      if (found.items.length || !this.next) break;
    }
    this.more.hidden = !this.next;
    const count = this.list.childElementCount;
    const told = count || !this.isPartial ? counted(count, Boolean(this.next)) : "Nothing found.";
    setText(byId("search-status"), [told, this.isPartial && PARTIAL].filter(Boolean).join(" "));
    announce(byId("search-status").textContent || "");
  }

  /** @param {{message: any, snippet: {text: string, marks: number[][]}, chat: {id: string, name: string}}} item */
  row({ message, snippet, chat }) {
    const { root, parts } = clone("found-row");
    const link = /** @type {HTMLAnchorElement} */ (root.firstElementChild);
    link.href = messageHash(chat.id, message.id);
    link.addEventListener("click", (event) => {
      if (link.hash !== location.hash) return; // the address changes: that opens it
      event.preventDefault();
      this.onAgain();
    });
    if (link.hash === location.hash) link.setAttribute("aria-current", "true");
    setText(parts.name, tame(chat.name) || phone(chat.id.slice(chat.id.indexOf(":") + 1)));
    setText(parts.sender, message.from_me ? "You" : tame(message.sender_name) || phone(message.sender));
    setText(parts.time, dateAndTime(message.at));
    parts.time.dateTime = message.at;
    parts.text.append(...marked(snippet));
    return root;
  }
}

/** The snippet's text, what was found in a <mark>. @param {{text: string, marks: number[][]}} snippet */
function marked({ text, marks }) {
  /** @type {(string | Element)[]} */
  const nodes = [];
  let at = 0;
  for (const [start, end] of marks) {
    const mark = document.createElement("mark");
    mark.textContent = text.slice(start, end);
    nodes.push(text.slice(at, start), mark);
    at = end;
  }
  return [...nodes, text.slice(at)];
}

/** @param {number} count @param {boolean} hasMore @returns {string} */
function counted(count, hasMore) {
  if (!count) return hasMore ? "Nothing found so far." : "No message has these words.";
  return `${count} ${count === 1 ? "message" : "messages"}${hasMore ? " so far, there may be more" : ""}.`;
}

/** @param {any} trouble @returns {string} what to do is said for who types here, not for a program */
function told(trouble) {
  if (trouble.code === "query_empty") return "There is no word to look for. Type at least one letter or digit.";
  return sentence(trouble);
}
