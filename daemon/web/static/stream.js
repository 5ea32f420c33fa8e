// Snapshot, then the stream: nothing is lost between them, since the snapshot says where it stands.

import { api } from "./api.js";
import { TYPES } from "./store.js";

/** Pings come every 15 to 25 s; a line that is silent for longer is dead. */
const SILENT_MS = 45_000;
const MOST_WAIT_MS = 30_000;

/** @typedef {"opening" | "live" | "lost" | "ended"} Line */

export class Stream {
  /** @param {import("./store.js").Store} store @param {(line: Line) => void} tell */
  constructor(store, tell) {
    this.store = store;
    this.tell = tell;
    /** @type {EventSource | null} */ this.source = null;
    this.position = "";
    this.heard = Date.now();
    this.failures = 0;
    /** @type {number | undefined} */ this.timer = undefined;
    this.ended = false;
    this.turn = 0;
    /** Called where no snapshot could be taken; it is tried again. */
    this.onTrouble = (/** @type {any} */ _trouble) => {};
    /** Called after each snapshot. @type {(nextChats: string | null) => void} */ this.onSnapshot = () => {};
    setInterval(() => this.watch(), 5000);
    document.addEventListener("visibilitychange", () => this.watch());
    addEventListener("online", () => this.source?.readyState !== EventSource.OPEN && this.again(0));
  }

  /** Take a snapshot, and follow the stream from there. */
  async start() {
    const turn = (this.turn += 1); // of two at once, the later one counts
    this.close();
    try {
      const chats = await api.chats();
      // after the chats: what changed since `as_of` is in the stream
      const rest = [api.sessions(), api.me(), ifAllowed(api.members()), ifAllowed(api.tags())];
      const [sessions, me, members, tags] = await Promise.all(rest);
      if (this.ended || turn !== this.turn) return;
      this.store.takeSnapshot({
        chats: chats.items,
        sessions: sessions.items,
        me,
        members: members.items,
        tags: tags.items,
      });
      this.position = chats.as_of;
      this.onSnapshot(chats.next_cursor);
      this.follow();
    } catch (trouble) {
      if (turn !== this.turn) return;
      this.position = "";
      this.onTrouble(trouble);
      this.fail();
    }
  }

  /** Stop for good: nobody is signed in. */
  end() {
    this.ended = true;
    this.close();
    this.tell("ended");
  }

  close() {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.source?.close();
    this.source = null;
  }

  follow() {
    this.close();
    const source = new EventSource(`/v1/events?after=${encodeURIComponent(this.position)}`);
    this.source = source;
    this.heard = Date.now();
    source.onopen = () => {
      this.failures = 0;
      this.heard = Date.now();
      this.tell("live");
    };
    source.onerror = () => {
      // While it is CONNECTING the browser comes back by itself; CLOSED means that it gave up.
      if (source.readyState === EventSource.CLOSED) this.fail();
      else this.tell("lost");
    };
    for (const type of TYPES) source.addEventListener(type, (event) => this.take(event));
    for (const type of ["hello", "ping"]) source.addEventListener(type, () => (this.heard = Date.now()));
    source.addEventListener("stream_reset", () => this.start());
  }

  take(/** @type {MessageEvent} */ event) {
    this.heard = Date.now();
    this.position = event.lastEventId || this.position;
    this.store.apply(JSON.parse(event.data));
  }

  fail() {
    if (this.ended) return;
    this.close();
    this.tell("lost");
    const wait = Math.min(MOST_WAIT_MS, 1000 * 2 ** this.failures) * (0.75 + Math.random() / 2);
    this.failures += 1;
    this.again(wait);
  }

  /** Come back after a while: where the stream was left, or by a new snapshot. */
  again(/** @type {number} */ wait) {
    if (this.ended) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.probe(), wait);
  }

  /** An EventSource does not tell why it was refused; the API does (a 401 ends the page). */
  async probe() {
    if (!this.position) return this.start();
    try {
      await api.sessions();
    } catch (trouble) {
      return this.fail();
    }
    if (!this.ended) this.follow();
  }

  /** Open the stream anew if it died in silence: a phone that slept, a proxy that forgot. */
  watch() {
    const silent = Date.now() - this.heard > SILENT_MS;
    if (!this.ended && this.source && silent && document.visibilityState === "visible") {
      this.tell("lost");
      this.heard = Date.now();
      this.close();
      this.again(0);
    }
  }
}

/** @param {Promise<any>} list @returns {Promise<any>} the list; an empty one where our role may not see it */
async function ifAllowed(list) {
  try {
    return await list;
  } catch (/** @type {any} */ trouble) {
    if (trouble.code === "missing_ability") return { items: [] };
    throw trouble;
  }
}
