// The open chat's care: whose it is, where that stands, how urgent it is.

import { assignmentOf, takeAssignment } from "./annotations.js";
import { api, now } from "./api.js";
import { assigneeWord, localInput, PRIORITIES, priorityWord, SNOOZES, STATUSES, statusWord } from "./carewords.js";
import { announce, attempt, byId, showText } from "./dom.js";
import { Choice } from "./menu.js";
import { chatName, isolated } from "./words.js";

/** @typedef {import("./store.js").Store} Store */

export class Care {
  /** @param {Store} store */
  constructor(store) {
    this.store = store;
    this.error = byId("care-error");
    /** What one does is done in its order. @type {Promise<unknown>} */
    this.line = Promise.resolve();
    this.assignee = new Choice("Assigned to", ({ value }, button) => this.change(button, { assignee: value }));
    this.status = new Choice("Status", ({ value }, button) => this.setStatus(button, value));
    this.priority = new Choice("Priority", ({ value }, button) => this.change(button, { priority: value }));
    byId("care-facts").prepend(this.assignee.root);
    byId("claims").after(this.status.root, this.priority.root);
    this.claim = byId("claim");
    this.release = byId("release");
    this.takeOver = byId("take-over");
    this.claim.addEventListener("click", () => this.act(this.claim, (id) => api.claim(id, false)));
    this.takeOver.addEventListener("click", () => this.act(this.takeOver, (id) => api.claim(id, true)));
    this.release.addEventListener("click", () => this.change(this.release, { assignee: null }));
    this.snooze = snoozeForm(this);
    this.status.parts.panel.append(this.snooze);
    store.on(["chats", "team"], () => this.render());
  }

  /** Another chat was opened: what was told of the last one goes. */
  opened() {
    showText(this.error, null);
    for (const choice of [this.assignee, this.status, this.priority]) choice.menu.close();
    this.render();
  }

  render() {
    const { store } = this;
    const { team } = store;
    const chat = store.chats.get(store.open || "");
    byId("care").hidden = !chat || !team.may("view", chat.session);
    if (!chat) return;
    const row = assignmentOf(chat);
    const mine = team.isMe(row.assignee);
    const assigns = team.may("assign_chats", chat.session);
    const transfers = team.may("transfer_chats", chat.session);
    const gives = row.assignee && !mine ? transfers : assigns;
    this.assignee.update(assigneeWord(row, team), row.assignee, this.people(chat), gives);
    this.offer(this.claim, assigns && !row.assignee);
    this.offer(this.release, mine && assigns);
    this.offer(this.takeOver, Boolean(row.assignee) && !mine && assigns && transfers);
    const sets = team.may("set_status", chat.session);
    this.status.update(statusWord(row), row.status, STATUS_OPTIONS, sets);
    this.status.parts.button.dataset.status = this.status.parts.fact.dataset.status = row.status;
    const levels = PRIORITIES.map(([value, text]) => ({ value, text }));
    this.priority.update(priorityWord(row.priority), row.priority, levels, sets);
    this.priority.parts.button.dataset.urgent = this.priority.parts.fact.dataset.urgent = String(row.priority > 0);
  }

  /** Show or hide a button; the focus of one that goes stays nearby. */
  offer(/** @type {HTMLElement} */ button, /** @type {boolean} */ offered) {
    const hadFocus = document.activeElement === button;
    button.hidden = !offered;
    if (!hadFocus || offered) return;
    const next = [this.claim, this.release, this.takeOver, this.assignee.parts.button].find((each) => !each.hidden);
    (next || byId("conversation-title")).focus();
  }

  /** @param {any} chat */
  people(chat) {
    const { team } = this.store;
    const { assignee } = assignmentOf(chat);
    const users = team.assignable(chat.session).map((member) => member.user);
    const rest = users.filter((user) => !team.isMe(user));
    if (assignee && !users.includes(assignee) && !team.isMe(assignee)) rest.unshift(assignee);
    return [
      { value: null, text: "Nobody" },
      { value: team.me?.subject, text: "You" },
      ...rest.map((user) => ({ value: user, text: team.nameOf(user) })),
    ];
  }

  /** @param {HTMLElement} button @param {string} value a status, or a name of {@link SNOOZES} */
  setStatus(button, value) {
    const snooze = SNOOZES[value];
    if (!snooze) return this.change(button, { status: value });
    const until = snooze.from(new Date(now())).toISOString();
    return this.change(button, { status: "snoozed", snoozed_until: until });
  }

  /** Change the assignment that is shown: if it is another by then, nothing happens. */
  change(/** @type {HTMLElement} */ button, /** @type {object} */ changes, error = this.error) {
    const seen = assignmentOf(this.store.chats.get(this.store.open || "")).version;
    const change = (/** @type {string} */ id) => {
      // a change of ours that was on its way is no surprise to us
      const { actor, version } = assignmentOf(this.store.chats.get(id));
      return api.changeAssignment(id, changes, this.store.team.isMe(actor?.id) ? version : seen);
    };
    return this.act(button, change, error);
  }

  /**
   * Do it to the open chat; who was quicker is told by name, and what holds now is shown.
   * @param {HTMLElement} button @param {(chat: string) => Promise<any>} work
   */
  act(button, work, error = this.error) {
    const { store } = this;
    const id = store.open;
    if (!id) return Promise.resolve(false);
    const doIt = async () => {
      try {
        takeAssignment(store, await work(id));
        store.flush();
      } catch (trouble) {
        const told = await this.explain(id, trouble);
        if (store.open === id) throw told;
        announce(told.message); // the person went on to another chat
      }
    };
    const done = this.line.then(() => attempt(button, error, doIt));
    this.line = done;
    return done;
  }

  /** @param {string} id @param {any} trouble @returns {Promise<any>} trouble, with who was quicker */
  async explain(id, trouble) {
    if (!["already_claimed", "version_conflict"].includes(trouble.code)) return trouble;
    const row = await api.assignment(id).catch(() => null);
    if (row) takeAssignment(this.store, row);
    const { team } = this.store;
    const chat = isolated(chatName(this.store.chats.get(id) || { jid: id }));
    if (trouble.code === "already_claimed") {
      const { assignee, assignee_name: name } = trouble.body;
      const whose = isolated(team.isMe(assignee) ? "You" : name || assignee || "Somebody");
      return new Error(`${whose} claimed the chat with ${chat} before you.`);
    }
    if (!row) return trouble;
    const state = `${isolated(assigneeWord(row, team))}, ${statusWord(row)}, ${priorityWord(row.priority)}`;
    const who = isolated(team.actorName(row.actor));
    return new Error(`Not changed: ${who} changed the chat with ${chat} before you. It is now: ${state}. Choose anew.`);
  }
}

/** What the menu of statuses offers. */
const STATUS_OPTIONS = [
  ...["open", "pending", "closed"].map((value) => ({ value, text: STATUSES[value] })),
  ...Object.entries(SNOOZES).map(([value, { text }]) => ({ value, text })),
];

/** The form for any other time; what was typed stays until it was taken. @param {Care} care */
function snoozeForm(care) {
  const form = /** @type {HTMLFormElement} */ (byId("snooze"));
  const until = /** @type {HTMLInputElement} */ (byId("snooze-until"));
  const error = byId("snooze-error");
  form.remove();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const time = new Date(until.value);
    if (Number.isNaN(time.getTime())) {
      showText(error, "Choose a day and a time.");
      return until.focus();
    }
    const button = /** @type {HTMLElement} */ (form.querySelector("button"));
    const changes = { status: "snoozed", snoozed_until: time.toISOString() };
    if (!(await care.change(button, changes, error))) return;
    until.value = "";
    care.status.menu.close();
  });
  until.addEventListener("focus", () => (until.min = localInput(new Date(now()))));
  form.hidden = false;
  return form;
}
