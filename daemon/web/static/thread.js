// The messages of the open chat that the page holds: a stretch without gaps, wherever in the past it is.

/** How many messages are held; past that, those at the far end are let go, and fetched again when needed. */
const MOST_MESSAGES = 600;
/** How many messages a page has. */
export const PAGE = 50;

/** @typedef {import("./store.js").Envelope} Envelope */
/** @typedef {"newest" | "before" | "after" | "around"} Where */

export class Thread {
  constructor() {
    /** By id. Of two with the same time, the one that is first here is older. @type {Map<string, any>} */
    this.messages = new Map();
    /** Whether the chat may have older ones than these, and newer ones. */
    this.hasEarlier = false;
    this.hasLater = false;
    /** How many pages are being fetched. */
    this.fetches = 0;
    /** What the stream says while pages are being fetched. @type {Envelope[]} */
    this.meanwhile = [];
  }

  /** @returns {any[]} oldest first; times are ISO 8601, so that their order is that of their letters */
  ordered() {
    return [...this.messages.values()].sort((a, b) => (a.at < b.at ? -1 : Number(a.at > b.at)));
  }

  /**
   * Take a page. What the stream says until it is here is applied to it.
   * @param {Where} where @param {string | null} anchor the message that the page hangs on
   * @param {() => Promise<any>} ask @returns {Promise<any>} the page
   */
  async fetch(where, anchor, ask) {
    this.fetches += 1;
    try {
      const page = await ask();
      this.take(page, where, anchor);
      return page;
    } finally {
      this.fetches -= 1;
      if (!this.fetches) for (const event of this.meanwhile.splice(0)) this.change(event);
    }
  }

  /** @param {any} page newest first @param {Where} where @param {string | null} anchor */
  take({ items, next_cursor: more }, where, anchor) {
    const held = where === "before" || where === "after" ? this.messages : new Map();
    const page = items.slice().reverse().map((/** @type {any} */ message) => [message.id, message]);
    this.messages = new Map(where === "after" ? [...held, ...page] : [...page, ...held]);
    if (where === "around") {
      // half of the page is from the message on, half of it before; a half that is full may go on
      const newer = 1 + items.findIndex((/** @type {any} */ message) => message.id === anchor);
      this.hasLater = !newer || newer >= PAGE / 2;
      this.hasEarlier = !newer || items.length - newer >= PAGE / 2;
    } else if (where === "after") this.hasLater = items.length === PAGE;
    else {
      this.hasEarlier = Boolean(more);
      if (where === "newest") this.hasLater = false;
    }
    this.trim(where === "before");
  }

  /** Let go what is too much. @param {boolean} ofNewest whether the newest go, else the oldest */
  trim(ofNewest) {
    const excess = this.messages.size - MOST_MESSAGES;
    if (excess <= 0) return;
    const ordered = this.ordered();
    const gone = ofNewest ? ordered.slice(-excess) : ordered.slice(0, excess);
    for (const { id } of gone) this.messages.delete(id);
    if (ofNewest) this.hasLater = true;
    else this.hasEarlier = true;
  }

  /** Apply what an event says of the chat's messages. */
  apply(/** @type {Envelope} */ event) {
    if (this.fetches) this.meanwhile.push(event);
    else this.change(event);
  }

  change(/** @type {Envelope} */ { type, data }) {
    if (type === "message_ack") {
      const message = this.messages.get(data.messageId);
      if (message) this.messages.set(message.id, acked(message, data));
    } else if (this.messages.has(data.id)) this.messages.set(data.id, data);
    else if (type === "new_message") this.add(data);
  }

  /** Add a message, if it is within what is held: beyond, the page that has it is fetched some day. */
  add(/** @type {any} */ message) {
    const ordered = this.hasEarlier || this.hasLater ? this.ordered() : [];
    if (this.hasEarlier && message.at < ordered[0]?.at) return;
    if (this.hasLater && !(message.at < ordered.at(-1)?.at)) return;
    this.messages.set(message.id, message);
    this.trim(false);
  }
}

/** @param {any} message @param {any} ack */
export const acked = (message, ack) => ({ ...message, status: ack.status, ack: ack.ack, failure: ack.code });
