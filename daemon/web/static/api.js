// The daemon's API as this page uses it. The cookie is the credential; nothing is kept in the page.

import { PAGE } from "./thread.js";

/** An answer that is not a success: RFC 9457, or no answer at all. */
export class Problem extends Error {
  /** @param {number} status @param {{code?: string, detail?: string, user_action?: string, [more: string]: any}} body */
  constructor(status, body) {
    super(body.detail || `The daemon answered ${status}.`);
    this.status = status;
    this.body = body; // some problems tell more: who has the chat, for example
    this.code = body.code || "";
    this.userAction = body.user_action || "";
  }
}

/** How far the daemon's clock is ahead of ours, in milliseconds. */
let ahead = 0;
/** The daemon's time. */
export const now = () => Date.now() + ahead;

/** Called on every 401: the cookie is no good any more. */
export const session = { onEnd: () => {} };

/**
 * @param {string} method @param {string} path @param {object} [body]
 * @param {Record<string, string>} [headers] @param {boolean} [keepalive] whether it outlives the page
 * @returns {Promise<Response>}
 */
async function ask(method, path, body, headers = {}, keepalive = false) {
  /** @type {RequestInit} */
  // no-store: a 304 would bring back the `as_of` of an old answer
  const init = { method, headers, keepalive, cache: "no-store" };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { ...headers, "Content-Type": "application/json" };
  }
  let answer;
  try {
    answer = await fetch(path, init);
  } catch {
    throw new Problem(0, { detail: "The daemon cannot be reached.", user_action: "Try again." });
  }
  const date = Date.parse(answer.headers.get("Date") || "");
  const off = date - Date.now();
  if (!Number.isNaN(off)) ahead = Math.abs(off) > 2000 ? off : 0; // Date is in whole seconds
  if (answer.ok) return answer;
  if (answer.status === 401) session.onEnd();
  throw new Problem(answer.status, await answer.json().catch(() => ({})));
}

/** @param {Response} answer */
const json = async (answer) => (answer.status === 204 ? null : answer.json());
/** @param {string} path */
const get = async (path) => json(await ask("GET", path));
/** @param {string} path @param {object} [body] @param {Record<string, string>} [headers] */
const post = async (path, body, headers) => json(await ask("POST", path, body, headers));
/** Change a row, if it still has this version. @param {string} path @param {object} body @param {number} version */
const patch = async (path, body, version) => json(await ask("PATCH", path, body, ifMatch(version)));
/** @param {number} version 0: there is no such row yet */
const ifMatch = (version) => ({ "If-Match": `"${version}"` });

const sessionPath = (/** @type {string} */ id) => `/v1/sessions/${encodeURIComponent(id)}`;
const chatPath = (/** @type {string} */ id) => `/v1/chats/${encodeURIComponent(id)}`;
const notePath = (/** @type {string} */ id) => `/v1/notes/${encodeURIComponent(id)}`;
const tagPath = (/** @type {string} */ chat, /** @type {string} */ tag) =>
  `${chatPath(chat)}/tags/${encodeURIComponent(tag)}`;

/** @param {Record<string, string | null>} values @returns {string} those that are set, as a query */
function query(values) {
  const set = Object.entries(values).filter(([, value]) => value);
  return new URLSearchParams(/** @type {[string, string][]} */ (set)).toString();
}

export const api = {
  sessions: () => get("/v1/sessions"),
  createSession: (/** @type {object} */ values) => post("/v1/sessions", values),
  deleteSession: (/** @type {string} */ id) => ask("DELETE", sessionPath(id)),
  /** start, stop, restart, logout */
  order: (/** @type {string} */ id, /** @type {string} */ what) => post(`${sessionPath(id)}/${what}`),
  qr: (/** @type {string} */ id) => get(`${sessionPath(id)}/qr`),
  qrPicture: async (/** @type {string} */ id) =>
    (await ask("GET", `${sessionPath(id)}/qr`, undefined, { Accept: "image/svg+xml" })).blob(),
  pairingCode: (/** @type {string} */ id, /** @type {string} */ phone) =>
    post(`${sessionPath(id)}/pairing-code`, { phone }),
  /** scan, receive, drop, logout */
  sandbox: (/** @type {string} */ id, /** @type {string} */ what, /** @type {object} */ body = undefined) =>
    post(`${sessionPath(id)}/sandbox/${what}`, body),

  me: () => get("/v1/me"),
  members: () => get("/v1/members"),
  tags: () => get("/v1/tags"),
  createTag: (/** @type {{name: string, color: string}} */ values) => post("/v1/tags", values),

  /** @param {string | null} cursor @param {Record<string, string>} filter assignee, tag, status */
  chats: (cursor = null, filter = {}) => get(`/v1/chats?${query({ limit: "100", cursor, ...filter })}`),
  chat: (/** @type {string} */ id) => get(chatPath(id)),
  read: (/** @type {string} */ id) => post(`${chatPath(id)}/read`),
  typing: (/** @type {string} */ id, /** @type {boolean} */ isTyping) =>
    post(`${chatPath(id)}/typing`, { is_typing: isTyping }),
  /** @param {string} id @param {import("./thread.js").Where} where @param {string | null} anchor a message */
  messages: (id, where, anchor) => get(`${chatPath(id)}/messages?${query({ limit: String(PAGE), [where]: anchor })}`),
  /** @param {string} q @param {string | null} chat null: in all @param {string | null} cursor */
  search: (q, chat, cursor) => get(`/v1/search?${new URLSearchParams({ q })}&${query({ limit: "20", chat, cursor })}`),
  send: (/** @type {string} */ id, /** @type {string} */ text, /** @type {string} */ ref) =>
    post(`${chatPath(id)}/messages`, { type: "text", text, client_ref: ref }, { "Idempotency-Key": ref }),

  assignment: (/** @type {string} */ id) => get(`${chatPath(id)}/assignment`),
  changeAssignment: (/** @type {string} */ id, /** @type {object} */ changes, /** @type {number} */ version) =>
    patch(`${chatPath(id)}/assignment`, changes, version),
  claim: (/** @type {string} */ id, /** @type {boolean} */ steal) => post(`${chatPath(id)}/claim`, { steal }),
  addTag: (/** @type {string} */ id, /** @type {string} */ tag) => ask("PUT", tagPath(id, tag)),
  removeTag: (/** @type {string} */ id, /** @type {string} */ tag) => ask("DELETE", tagPath(id, tag)),
  notes: (/** @type {string} */ id, /** @type {string | null} */ cursor = null) =>
    get(`${chatPath(id)}/notes?${query({ limit: "50", cursor })}`),
  writeNote: (/** @type {string} */ id, /** @type {string} */ body) => post(`${chatPath(id)}/notes`, { body }),
  changeNote: (/** @type {string} */ note, /** @type {string} */ body, /** @type {number} */ version) =>
    patch(notePath(note), { body }, version),
  deleteNote: (/** @type {string} */ note, /** @type {number} */ version) =>
    ask("DELETE", notePath(note), undefined, ifMatch(version)),
  presence: (/** @type {string} */ id) => get(`${chatPath(id)}/presence`),
  /** Say what we do in a chat; it arrives also where the page goes away. */
  setPresence: (/** @type {string} */ id, /** @type {"viewing" | "typing" | "away"} */ state) =>
    ask("PUT", `${chatPath(id)}/presence`, { state }, {}, true),
  signOut: () => ask("POST", "/logout"),
};
