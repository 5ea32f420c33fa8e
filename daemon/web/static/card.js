// One session: what it is, what it says, and what can be done with it.

import { api } from "./api.js";
import { announce, attempt, clone, confirm, setText, showText } from "./dom.js";
import { Pairing } from "./pairing.js";
import { sandboxPhone } from "./sandbox.js";
import { dayAndTime, sessionName, stateWord } from "./words.js";

const RESTING = ["created", "disconnected", "logged_out", "banned", "failed"];
const RUNNING = ["starting", "pairing", "connecting", "connected"];

/** Which orders a session can be given now. @type {Record<string, (session: any) => boolean>} */
const POSSIBLE = {
  start: ({ state }) => RESTING.includes(state),
  stop: ({ state, code }) => RUNNING.includes(state) || (state === "disconnected" && code !== "stopped"),
  restart: ({ state }) => RUNNING.includes(state),
  logout: ({ state, jid }) => Boolean(jid) && ["connecting", "connected", "disconnected"].includes(state),
  delete: () => true,
};

/** What is asked before: title, text, and the word of the button that does it. */
const ASK = {
  logout: (/** @type {string} */ name) => [
    `Log out ${name}?`,
    "The phone forgets this device. To use it again, a new code must be scanned.",
    "Log out",
  ],
  delete: (/** @type {string} */ name) => [
    `Delete ${name}?`,
    "The session goes, with its link to the phone and its chats here. The chats on the phone stay.",
    "Delete",
  ],
};

/** Whether the session is linked and not stopped: its line may still come back. */
const hasLine = (/** @type {any} */ { state, code }) =>
  state === "connected" || state === "connecting" || (state === "disconnected" && code !== "stopped");

/** Whether nothing happens by itself: it is to be started. */
const waitsForPerson = (/** @type {any} */ { state, code }) => state !== "disconnected" || code === "stopped";

/** Whether an element that had the focus cannot have it any more. */
const isGone = (/** @type {any} */ element) => !element || element === document.body || !element.offsetParent;

export class Card {
  /** @param {string} id */
  constructor(id) {
    this.id = id;
    const { root, parts } = clone("session-card");
    this.root = root;
    this.parts = parts;
    /** @type {any} */ this.session = null;
    /** @type {Pairing | null} */ this.pairing = null;
    /** @type {HTMLElement | null} */ this.phone = null;
    /** @type {NodeListOf<HTMLButtonElement>} */ this.buttons = root.querySelectorAll("[data-order]");
    for (const button of this.buttons)
      button.addEventListener("click", () => this.order(button, button.dataset.order || ""));
  }

  /**
   * @param {any} session @param {any} codes what is shown to pair it @param {number | undefined} percent
   * @param {import("./team.js").Team} team
   */
  update(session, codes, percent, team) {
    const before = this.session;
    const hadFocus = this.root.contains(document.activeElement);
    this.session = session;
    const { parts } = this;
    const name = sessionName(session);
    setText(parts.title, name);
    parts.sandbox.hidden = session.provider !== "sandbox";
    setText(parts.state, stateWord(session.state, session.code));
    parts.state.dataset.state = session.state;
    const received = session.last_received_at && `Last received ${dayAndTime(session.last_received_at)}`;
    const id = session.label && session.id;
    setText(parts.facts, [session.phone, id, received].filter(Boolean).join(" · "));
    parts.trouble.hidden = !session.message;
    setText(parts.message, session.message || "");
    setText(parts.code, session.code || "");
    showText(parts.action, session.user_action);
    showText(parts.history, percent === undefined || percent >= 100 ? "" : `Reading the history: ${percent} %`);
    for (const button of this.buttons) {
      const order = button.dataset.order || "";
      button.hidden = !team.has("manage") || !POSSIBLE[order](session);
      button.classList.toggle("primary", order === "start" && waitsForPerson(session));
      button.setAttribute("aria-label", `${button.textContent} ${name}`);
    }
    this.showExtra(session, codes, team);
    if (before && (before.state !== session.state || before.code !== session.code)) this.changed(session);
    if (hadFocus && isGone(document.activeElement)) this.parts.title.focus();
  }

  /** Show what a session in this state needs: a code to scan, the sandbox's phone. */
  showExtra(/** @type {any} */ session, /** @type {any} */ codes, /** @type {import("./team.js").Team} */ team) {
    const isPairing = session.state === "pairing" && (team.has("manage") || team.has("pair"));
    if (!isPairing) {
      this.pairing?.close();
      this.pairing?.root.remove();
      this.pairing = null;
    } else if (!this.pairing) {
      this.pairing = new Pairing(session);
      this.parts.extra.append(this.pairing.root);
    }
    this.pairing?.update(session, codes || {});
    const hasPhone = session.provider === "sandbox" && hasLine(session) && team.has("manage");
    if (hasPhone && !this.phone) {
      this.phone = sandboxPhone(session);
      this.parts.extra.append(this.phone);
    }
    if (this.phone) this.phone.hidden = !hasPhone; // kept: so is what was typed there
  }

  changed(/** @type {any} */ session) {
    showText(this.parts.error, null);
    const state = `${sessionName(session)}: ${stateWord(session.state, session.code)}.`;
    announce([state, session.message, session.user_action].filter(Boolean).join(" "));
  }

  async order(/** @type {HTMLElement} */ button, /** @type {string} */ order) {
    const ask = ASK[/** @type {"logout" | "delete"} */ (order)];
    const [title, text, yes] = ask ? ask(sessionName(this.session)) : [];
    if (title && text && yes && !(await confirm(title, text, yes))) return;
    await attempt(button, this.parts.error, () =>
      order === "delete" ? api.deleteSession(this.id) : api.order(this.id, order),
    );
  }

  /** Start a session that was just added; what hinders it is told here. */
  begin() {
    this.parts.title.focus();
    this.root.scrollIntoView({ block: "nearest" });
    return attempt(this.buttons[0], this.parts.error, () => api.order(this.id, "start"));
  }

  close() {
    this.pairing?.close();
  }
}
