// Small things for the page. Text is only ever set as text: nothing from outside is parsed as HTML.

/** @param {string} id @returns {HTMLElement} */
export const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/**
 * Clone a <template>; its parts are found by their data-part.
 * @param {string} id
 * @returns {{root: HTMLElement, parts: Record<string, any>}}
 */
export function clone(id) {
  const template = /** @type {HTMLTemplateElement} */ (byId(id));
  const root = /** @type {HTMLElement} */ (template.content.firstElementChild?.cloneNode(true));
  const parts = Object.fromEntries(
    [...root.querySelectorAll("[data-part]")].map((part) => [part.getAttribute("data-part"), part]),
  );
  return { root, parts };
}

/** Set a text, only if it is another: what did not change is not announced again. */
export function setText(/** @type {Element} */ node, /** @type {string} */ text) {
  if (node.textContent !== text) node.textContent = text;
}

/** A name within a line: it stands apart, and cannot turn the direction of what is beside it. */
export function named(/** @type {string} */ name) {
  const apart = document.createElement("bdi");
  apart.textContent = name;
  return apart;
}

/** Set a line of words and names ({@link named}), only if it is another. */
export function setWords(/** @type {Element} */ node, /** @type {(string | Element)[]} */ ...parts) {
  const line = document.createElement("span");
  line.append(...parts);
  if (line.innerHTML !== node.innerHTML) node.replaceChildren(...line.childNodes);
}

/** Show the text, or hide the element where there is none. */
export function showText(/** @type {HTMLElement} */ node, /** @type {string | null | undefined} */ text) {
  setText(node, text || "");
  node.hidden = !text;
}

/** Give the parent these children in this order; those in place stay, and so does the focus. */
export function place(/** @type {Element} */ parent, /** @type {Element[]} */ nodes) {
  const focused = /** @type {HTMLElement | null} */ (document.activeElement);
  const wanted = new Set(nodes);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  let next = parent.firstElementChild;
  for (const node of nodes) {
    if (node === next) next = next.nextElementSibling;
    else parent.insertBefore(node, next);
  }
  if (focused && focused !== document.activeElement && parent.contains(focused)) focused.focus();
}

/**
 * Run work that a person asked for: the button rests meanwhile, trouble is told beside it.
 * @param {HTMLElement} button
 * @param {HTMLElement} error where trouble is told
 * @param {() => Promise<unknown>} work
 * @returns {Promise<boolean>} whether it went well
 */
export async function attempt(button, error, work) {
  if (button.getAttribute("aria-busy") === "true") return false;
  button.setAttribute("aria-busy", "true"); // not `disabled`: that would throw the focus away
  showText(error, null);
  try {
    await work();
    return true;
  } catch (trouble) {
    showText(error, sentence(trouble));
    return false;
  } finally {
    button.removeAttribute("aria-busy");
  }
}

/** @param {any} trouble @returns {string} what happened, and what to do */
export function sentence(trouble) {
  return [trouble.message, trouble.userAction].filter(Boolean).join(" ");
}

/** Say something to who cannot see it happen. */
export function announce(/** @type {string} */ text) {
  byId("announcer").textContent = text;
}

/**
 * Ask, in the page. Resolves with whether the answer was yes; Escape is no.
 * @param {string} title @param {string} text @param {string} yes
 * @returns {Promise<boolean>}
 */
export function confirm(title, text, yes) {
  const dialog = /** @type {HTMLDialogElement} */ (byId("confirm"));
  setText(byId("confirm-title"), title);
  setText(byId("confirm-text"), text);
  setText(byId("confirm-yes"), yes);
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) =>
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }),
  );
}
