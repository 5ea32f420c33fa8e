// All that the page knows: the snapshot, moved on by events. Views hear what changed, once a frame.

import { HANDLERS as ANNOTATIONS } from "./annotations.js";
import { Team } from "./team.js";
import { acked, Thread } from "./thread.js";
import { tame } from "./words.js";

const TYPING_MS = 15_000;
const LATEST_MS = 250;

/** @typedef {{id: string, type: string, session: string, chat: string, at: string, source: string, data: any}} Envelope */
/** @typedef {"sessions" | "chats" | "messages" | "typing" | "codes" | "team" | "notes" | "agents"} Topic */

export class Store {
  constructor() {
    /** @type {Map<string, any>} */ this.sessions = new Map();
    /** @type {Map<string, any>} */ this.chats = new Map();
    /** What is shown to pair a session: {qr, code}, each with its expires_at. @type {Map<string, any>} */
    this.codes = new Map();
    /** Percent of the first history sync. @type {Map<string, number>} */ this.history = new Map();
    /** Who types where. @type {Map<string, Map<string, string>>} */ this.typing = new Map();
    /** Sends without an answer yet, by client_ref. @type {Map<string, any>} */ this.unsent = new Map();
    this.team = new Team();
    /** The open chat's notes, also those that were deleted. @type {Map<string, any>} */ this.notes = new Map();
    /** Who of the agents is in which chat. @type {Map<string, Map<string, any>>} */ this.agents = new Map();
    /** "chat user" of what the stream said since the open chat's agents were asked for. @type {Set<string> | null} */
    this.agentsHeard = null;
    /** Which chats are listed: assignee, tag and status, where they are set. @type {Record<string, string>} */
    this.filter = {};
    /** What the stream said of chats that are being fetched, one list a fetch. @type {Set<Envelope[]>} */
    this.fetches = new Set();
    /** @type {string | null} */ this.open = null;
    /** The open chat's messages. */
    this.thread = new Thread();
    /** Called for a message in a chat that the snapshot did not have. */
    this.onUnknownChat = (/** @type {string} */ _id) => {};
    /** Called for each event, after it is applied. */
    this.onEvent = (/** @type {Envelope} */ _event) => {};
    /** @type {Map<Topic, Set<() => void>>} */ this.listeners = new Map();
    /** @type {Set<Topic>} */ this.changed = new Set();
    this.frame = 0;
    /** @type {number | undefined} */ this.late = undefined;
    /** @type {Map<string, number>} */ this.typingTimers = new Map();
  }

  /** @param {Topic[]} topics @param {() => void} listener */
  on(topics, listener) {
    for (const topic of topics) {
      if (!this.listeners.has(topic)) this.listeners.set(topic, new Set());
      this.listeners.get(topic)?.add(listener);
    }
  }

  /** Note a change; views are told with the next frame, all changes at once. */
  touch(/** @type {Topic[]} */ ...topics) {
    if (!this.changed.size) {
      this.frame = requestAnimationFrame(() => this.flush());
      this.late = setTimeout(() => this.flush(), LATEST_MS); // a covered window draws no frames
    }
    for (const topic of topics) this.changed.add(topic);
  }

  flush() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.late);
    const due = new Set([...this.changed].flatMap((topic) => [...(this.listeners.get(topic) || [])]));
    this.changed.clear();
    for (const listener of due) listener();
  }

  /** @param {{chats: any[], sessions: any[], me: any, members: any[], tags: any[]}} snapshot */
  takeSnapshot({ chats, sessions, me, members, tags }) {
    this.team.take(me, members, tags);
    this.agents.clear();
    this.sessions = new Map(sessions.map((session) => [session.id, session]));
    this.chats = new Map(chats.map((chat) => [chat.id, chat]));
    this.codes.clear();
    this.typing.clear();
    this.touch("sessions", "chats", "typing", "codes", "team", "agents");
  }

  /**
   * Fetch chats. What the stream says meanwhile of those that were not known is applied to them.
   * @param {() => Promise<any>} ask @returns {Promise<any>} the page
   */
  async fetchChats(ask) {
    /** @type {Envelope[]} */
    const missed = [];
    this.fetches.add(missed);
    try {
      const page = await ask();
      this.addChats(page.items);
      for (const event of missed) HANDLERS[event.type](this, event);
      return page;
    } finally {
      this.fetches.delete(missed);
    }
  }

  /** @param {any[]} chats those that are known already are newer than these */
  addChats(chats) {
    for (const chat of chats) if (!this.chats.has(chat.id)) this.chats.set(chat.id, chat);
    this.touch("chats");
  }

  /** @param {any[]} chats as the daemon has them now */
  replaceChats(chats) {
    for (const chat of chats) this.chats.set(chat.id, chat);
    this.touch("chats");
  }

  setSession(/** @type {any} */ session) {
    this.sessions.set(session.id, session);
    if (session.state !== "pairing") this.codes.delete(session.id);
    this.touch("sessions", "codes", "chats");
  }

  dropSession(/** @type {string} */ id) {
    this.sessions.delete(id);
    this.codes.delete(id);
    for (const chat of this.chats.values()) if (chat.session === id) this.chats.delete(chat.id);
    this.touch("sessions", "codes", "chats");
  }

  /** @param {string} session @param {object} code {qr} or {code}, as shown now */
  setCode(session, code) {
    this.codes.set(session, { ...this.codes.get(session), ...code });
    this.touch("codes");
  }

  /** Begin to show a chat; its messages are to be fetched into its thread. */
  openChat(/** @type {string | null} */ id) {
    this.open = id;
    this.thread = new Thread();
    this.notes = new Map();
    this.touch("messages", "chats", "typing", "notes", "agents");
  }

  /** Apply an event of the stream. */
  apply(/** @type {Envelope} */ event) {
    const handler = HANDLERS[event.type];
    if (!handler) return;
    if (event.chat && event.type in ANNOTATIONS && !this.chats.has(event.chat))
      for (const missed of this.fetches) missed.push(event);
    handler(this, event);
    this.onEvent(event);
  }

  /** @param {any} presence of an agent in a chat, as the stream tells it */
  setAgent(presence) {
    const people = new Map(this.agents.get(presence.chat));
    if (presence.state === "away") people.delete(presence.user);
    else people.set(presence.user, presence);
    if (people.size) this.agents.set(presence.chat, people);
    else this.agents.delete(presence.chat);
    this.touch("agents");
  }

  /** Set a chat's typing; it ends by itself where nobody says that it did. */
  setTyping(/** @type {string} */ chat, /** @type {any} */ { sender, sender_name, is_typing }) {
    const key = `${chat} ${sender}`;
    clearTimeout(this.typingTimers.get(key));
    this.typingTimers.delete(key);
    const people = this.typing.get(chat) || new Map();
    if (is_typing) {
      people.set(sender, tame(sender_name));
      const off = () => this.setTyping(chat, { sender, is_typing: false });
      this.typingTimers.set(key, setTimeout(off, TYPING_MS));
    } else people.delete(sender);
    if (people.size) this.typing.set(chat, people);
    else this.typing.delete(chat);
    this.touch("typing");
  }
}

/** @param {Store} store @param {Envelope} event */
function messageChanged(store, event) {
  if (event.chat === store.open) {
    store.thread.apply(event);
    store.touch("messages");
  }
  const chat = store.chats.get(event.chat);
  const last = chat?.last_message;
  if (event.type === "message_ack") {
    if (last?.id === event.data.messageId) store.chats.set(chat.id, { ...chat, last_message: acked(last, event.data) });
  } else if (last?.id === event.data.id) store.chats.set(chat.id, { ...chat, last_message: event.data });
  store.touch("chats");
}

/**
 * Whether a received message adds to the unread count: the rule of daemon/docs/events.md.
 * @param {Chat} chat @param {Message} message
 */
function counts(chat, message) {
  return chat.kind !== "broadcast" && !["system", "poll_vote", "revoked"].includes(message.type);
}

/** @param {Store} store @param {Envelope} event */
function newMessage(store, event) {
  const { data, at, source } = event;
  if (data.client_ref) store.unsent.delete(data.client_ref);
  messageChanged(store, event);
  const received = !data.from_me && (source === "live" || source === "offline");
  const session = store.sessions.get(event.session);
  if (session && received) {
    store.sessions.set(session.id, { ...session, last_received_at: at });
    store.touch("sessions");
  }
  const chat = store.chats.get(event.chat);
  if (!chat) store.onUnknownChat(event.chat);
  else if (chat.last_message?.id !== data.id) {
    const newer = !(chat.updated_at > at);
    store.chats.set(chat.id, {
      ...chat,
      name: betterName(chat, data),
      unread: chat.unread + (received && counts(chat, data) ? 1 : 0),
      last_message: newer ? data : chat.last_message,
      updated_at: newer ? at : chat.updated_at,
    });
  }
  if (received) store.setTyping(event.chat, { sender: data.sender, is_typing: false });
}

/** A number gives way to the name that a person goes by. @param {any} chat @param {any} message */
function betterName(chat, message) {
  const isNumber = !chat.name || chat.name.startsWith("+");
  return chat.kind === "user" && !message.from_me && isNumber ? message.sender_name || chat.name : chat.name;
}

/** @param {Store} store @param {Envelope} event */
function chatChanged(store, { data }) {
  store.chats.set(data.id, data);
  store.touch("chats");
}

/** @type {Record<string, (store: Store, event: Envelope) => void>} */
const HANDLERS = {
  connection_status(store, { data }) {
    if (data.code === "deleted") store.dropSession(data.id);
    else store.setSession({ ...store.sessions.get(data.id), ...data });
  },
  qr: (store, { session, data }) => store.setCode(session, { qr: data }),
  pairing_code: (store, { session, data }) => store.setCode(session, { code: data }),
  history_progress(store, { session, data }) {
    store.history.set(session, data.percent);
    store.touch("sessions");
  },
  new_chat: chatChanged,
  chat_updated: chatChanged,
  chat_deleted(store, { data }) {
    store.chats.delete(data.id);
    store.touch("chats");
  },
  chat_merged(store, event) {
    store.chats.delete(event.data.from);
    chatChanged(store, { ...event, data: event.data.chat });
  },
  new_message: newMessage,
  message_ack: messageChanged,
  message_edited: messageChanged,
  message_deleted: messageChanged,
  message_reaction: messageChanged,
  typing: (store, { chat, data }) => store.setTyping(chat, data),
  ...ANNOTATIONS,
};

/** The types of events that the page listens to. */
export const TYPES = Object.keys(HANDLERS);
