// The scripted phone of a sandbox session: what its people and its line do.

import { api } from "./api.js";
import { attempt, clone, showText } from "./dom.js";
import { sessionName } from "./words.js";

/** @param {any} session @returns {HTMLElement} */
export function sandboxPhone(session) {
  const { root, parts } = clone("sandbox-phone");
  const { form, error } = parts;
  const play = (/** @type {HTMLElement} */ button, /** @type {string} */ what, /** @type {object} */ body = undefined) =>
    attempt(button, error, () => api.sandbox(session.id, what, body));

  root.setAttribute("aria-label", `Sandbox phone of ${sessionName(session)}`);
  form.addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    const { from, name, text } = form.elements;
    if (!text.value.trim()) {
      showText(error, "Write a text first.");
      return text.focus();
    }
    const message = { from: from.value.replace(/[^0-9+]/g, ""), text: text.value };
    const person = name.value.trim();
    play(form.querySelector("button"), "receive", person ? { ...message, name: person } : message);
  });
  parts.drop.addEventListener("click", () => play(parts.drop, "drop"));
  parts.unlink.addEventListener("click", () => play(parts.unlink, "logout"));
  return root;
}
