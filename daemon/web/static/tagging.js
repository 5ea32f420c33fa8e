// The open chat's tags: taken off by a click, put on by name, and made where there is none of it.

import { api } from "./api.js";
import { paint } from "./chips.js";
import { attempt, byId, clone, named, place, setText, showText } from "./dom.js";
import { menu } from "./menu.js";
import { tame } from "./words.js";

/** Colours for new tags; a name always begins with the same. */
const COLORS = ["#0b7356", "#0969c3", "#8250df", "#b3261e", "#9a6700", "#bf3989", "#57606a", "#1a7f37"];

/** @param {import("./store.js").Store} store @returns {{opened(): void}} */
export function tagChats(store) {
  const form = /** @type {HTMLFormElement} */ (byId("tag-form"));
  const name = /** @type {HTMLInputElement} */ (byId("tag-name"));
  const color = /** @type {HTMLInputElement} */ (byId("tag-color"));
  const error = byId("tag-error");
  const create = byId("tag-create");
  const panel = menu(byId("tag-add"), byId("tag-panel"));
  /** @type {Map<string, {root: HTMLElement, parts: Record<string, any>}>} */
  let chips = new Map();
  let ownColor = false;
  let shown = "";

  const chat = () => store.chats.get(store.open || "");
  const wanted = () => name.value.trim().toLocaleLowerCase();

  /** @returns {any[]} the tags that can be put on, those that the name fits to */
  function fitting() {
    const own = new Set(chat()?.tags || []);
    const all = store.team.orderedTags().filter((tag) => !own.has(tag.id));
    return all.filter((tag) => tame(tag.name).toLocaleLowerCase().includes(wanted()));
  }
  const exact = () => store.team.orderedTags().find((tag) => tame(tag.name).toLocaleLowerCase() === wanted());
  const mayCreate = () => store.team.may("manage_tags") && Boolean(wanted()) && !exact();

  function render() {
    const open = chat();
    if (!open) return;
    const may = store.team.may("tag_chats", open.session);
    const hadFocus = byId("tags").contains(document.activeElement);
    const tags = store.team.tagsOf(open);
    chips = new Map(tags.map((tag) => [tag.id, chips.get(tag.id) || newChip(tag.id)]));
    for (const tag of tags) updateChip(tag, may);
    place(byId("tags"), tags.map((tag) => /** @type {any} */ (chips.get(tag.id)).root));
    byId("tags").hidden = !tags.length;
    byId("tagging").hidden = !may;
    if (!may) panel.close();
    if (hadFocus && !byId("tags").contains(document.activeElement)) byId(may ? "tag-add" : "conversation-title").focus();
    renderPanel();
  }

  function newChip(/** @type {string} */ id) {
    const made = clone("tag-chip");
    made.parts.remove.addEventListener("click", () => act(made.parts.remove, byId("care-error"), (open) => api.removeTag(open, id)));
    return made;
  }

  function updateChip(/** @type {any} */ tag, /** @type {boolean} */ may) {
    const { root, parts } = /** @type {any} */ (chips.get(tag.id));
    setText(parts.name, tame(tag.name));
    paint(root, tag.color);
    parts.remove.hidden = !may;
    parts.remove.setAttribute("aria-label", `Remove tag ${tame(tag.name)}`);
  }

  function renderPanel() {
    const fits = fitting();
    const listed = JSON.stringify(fits.map((tag) => [tag.id, tag.name, tag.color]));
    if (listed !== shown) byId("tag-options").replaceChildren(...fits.map(option));
    shown = listed;
    create.hidden = byId("tag-color-field").hidden = !mayCreate();
    create.replaceChildren("Make ", named(name.value.trim()));
    if (!ownColor) color.value = colorOf(wanted());
    const none = !fits.length && create.hidden;
    showText(byId("tag-none"), none && (wanted() ? "No other tag has this name." : "There is no other tag."));
  }

  function option(/** @type {any} */ tag) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    const dot = document.createElement("span");
    dot.className = "dot";
    paint(dot, tag.color);
    button.type = "button";
    button.append(dot, named(tame(tag.name)));
    button.addEventListener("click", () => put(button, tag.id));
    item.append(button);
    return item;
  }

  const put = (/** @type {HTMLElement} */ button, /** @type {string} */ tag) =>
    act(button, error, (open) => api.addTag(open, tag)).then((done) => done && reset());

  function make() {
    const values = { name: name.value.trim(), color: color.value.toLowerCase() };
    return act(create, error, async (open) => {
      const tag = await api.createTag(values);
      store.team.tags.set(tag.id, tag);
      await api.addTag(open, tag.id);
    }).then((done) => done && reset());
  }

  /** @param {HTMLElement} button @param {HTMLElement} where @param {(chat: string) => Promise<any>} work */
  function act(button, where, work) {
    const open = store.open;
    return open ? attempt(button, where, () => work(open)) : Promise.resolve(false);
  }

  function reset() {
    name.value = "";
    ownColor = false;
    showText(error, null);
    renderPanel();
    if (!byId("tag-panel").hidden) name.focus();
  }

  name.addEventListener("input", () => {
    showText(error, null);
    renderPanel();
  });
  color.addEventListener("input", () => (ownColor = true));
  create.addEventListener("click", make);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const fits = fitting();
    const same = fits.find((tag) => tag === exact());
    if (same || (fits.length === 1 && !mayCreate())) put(name, (same || fits[0]).id);
    else if (mayCreate()) make();
    else showText(error, wanted() ? "Choose one of the tags." : "Write the name of a tag.");
  });
  store.on(["chats", "team"], render);
  return {
    opened() {
      panel.close();
      reset();
      render();
    },
  };
}

/** @param {string} name @returns {string} */
function colorOf(name) {
  const sum = [...name].reduce((all, letter) => (all * 31 + (letter.codePointAt(0) || 0)) % 9973, 7);
  return COLORS[sum % COLORS.length];
}
