// What colleagues tell each other about the open chat. What is typed stays until it is saved.

import { takeNote } from "./annotations.js";
import { api } from "./api.js";
import { announce, attempt, byId, place, sentence, setText, showText } from "./dom.js";
import { NoteView } from "./note.js";

/** How a list of notes is shown: open or not, for all chats alike. */
const OPEN_KEY = "zapd.notes";

export class Notes {
  /** @param {import("./store.js").Store} store */
  constructor(store) {
    this.store = store;
    /** @type {Map<string, NoteView>} */ this.views = new Map();
    /** What was begun in each chat. @type {Map<string, string>} */ this.drafts = new Map();
    /**
     * Changes that were begun, by note: `version` is what they replace, `base` what was in the editor first.
     * @type {Map<string, {text: string, version: number, base: number}>}
     */
    this.edits = new Map();
    /** @type {string | null} */ this.next = null;
    /** Notes are saved one after the other; `saving` is the last of them, with its chat. */
    this.line = Promise.resolve();
    this.saving = "";
    this.form = /** @type {HTMLFormElement} */ (byId("note-form"));
    this.text = /** @type {HTMLTextAreaElement} */ (byId("note-text"));
    this.toggle = byId("notes-toggle");
    this.error = byId("notes-error");
    this.toggle.addEventListener("click", () => this.show(byId("notes").hidden));
    byId("notes").addEventListener("keydown", (event) => event.key === "Escape" && this.show(false));
    this.text.addEventListener("input", () => this.store.open && this.drafts.set(this.store.open, this.text.value));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.write();
    });
    byId("more-notes").addEventListener("click", () => this.showMore());
    store.on(["notes", "team", "chats"], () => this.render());
    this.show(sessionStorage.getItem(OPEN_KEY) === "open", false);
  }

  /** Open or close the list. @param {boolean} open @param {boolean} focus */
  show(open, focus = true) {
    byId("notes").hidden = !open;
    this.toggle.setAttribute("aria-expanded", String(open));
    sessionStorage.setItem(OPEN_KEY, open ? "open" : "closed");
    if (!focus) return;
    (open && !this.form.hidden ? this.text : this.toggle).focus();
  }

  /** Another chat was opened: fetch its notes. */
  async opened() {
    const id = this.store.open;
    this.views.clear();
    this.next = null;
    this.text.value = this.drafts.get(id || "") || "";
    showText(this.error, null);
    this.render();
    if (!id || !this.store.team.may("view")) return;
    try {
      await this.load(id, null);
    } catch (trouble) {
      if (this.store.open === id) showText(this.error, sentence(trouble));
    }
  }

  async load(/** @type {string} */ id, /** @type {string | null} */ cursor) {
    const page = await api.notes(id, cursor);
    if (this.store.open !== id) return;
    for (const row of page.items) takeNote(this.store, row);
    this.next = page.next_cursor;
    this.store.touch("notes");
  }

  showMore() {
    const id = this.store.open;
    if (id) attempt(byId("more-notes"), this.error, () => this.load(id, this.next));
  }

  render() {
    const { store } = this;
    const chat = store.chats.get(store.open || "");
    if (!chat) return;
    const mayWrite = store.team.may("write_notes", chat.session);
    this.form.hidden = !mayWrite;
    const rows = [...store.notes.values()].filter((row) => row.chat === chat.id);
    const live = rows.filter((row) => !row.deleted_at);
    // one that somebody is changing stays, though it was deleted: what was typed is not lost
    const shown = rows.filter((row) => !row.deleted_at || this.edits.has(row.id)).sort(newestFirst);
    place(byId("note-list"), shown.map((row) => this.view(row, chat, mayWrite).root));
    byId("no-notes").hidden = shown.length > 0;
    byId("more-notes").hidden = !this.next;
    setText(byId("notes-count"), live.length ? `${live.length}${this.next ? "+" : ""}` : "");
  }

  /** @param {any} row @param {any} chat @param {boolean} mayWrite */
  view(row, chat, mayWrite) {
    const view = this.views.get(row.id) || new NoteView(this, row.id);
    this.views.set(row.id, view);
    const own = this.store.team.isMe(row.author);
    const deletes = own ? mayWrite : this.store.team.may("delete_notes", chat.session);
    return view.update(row, { edits: own && mayWrite, deletes });
  }

  /** Save what is written, after what is being saved already. */
  write() {
    const chat = this.store.open;
    const body = this.text.value;
    if (!chat) return;
    if (!body.trim()) {
      showText(this.error, "Write a note first.");
      return this.text.focus();
    }
    const key = `${chat} ${body}`;
    if (this.saving === key) return; // pressed twice
    this.saving = key;
    this.line = this.line.then(() => this.save(chat, body)).then(() => {
      if (this.saving === key) this.saving = "";
    });
  }

  async save(/** @type {string} */ chat, /** @type {string} */ body) {
    const button = /** @type {HTMLElement} */ (this.form.querySelector("button"));
    if (!(await attempt(button, this.error, () => this.create(chat, body)))) return;
    if (this.drafts.get(chat) === body) this.drafts.delete(chat);
    if (this.store.open === chat && this.text.value === body) this.text.value = "";
    announce("The note is saved.");
  }

  async create(/** @type {string} */ chat, /** @type {string} */ body) {
    takeNote(this.store, await api.writeNote(chat, body));
  }
}

/** Times are ISO 8601, ids of one time are in the order of their making. @param {any} a @param {any} b */
function newestFirst(a, b) {
  if (a.created_at !== b.created_at) return a.created_at < b.created_at ? 1 : -1;
  return a.id < b.id ? 1 : -1;
}
