// Who else of the agents is in the open chat, and telling them that we are.

import { api } from "./api.js";
import { othersIn } from "./chips.js";
import { byId, named, setText, setWords } from "./dom.js";

/** The daemon forgets a presence after 30 s. */
const AGAIN_MS = 20_000;
/** How long after the last key one counts as typing. */
const TYPING_MS = 8000;

/** @typedef {"viewing" | "typing" | "away"} State */

export class AgentPresence {
  /** @param {import("./store.js").Store} store */
  constructor(store) {
    this.store = store;
    /** What was told last. @type {{chat: string, state: State} | null} */ this.told = null;
    /** Requests go one after the other: what was said last is what holds. */
    this.line = Promise.resolve();
    this.isTyping = false;
    /** @type {number | undefined} */ this.rest = undefined;
    document.addEventListener("visibilitychange", () => this.tell());
    addEventListener("pagehide", () => this.leave());
    addEventListener("pageshow", () => this.tell());
    setInterval(() => this.tell(true), AGAIN_MS);
    store.on(["agents", "team"], () => this.render());
  }

  /** A chat was opened, or none: ask who is there, and say that we are. */
  async opened() {
    const { store } = this;
    const id = store.open;
    clearTimeout(this.rest);
    this.isTyping = false;
    this.tell(true); // also after a snapshot: the daemon may have been started anew
    this.render();
    if (!id || !store.team.may("view")) return;
    const heard = (store.agentsHeard = new Set());
    const found = await api.presence(id).catch(() => ({ items: [] }));
    if (store.agentsHeard !== heard) return;
    for (const presence of found.items) if (!heard.has(`${id} ${presence.user}`)) store.setAgent(presence);
    store.agentsHeard = null;
  }

  /** @param {any} presence one of ours, told by the daemon: another page of ours may have ended it */
  heardOwn(presence) {
    const { told } = this;
    const isWrong = presence.state === "away" || (this.isTyping && presence.state !== "typing");
    if (told && told.chat === presence.chat && isWrong && this.wanted()?.chat === told.chat) this.tell(true);
  }

  /** Somebody wrote in the box to answer, or emptied it. */
  setTyping(/** @type {boolean} */ isTyping) {
    clearTimeout(this.rest);
    if (isTyping) this.rest = setTimeout(() => this.setTyping(false), TYPING_MS);
    if (this.isTyping === isTyping) return;
    this.isTyping = isTyping;
    this.tell();
  }

  /** @returns {{chat: string, state: State} | null} what is so now */
  wanted() {
    const { open, team } = this.store;
    const may = team.may("view") && (team.has("metadata") || team.has("send"));
    if (!open || !may || document.visibilityState !== "visible") return null;
    return { chat: open, state: this.isTyping ? "typing" : "viewing" };
  }

  /** Say what is so now, if it is another than was said. @param {boolean} again also if not */
  tell(again = false) {
    const [before, after] = [this.told, this.wanted()];
    if (before && before.chat !== after?.chat) this.send(before.chat, "away");
    if (after && (again || before?.chat !== after.chat || before.state !== after.state)) this.send(after.chat, after.state);
    this.told = after;
  }

  send(/** @type {string} */ chat, /** @type {State} */ state) {
    this.line = this.line.then(() => api.setPresence(chat, state)).then(nothing, nothing); // said again soon
  }

  /** The page goes: nothing waits for what was asked before. */
  leave() {
    if (this.told) api.setPresence(this.told.chat, "away").catch(nothing);
    this.told = null;
  }

  render() {
    const { store } = this;
    const people = othersIn(store, store.open);
    const typing = people.filter(({ state }) => state === "typing");
    const line = byId("agents");
    line.classList.toggle("collision", typing.length > 0);
    line.hidden = !people.length;
    if (!people.length) return setText(line, "");
    const looking = people.filter(({ state }) => state !== "typing");
    const lines = [this.words(typing, "writing an answer"), this.words(looking, "looking at this chat")];
    setWords(line, ...lines.filter((words) => words.length).flatMap((words, i) => (i ? [" ", ...words] : words)));
  }

  /** @param {any[]} people @param {string} doing @returns {(string | Element)[]} */
  words(people, doing) {
    if (!people.length) return [];
    const names = people.flatMap(({ actor }, i) => {
      const joint = i === 0 ? "" : i === people.length - 1 ? " and " : ", ";
      return [joint, named(this.store.team.actorName(actor))];
    });
    return [...names, ` ${people.length > 1 ? "are" : "is"} ${doing}.`];
  }
}

const nothing = () => {};
