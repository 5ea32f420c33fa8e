// Tags as coloured chips, and the line of small marks that a chat has in the list.

import { assignmentOf } from "./annotations.js";
import { assigneeWord, priorityWord, STATUSES } from "./carewords.js";
import { named, place } from "./dom.js";
import { tame } from "./words.js";

/** How many tags a chat shows in the list. */
const MOST = 3;
const COLOR = /^#[0-9a-f]{6}$/;

/** @param {any} tag @returns {HTMLElement} */
export function chip(tag) {
  const node = document.createElement("span");
  node.className = "chip";
  node.append(named(tame(tag.name)));
  paint(node, tag.color);
  return node;
}

/** Give an element a tag's colour, and to its text black or white, whichever is easier to read. */
export function paint(/** @type {HTMLElement} */ node, /** @type {string} */ color) {
  const safe = COLOR.test(color) ? color : "#888888";
  node.style.backgroundColor = safe;
  // where a contrast to black and to white is the same: both are 4.58 then, the least there can be
  node.style.color = luminance(safe) > 0.179 ? "#000" : "#fff";
}

/** @param {string} color @returns {number} as WCAG has it, from 0 to 1 */
function luminance(color) {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = parseInt(color.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** @param {string} kind @param {string} before what only ears need @param {string} text */
function mark(kind, before, text) {
  const node = document.createElement("span");
  node.className = `badge ${kind}`;
  if (before) {
    const unseen = document.createElement("span");
    unseen.className = "sr-only";
    unseen.textContent = before;
    node.append(unseen);
  }
  node.append(named(text));
  return node;
}

/**
 * Show what people added to a chat, and who of them is there.
 * @param {HTMLElement} line @param {any} chat @param {import("./store.js").Store} store
 */
export function showMarks(line, chat, store) {
  const { team } = store;
  const row = assignmentOf(chat);
  const marks = othersIn(store, chat.id).map(({ actor, state }) => {
    const doing = state === "typing" ? "is typing" : "is here";
    return mark(state === "typing" ? "agent busy" : "agent", "", `${team.actorName(actor)} ${doing}`);
  });
  if (row.assignee) marks.push(mark(team.isMe(row.assignee) ? "mine" : "whose", "Assigned to ", assigneeWord(row, team)));
  if (row.status !== "open") marks.push(mark("status", "", STATUSES[row.status] || row.status));
  if (row.priority > 0) marks.push(mark("urgent", "Priority ", priorityWord(row.priority)));
  if (row.priority < 0) marks.push(mark("low", "Priority ", priorityWord(row.priority)));
  const tags = team.tagsOf(chat);
  marks.push(...tags.slice(0, MOST).map(chip));
  if (tags.length > MOST) marks.push(mark("more", "More tags: ", `+${tags.length - MOST}`));
  place(line, marks);
  line.hidden = !marks.length;
}

/** @param {import("./store.js").Store} store @param {string | null} chat @returns {any[]} the other agents there */
export function othersIn(store, chat) {
  const people = [...(store.agents.get(chat || "") || new Map()).values()];
  return people.filter(({ user }) => !store.team.isMe(user));
}
