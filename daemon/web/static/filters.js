// Which chats are listed: whose, with which tag, where the work on them stands. The address keeps it.

import { assignmentOf } from "./annotations.js";
import { api } from "./api.js";
import { byId, place, sentence, showText } from "./dom.js";
import { tame } from "./words.js";

const NAMES = ["assignee", "tag", "status"];
/** A page may be empty and have another after it; so many are fetched by themselves. */
const MOST_EMPTY = 10;
/** Chats that are not known are fetched together, and one by one up to so many. */
const TOGETHER_MS = 200;
const MOST_UNKNOWN = 20;

/**
 * Whether a chat passes: the rule of GET /v1/chats.
 * @param {any} chat @param {Record<string, string>} filter @param {import("./team.js").Team} team
 */
export function passes(chat, { assignee, tag, status }, team) {
  const row = assignmentOf(chat);
  if (assignee === "none" && row.assignee) return false;
  if (assignee && assignee !== "none" && row.assignee !== (assignee === "me" ? team.me?.subject : assignee)) return false;
  return (!tag || chat.tags?.includes(tag)) && (!status || row.status === status);
}

/**
 * @param {import("./store.js").Store} store @param {(cursor: string | null) => void} setNext
 * @returns {{refill(): Promise<void>, unknownChat(id: string): void}} refill fetches the chats that pass;
 *   unknownChat is told of those that the stream says something of, and that may pass now
 */
export function filterChats(store, setNext) {
  const fields = NAMES.map((name) => /** @type {HTMLSelectElement} */ (byId(`filter-${name}`)));
  /** What each field offers now. @type {Map<string, string>} */
  const offered = new Map();
  /** Chats that were not known when something was said of them. @type {Set<string>} */
  const unknown = new Set();
  let turn = 0;
  const asked = new URLSearchParams(location.search);
  for (const name of NAMES) if (asked.get(name)) store.filter[name] = asked.get(name) || "";

  function render() {
    const { team } = store;
    byId("filters").hidden = !team.may("view");
    const people = [...team.members.values()].filter(({ user }) => !team.isMe(user));
    offer("assignee", people.map(({ user }) => [user, team.nameOf(user)]));
    offer("tag", team.orderedTags().map((tag) => [tag.id, tame(tag.name)]));
    for (const field of fields) field.value = store.filter[field.name] || "";
    byId("clear-filters").hidden = !Object.keys(store.filter).length;
  }

  /** Put options after those that are always there. @param {string} name @param {string[][]} options */
  function offer(name, options) {
    const listed = JSON.stringify([options, store.filter[name]]);
    if (offered.get(name) === listed) return; // a list that somebody has open stays as it is
    offered.set(name, listed);
    const field = byId(`filter-${name}`);
    const fixed = [.../** @type {NodeListOf<HTMLElement>} */ (field.querySelectorAll("[data-fixed]"))];
    const chosen = store.filter[name];
    const known = [...fixed.map((node) => node.getAttribute("value")), ...options.map(([value]) => value)];
    if (chosen && !known.includes(chosen)) options.push([chosen, "Unknown"]); // a tag that was deleted
    place(field, [...fixed, ...options.map(([value, text]) => new Option(text, value))]);
  }

  function choose(/** @type {Record<string, string>} */ filter) {
    store.filter = filter;
    const address = new URL(location.href);
    for (const name of NAMES)
      if (filter[name]) address.searchParams.set(name, filter[name]);
      else address.searchParams.delete(name);
    history.replaceState(history.state, "", address);
    store.touch("chats", "team");
    refill();
  }

  async function refill() {
    const mine = (turn += 1);
    /** @type {string | null} */
    let cursor = null;
    setNext(null);
    showText(byId("chats-error"), null);
    try {
      for (let page = 0; page < MOST_EMPTY; page += 1) {
        const from = cursor;
        const found = await store.fetchChats(() => api.chats(from, store.filter));
        if (mine !== turn) return;
        cursor = found.next_cursor;
        if (found.items.length || !cursor) break;
      }
      setNext(cursor);
    } catch (trouble) {
      if (mine === turn) showText(byId("chats-error"), sentence(trouble));
    }
  }

  /** Fetch chats that may be listed now; many at once are left to a new page. */
  function fetchUnknown() {
    const ids = [...unknown].filter((id) => !store.chats.has(id));
    unknown.clear();
    if (ids.length > MOST_UNKNOWN) refill();
    else ids.forEach(store.onUnknownChat);
  }

  function unknownChat(/** @type {string} */ id) {
    if (!Object.keys(store.filter).length) return;
    if (!unknown.size) setTimeout(fetchUnknown, TOGETHER_MS);
    unknown.add(id);
  }

  for (const field of fields)
    field.addEventListener("change", () => {
      const filter = { ...store.filter, [field.name]: field.value };
      choose(Object.fromEntries(Object.entries(filter).filter(([, value]) => value)));
    });
  byId("clear-filters").addEventListener("click", () => {
    choose({});
    fields[0].focus();
  });
  store.on(["team"], render);
  return { refill, unknownChat };
}
