// A button that opens a panel of choices. By keyboard: Enter opens, arrows move, Escape closes.

import { clone, place, setText } from "./dom.js";

/** What in a panel can have the focus. */
const STOPS = "button:not([hidden]), input";
/** How near to the edge of the screen a panel may come, in pixels. */
const EDGE = 8;

/** @param {HTMLElement} button @param {HTMLElement} panel @returns {{close(): void}} */
export function menu(button, panel) {
  const box = /** @type {HTMLElement} */ (button.parentElement);
  button.setAttribute("aria-expanded", "false");

  function open() {
    panel.hidden = false;
    button.setAttribute("aria-expanded", "true");
    keepInside(panel);
    const first = panel.querySelector("[aria-current=true], input:not([type=datetime-local])");
    /** @type {HTMLElement | null} */ (first || panel.querySelector(STOPS))?.focus();
  }
  function close() {
    if (panel.hidden) return;
    const hadFocus = panel.contains(document.activeElement);
    panel.hidden = true;
    button.setAttribute("aria-expanded", "false");
    if (hadFocus) button.focus();
  }

  button.addEventListener("click", () => (panel.hidden ? open() : close()));
  box.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !panel.hidden) {
      event.preventDefault();
      close();
      button.focus();
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.altKey || /** @type {any} */ (event.target).type === "datetime-local") return;
    event.preventDefault();
    if (panel.hidden) open();
    else move(panel, step);
  });
  box.addEventListener("focusout", (event) => {
    const to = /** @type {Node | null} */ (event.relatedTarget);
    if (to && !box.contains(to)) close();
  });
  document.addEventListener("pointerdown", (event) => {
    if (!box.contains(/** @type {Node} */ (event.target))) close();
  });
  return { close };
}

/** Move the focus to the next or the last stop of the panel; from the ends, around. */
function move(/** @type {HTMLElement} */ panel, /** @type {number} */ step) {
  const stops = [.../** @type {NodeListOf<HTMLElement>} */ (panel.querySelectorAll(STOPS))].filter((stop) => stop.offsetParent);
  const at = stops.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const next = at < 0 ? (step > 0 ? 0 : -1) : (at + step) % stops.length;
  stops.at(next)?.focus();
}

/** Shift a panel that stands out of the screen. */
function keepInside(/** @type {HTMLElement} */ panel) {
  panel.style.translate = "0";
  const { left, right } = panel.getBoundingClientRect();
  const over = Math.max(0, right - (document.documentElement.clientWidth - EDGE));
  panel.style.translate = `${Math.max(-over, EDGE - left)}px`;
}

/**
 * One fact about the open chat, and the choice of another; only the fact where one may not choose.
 * @typedef {{value: any, text: string}} Option
 */
export class Choice {
  /** @param {string} label what it is @param {(option: Option, button: HTMLElement) => void} onChoose */
  constructor(label, onChoose) {
    const { root, parts } = clone("choice");
    this.root = root;
    this.parts = parts;
    this.onChoose = onChoose;
    /** @type {Map<string, HTMLElement>} */ this.buttons = new Map();
    setText(parts.label, label);
    setText(parts["fact-label"], label);
    parts.panel.setAttribute("aria-label", label);
    this.menu = menu(parts.button, parts.panel);
  }

  /** @param {string} shown @param {any} value @param {Option[]} options @param {boolean} offered */
  update(shown, value, options, offered) {
    const { parts } = this;
    setText(parts.value, shown);
    setText(parts["fact-value"], shown);
    if (!offered) this.menu.close();
    parts.button.hidden = !offered;
    parts.fact.hidden = offered;
    const keys = options.map((option) => `${option.value}`);
    for (const key of this.buttons.keys()) if (!keys.includes(key)) this.buttons.delete(key);
    place(parts.options, options.map((option) => this.option(option, option.value === value)));
  }

  /** @param {Option} option @param {boolean} isCurrent @returns {HTMLElement} */
  option(option, isCurrent) {
    const key = `${option.value}`;
    let item = this.buttons.get(key);
    if (!item) {
      item = document.createElement("li");
      item.append(document.createElement("button"));
      this.buttons.set(key, item);
    }
    const button = /** @type {HTMLButtonElement} */ (item.firstElementChild);
    button.type = "button";
    setText(button, option.text);
    button.onclick = () => {
      this.menu.close();
      this.onChoose(option, this.parts.button);
    };
    if (isCurrent) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
    return item;
  }
}
