// Who works here, what they may do, and the tags of the workspace.

import { tame } from "./words.js";

export class Team {
  constructor() {
    /** Who we are: GET /v1/me. @type {any} */ this.me = null;
    /** By user. @type {Map<string, any>} */ this.members = new Map();
    /** By id. @type {Map<string, any>} */ this.tags = new Map();
  }

  /** @param {any} me @param {any[]} members @param {any[]} tags */
  take(me, members, tags) {
    this.me = me;
    this.members = new Map(members.map((member) => [member.user, member]));
    this.tags = new Map(tags.map((tag) => [tag.id, tag]));
  }

  /** Whether the credential has a scope; without it the daemon refuses, whatever the role. */
  has(/** @type {string} */ scope) {
    return Boolean(this.me?.scopes.includes(scope));
  }

  /**
   * Whether we may do it; in a session, by what our row says of that one.
   * @param {string} ability @param {string | null} session
   */
  may(ability, session = null) {
    if (!this.me || !this.has(ability === "view" ? "read" : "metadata")) return false;
    const own = this.me.member ? this.members.get(this.me.subject)?.permissions?.sessions : null;
    const there = session === null ? undefined : own?.[session]?.[ability];
    return typeof there === "boolean" ? there : this.me.abilities.includes(ability);
  }

  isMe(/** @type {string | null | undefined} */ user) {
    return Boolean(user) && user === this.me?.subject;
  }

  /** @param {string} user @returns {string} what to call somebody */
  nameOf(user) {
    return tame(this.members.get(user)?.name || user);
  }

  /** @param {{id: string, name: string}} actor @returns {string} */
  actorName(actor) {
    return this.isMe(actor.id) ? "You" : tame(this.members.get(actor.id)?.name || actor.name || actor.id);
  }

  /** @param {string} session @returns {any[]} who a chat of the session can be given to, by name */
  assignable(session) {
    const sees = (/** @type {any} */ member) => !member.sessions || member.sessions.includes(session);
    const found = [...this.members.values()].filter((member) => member.active && sees(member));
    return found.sort((a, b) => this.nameOf(a.user).localeCompare(this.nameOf(b.user)));
  }

  /** @returns {any[]} the tags, as they are ordered */
  orderedTags() {
    return [...this.tags.values()].sort((a, b) => a.position - b.position || a.name.localeCompare(b.name));
  }

  /** @param {any} chat @returns {any[]} the chat's tags that are known, as they are ordered */
  tagsOf(chat) {
    const own = new Set(chat?.tags || []);
    return this.orderedTags().filter((tag) => own.has(tag.id));
  }
}
