// The list of sessions, and the form that adds one.

import { api } from "./api.js";
import { Card } from "./card.js";
import { attempt, byId, place, showText } from "./dom.js";

/** @param {import("./store.js").Store} store */
export function showSessions(store) {
  /** @type {Map<string, Card>} */
  const cards = new Map();
  let wasEmpty = false;

  function render() {
    for (const [id, card] of cards) {
      if (store.sessions.has(id)) continue;
      const hadFocus = card.root.contains(document.activeElement);
      card.close();
      cards.delete(id);
      card.root.remove();
      if (hadFocus) byId("main").focus();
    }
    for (const session of store.sessions.values()) {
      const card = cards.get(session.id) || new Card(session.id);
      cards.set(session.id, card);
      card.update(session, store.codes.get(session.id), store.history.get(session.id), store.team);
    }
    place(byId("session-list"), [...store.sessions.keys()].map((id) => /** @type {Card} */ (cards.get(id)).root));
    const isEmpty = !store.sessions.size;
    if (isEmpty !== wasEmpty) offerForm(isEmpty);
    wasEmpty = isEmpty;
    byId("no-sessions").hidden = !isEmpty;
    byId("add").hidden = !store.team.has("manage");
  }

  store.on(["sessions", "codes", "team"], render);
  addForm(store, (id) => {
    store.flush();
    cards.get(id)?.begin();
  });
}

/** Open the form where there is nothing else to do; close it again unless somebody writes in it. */
function offerForm(/** @type {boolean} */ isEmpty) {
  const details = /** @type {HTMLDetailsElement} */ (byId("add"));
  if (isEmpty || !details.contains(document.activeElement)) details.open = isEmpty;
}

/** @param {import("./store.js").Store} store @param {(id: string) => void} onAdded */
function addForm(store, onAdded) {
  const form = /** @type {HTMLFormElement} */ (byId("add-form"));
  const details = /** @type {HTMLDetailsElement} */ (byId("add"));
  const { label, id, provider } = /** @type {any} */ (form.elements);
  let ownId = false;

  label.addEventListener("input", () => {
    if (!ownId) id.value = idOf(label.value);
  });
  id.addEventListener("input", () => {
    ownId = id.value !== "";
    idTrouble("");
  });

  function idTrouble(/** @type {string} */ text) {
    showText(byId("id-error"), text);
    id.setAttribute("aria-invalid", String(Boolean(text)));
    if (text) id.focus();
  }

  async function add() {
    const values = { id: id.value, label: label.value.trim(), provider: provider.value };
    try {
      store.setSession(await api.createSession(values));
    } catch (/** @type {any} */ trouble) {
      if (trouble.code !== "session_exists") throw trouble;
      return idTrouble(trouble.message);
    }
    form.reset();
    ownId = false;
    details.open = false;
    onAdded(values.id);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    idTrouble("");
    if (!id.value) return idTrouble("The session needs an id.");
    if (!id.validity.valid)
      return idTrouble("Use a-z, 0-9, - and _, up to 64 of them, and begin with a letter or a digit.");
    const button = /** @type {HTMLElement} */ (form.querySelector("button.primary"));
    attempt(button, byId("add-error"), add);
  });
}

/** @param {string} name @returns {string} an id that reads like the name */
function idOf(name) {
  const plain = name.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  return plain
    .replace(/[^a-z0-9_]+/g, "-")
    .replace(/^[-_]+|-+$/g, "")
    .slice(0, 64);
}
