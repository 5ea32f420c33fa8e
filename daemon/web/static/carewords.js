// What assignment, status and priority are called. Pure: values in, words out.

import { dayAndTime } from "./words.js";

/** @type {Record<string, string>} */
export const STATUSES = { open: "Open", pending: "Pending", snoozed: "Snoozed", closed: "Closed" };

/** Those that are offered; a chat may have any from -100 to 100. @type {[number, string][]} */
export const PRIORITIES = [
  [100, "Urgent"],
  [50, "High"],
  [0, "Normal"],
  [-50, "Low"],
];

/** @param {number} priority @returns {string} the nearest word, with the number where it is another */
export function priorityWord(priority) {
  const far = ([value] = [0]) => Math.abs(value - priority);
  const [value, word] = PRIORITIES.reduce((best, each) => (far(each) < far(best) ? each : best));
  return value === priority ? word : `${word} (${priority})`;
}

/** @param {any} assignment @returns {string} */
export function statusWord({ status, snoozed_until: until }) {
  return status === "snoozed" && until ? `Snoozed until ${dayAndTime(until)}` : STATUSES[status] || status;
}

/** @param {any} assignment @param {import("./team.js").Team} team @returns {string} */
export function assigneeWord({ assignee }, team) {
  if (!assignee) return "Nobody";
  return team.isMe(assignee) ? "You" : team.nameOf(assignee);
}

/** Times that a chat is often put aside until. @type {Record<string, {text: string, from(now: Date): Date}>} */
export const SNOOZES = {
  hour: { text: "Snooze for an hour", from: (now) => new Date(now.getTime() + 3_600_000) },
  tomorrow: { text: "Snooze until tomorrow, 9:00", from: (now) => morning(now, 1) },
  monday: { text: "Snooze until Monday, 9:00", from: (now) => morning(now, (8 - now.getDay()) % 7 || 7) },
};

/** Nine o'clock, some days after. */
const morning = (/** @type {Date} */ now, /** @type {number} */ days) =>
  new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, 9);

/** @param {Date} time @returns {string} as <input type="datetime-local"> has it */
export function localInput(time) {
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${day}T${two(time.getHours())}:${two(time.getMinutes())}`;
}
