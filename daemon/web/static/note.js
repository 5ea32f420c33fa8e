// One note on the screen; its author can change it.

import { takeNote } from "./annotations.js";
import { api } from "./api.js";
import { announce, attempt, clone, confirm, setText, showText } from "./dom.js";
import { dayAndTime, isolated } from "./words.js";

export class NoteView {
  /** @param {import("./notes.js").Notes} notes @param {string} id */
  constructor(notes, id) {
    this.notes = notes;
    this.id = id;
    const { root, parts } = clone("note");
    this.root = root;
    this.parts = parts;
    /** @type {any} */ this.row = null;
    parts.change.addEventListener("click", () => this.begin());
    parts.delete.addEventListener("click", () => this.delete());
    parts.cancel.addEventListener("click", () => this.end());
    parts.editor.addEventListener("input", () => this.remember());
    parts.form.addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.save();
    });
    parts.form.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation(); // it does not close the list too
      this.end();
    });
    const begun = notes.edits.get(id);
    if (begun) parts.editor.value = begun.text;
  }

  get edit() {
    return this.notes.edits.get(this.id);
  }

  /** @param {any} row @param {{edits: boolean, deletes: boolean}} may @returns {this} */
  update(row, may) {
    const { parts } = this;
    this.row = row;
    const { team } = this.notes.store;
    const author = team.isMe(row.author) ? "You" : team.nameOf(row.author);
    setText(parts.author, author);
    setText(parts.time, dayAndTime(row.created_at));
    parts.time.dateTime = row.created_at;
    parts.edited.hidden = row.version < 2;
    setText(parts.body, row.body);
    const isOpen = Boolean(this.edit);
    parts.form.hidden = !isOpen;
    parts.actions.hidden = isOpen || !(may.edits || may.deletes);
    parts.change.hidden = !may.edits;
    parts.delete.hidden = !may.deletes;
    parts.body.hidden = isOpen && this.edit?.base === row.version; // the editor has it
    for (const [part, word] of [["change", "Edit"], ["delete", "Delete"]])
      parts[part].setAttribute("aria-label", `${word} the note of ${author}, ${dayAndTime(row.created_at)}`);
    setText(parts.save, row.deleted_at ? "Save as a new note" : "Save");
    if (isOpen && row.deleted_at) this.tell("deleted this note while you were changing it. Your text is kept here");
    return this;
  }

  /** Tell what somebody else did to the note. */
  tell(/** @type {string} */ what) {
    const { team } = this.notes.store;
    const who = isolated(team.actorName(this.row.actor));
    showText(this.parts.error, `${who} ${what}.`);
  }

  begin() {
    const { editor } = this.parts;
    editor.value = this.row.body;
    this.notes.edits.set(this.id, { text: editor.value, version: this.row.version, base: this.row.version });
    showText(this.parts.error, null);
    this.notes.render();
    editor.focus();
  }

  remember() {
    const { edit } = this;
    if (edit) this.notes.edits.set(this.id, { ...edit, text: this.parts.editor.value });
  }

  end() {
    const { parts } = this;
    const hadFocus = this.root.contains(document.activeElement);
    this.notes.edits.delete(this.id);
    showText(parts.error, null);
    this.notes.render();
    if (hadFocus) (this.root.isConnected && !parts.change.hidden ? parts.change : this.notes.toggle).focus();
  }

  async save() {
    const { parts, edit } = this;
    const body = parts.editor.value;
    if (!edit) return;
    if (!body.trim()) {
      showText(parts.error, "The note is empty. Delete it instead.");
      return parts.editor.focus();
    }
    const saved = await attempt(parts.save, parts.error, () =>
      this.row.deleted_at ? this.notes.create(this.row.chat, body) : this.send(body, edit),
    );
    if (saved) this.end();
  }

  /** Save a change of the text that was read; one that was changed meanwhile is shown first. */
  async send(/** @type {string} */ body, /** @type {{version: number, base: number}} */ { version, base }) {
    const { store, edits } = this.notes;
    try {
      takeNote(store, await api.changeNote(this.id, body, version));
    } catch (/** @type {any} */ trouble) {
      if (trouble.code !== "version_conflict") throw trouble;
      await this.fresh();
      edits.set(this.id, { text: body, version: this.row.version, base });
      const who = isolated(store.team.actorName(this.row.actor));
      throw new Error(`${who} changed this note before you: it reads as above now. Save again to put yours in its place.`);
    }
  }

  /** Read the note as it is now. There is no route for one: it is in its chat's first pages. */
  async fresh() {
    const { store } = this.notes;
    const page = await api.notes(this.row.chat);
    for (const row of page.items) takeNote(store, row);
    this.row = store.notes.get(this.id) || this.row;
    setText(this.parts.body, this.row.body);
  }

  async delete() {
    const yes = await confirm("Delete this note?", "It goes for everybody, and cannot be brought back.", "Delete");
    if (!yes) return;
    const { parts } = this;
    const done = await attempt(parts.delete, parts.error, async () => {
      try {
        await api.deleteNote(this.id, this.row.version);
      } catch (/** @type {any} */ trouble) {
        if (trouble.code !== "version_conflict") throw trouble;
        await this.fresh();
        const who = isolated(this.notes.store.team.actorName(this.row.actor));
        throw new Error(`Not deleted: ${who} changed this note before you. Read it again, then decide.`);
      }
    });
    if (!done) return;
    announce("The note is deleted.");
    this.notes.toggle.focus();
  }
}
