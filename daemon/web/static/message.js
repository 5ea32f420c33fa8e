// One message on the screen, and what became of it.

import { clone, setText, showText } from "./dom.js";
import { dayAndTime, fate, messageText, phone, tame, tick } from "./words.js";

export class MessageView {
  /** @param {() => void} onAgain called when a send that failed is to be tried again */
  constructor(onAgain) {
    const { root, parts } = clone("message");
    this.root = root;
    this.parts = parts;
    /** @type {any} */ this.shown = null;
    parts.again.addEventListener("click", onAgain);
  }

  /** Mark it as the one that was looked for; or not. */
  mark(/** @type {boolean} */ isFound) {
    const { root } = this;
    if (root.hasAttribute("aria-current") === isFound) return;
    if (isFound) {
      root.setAttribute("aria-current", "true");
      root.tabIndex = -1;
    } else root.removeAttribute("aria-current");
  }

  /** @param {any} message @param {boolean} inGroup @returns {this} */
  update(message, inGroup) {
    if (this.shown === message) return this;
    this.shown = message;
    const { root, parts } = this;
    root.classList.toggle("mine", message.from_me);
    root.classList.toggle("plain-kind", message.type !== "text");
    const said = tame(message.sender_name) || phone(message.sender);
    showText(parts.sender, inGroup && !message.from_me ? said : "");
    const quoted = message.reply_to;
    showText(parts.quote, quoted && (quoted.text || `[${quoted.type || "message"}]`));
    setText(parts.text, messageText(message));
    showText(parts.reactions, reactions(message.reactions || []));
    parts.edited.hidden = !message.edited_at || Boolean(message.deleted_at);
    setText(parts.time, dayAndTime(message.at));
    parts.time.dateTime = message.at;
    const { mark, word } = message.from_me ? tick(message.status) : { mark: "", word: "" };
    setText(parts.tick, mark);
    parts.tick.dataset.status = message.status;
    setText(parts.status, word);
    this.showFate(message);
    return this;
  }

  showFate(/** @type {any} */ message) {
    const { parts } = this;
    const told = message.from_me ? message.trouble || fate(message) : "";
    parts.fate.hidden = !told;
    setText(parts["fate-text"], [told, message.failure && `(${message.failure})`].filter(Boolean).join(" "));
    parts.again.hidden = message.status !== "failed";
  }
}

/** @param {any[]} given @returns {string} 👍 2  ❤️ */
function reactions(given) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { emoji } of given) counts.set(emoji, (counts.get(emoji) || 0) + 1);
  return [...counts].map(([emoji, count]) => (count > 1 ? `${emoji} ${count}` : emoji)).join("  ");
}
