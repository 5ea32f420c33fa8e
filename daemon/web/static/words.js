// What states, messages and times are called. Pure: values in, words out.

/** @param {string} state @param {string | null} code */
export function stateWord(state, code) {
  if (state === "disconnected" && code === "stopped") return "Stopped";
  return STATES[state] || state;
}

/** @type {Record<string, string>} */
const STATES = {
  created: "Not started",
  starting: "Starting",
  pairing: "Waiting for the phone",
  connecting: "Connecting",
  connected: "Connected",
  disconnected: "Disconnected",
  logged_out: "Logged out",
  banned: "Banned",
  failed: "Failed",
};

/** Signs that turn the direction of text, or end the place where a name stands apart. */
const TURNS = /[\u202a-\u202e\u2066-\u2069]/g;
/** @param {string | null | undefined} name @returns {string} the name without them */
export const tame = (name) => (name || "").replace(TURNS, "");
/** @param {string} name @returns {string} for a sentence: the direction of the name ends with it */
export const isolated = (name) => `\u2068${tame(name)}\u2069`;

/** @param {{label: string, id: string}} session */
export const sessionName = (session) => tame(session.label) || session.id;

/** @param {any} chat */
export const chatName = (chat) => tame(chat.name) || phone(chat.pn || chat.jid);

/** @param {string | null} jid @returns {string} a number where the address is one */
export function phone(jid) {
  const [user, server] = (jid || "").split("@");
  return server === "s.whatsapp.net" ? `+${user}` : jid || "";
}

/** @type {Record<string, string>} */
const KINDS = { group: "Group", newsletter: "Channel", broadcast: "Broadcast" };
/** @param {string} kind */
export const kindWord = (kind) => KINDS[kind] || "";

/** The tick of a message that the account sent, and what it means. */
export function tick(/** @type {string} */ status) {
  return TICKS[status] || { mark: "", word: "" };
}

/** @type {Record<string, {mark: string, word: string}>} */
const TICKS = {
  pending: { mark: "◷", word: "Pending" },
  sent: { mark: "✓", word: "Sent" },
  delivered: { mark: "✓✓", word: "Delivered" },
  read: { mark: "✓✓", word: "Read" },
  played: { mark: "✓✓", word: "Played" },
  failed: { mark: "!", word: "Not sent" },
  unknown: { mark: "?", word: "Unknown" },
};

/** What became of a send that did not go as it should; empty for the others. */
export function fate(/** @type {any} */ message) {
  if (message.status === "failed") return "Not sent.";
  if (message.status === "unknown")
    return "It cannot be known whether this was sent. Look at the phone before you send it again.";
  return "";
}

/** @param {any} message @returns {string} one readable text for every kind of message */
export function messageText(message) {
  if (message.deleted_at || message.type === "revoked") return "This message was deleted.";
  if (message.type === "text") return message.text || "";
  const what = (DESCRIBE[message.type] || (() => ""))(message.content || {}, message.media || {});
  return [`[${TYPES[message.type] || message.type}]`, what, message.text].filter(Boolean).join(" ");
}

/** @type {Record<string, string>} */
const TYPES = {
  image: "Image",
  video: "Video",
  gif: "GIF",
  audio: "Audio",
  voice: "Voice message",
  document: "Document",
  sticker: "Sticker",
  location: "Location",
  live_location: "Live location",
  contact: "Contact",
  poll: "Poll",
  poll_vote: "Vote",
  event: "Event",
  reaction_only: "Reaction",
  system: "WhatsApp",
  view_once: "View once",
  unsupported: "Unsupported message",
};

/** @param {any} _ @param {any} media */
const length = (_, media) => (media.seconds ? clockTime(media.seconds) : "");
/** @param {any} content */
const named = (content) => content.name || "";

/** @type {Record<string, (content: any, media: any) => string>} */
const DESCRIBE = {
  video: length,
  audio: length,
  voice: length,
  document: (_, media) => media.file_name || "",
  location: (content) =>
    [content.name, content.address].filter(Boolean).join(", ") || `${content.latitude}, ${content.longitude}`,
  live_location: (content) => named(content),
  contact: (content) => (content.contacts || []).map((/** @type {any} */ c) => c.name || "?").join(", "),
  poll: (content) => `${content.question || ""} – ${(content.options || []).join(" / ")}`,
  poll_vote: (content) => (content.options || []).filter((/** @type {string} */ o) => !HASH.test(o)).join(" / "),
  event: (content) => [content.name, content.start_at && dayAndTime(content.start_at)].filter(Boolean).join(", "),
  system: named,
  view_once: () => "Open it on the phone.",
  unsupported: named,
};
const HASH = /^[0-9a-f]{64}$/;

/** @param {number} seconds @returns {string} 1:05 */
export function clockTime(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

const TIME = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat("en", { day: "numeric", month: "short" });
const DATE = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", year: "numeric" });

/** @param {string | null} iso @returns {string} the time today, the day before, the date last year */
export function shortTime(iso) {
  if (!iso) return "";
  const then = new Date(iso);
  const today = new Date();
  if (then.toDateString() === today.toDateString()) return TIME.format(then);
  return (then.getFullYear() === today.getFullYear() ? DAY : DATE).format(then);
}

/** @param {string} iso @returns {string} the time today, with the day before, with the year where it is another */
export function dateAndTime(iso) {
  const then = new Date(iso);
  const isThisYear = then.getFullYear() === new Date().getFullYear();
  return isThisYear ? dayAndTime(iso) : `${DATE.format(then)}, ${TIME.format(then)}`;
}

/** @param {string} iso @returns {string} */
export function dayAndTime(iso) {
  const then = new Date(iso);
  const time = TIME.format(then);
  return then.toDateString() === new Date().toDateString() ? time : `${DAY.format(then)}, ${time}`;
}
