// A session that waits for its phone: the QR code as it rotates, or a code to type.

import { api, now } from "./api.js";
import { announce, attempt, clone, setText, showText } from "./dom.js";
import { clockTime, dayAndTime, sessionName } from "./words.js";

export class Pairing {
  /** @param {any} session */
  constructor(session) {
    this.id = session.id;
    const { root, parts } = clone("pairing");
    this.root = root;
    this.parts = parts;
    root.setAttribute("aria-label", `Link the phone of ${sessionName(session)}`);
    const isSandbox = session.provider === "sandbox";
    parts.steps.hidden = isSandbox;
    parts["sandbox-steps"].hidden = !isSandbox;
    this.shown = "";
    /** @type {object | null} */ this.drawing = null;
    this.expiresAt = 0;
    this.codeUntil = 0;
    this.timer = setInterval(() => this.countDown(), 1000);
    parts.scan.addEventListener("click", () =>
      attempt(parts.scan, parts["scan-error"], () => api.sandbox(this.id, "scan")),
    );
    parts["code-form"].addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.askForCode();
    });
    parts.qr.addEventListener("error", () => showText(parts["qr-error"], "The code cannot be shown."));
  }

  /** @param {any} session @param {{qr?: any, code?: any}} codes */
  update(session, codes) {
    this.parts.qr.alt = `QR code that links ${sessionName(session)}. Scan it with WhatsApp.`;
    if (codes.qr) this.draw(codes.qr);
    if (codes.code) this.showCode(codes.code);
  }

  /** Fetch the picture of the code that is valid now, and show it when it is there. */
  async draw(/** @type {{qr: string, expires_at: string}} */ code) {
    if (this.drawing === code) return;
    this.drawing = code;
    try {
      const picture = await api.qrPicture(this.id);
      if (this.drawing !== code) return;
      const before = this.shown;
      this.shown = URL.createObjectURL(picture);
      this.parts.qr.src = this.shown;
      this.parts.qr.dataset.code = code.qr;
      this.parts.qr.hidden = false;
      this.parts.waiting.hidden = true;
      URL.revokeObjectURL(before);
      this.expiresAt = Date.parse(code.expires_at);
      this.parts.bar.max = Math.max(1, (this.expiresAt - now()) / 1000);
      showText(this.parts["qr-error"], null);
      this.countDown();
      if (!before) announce("A QR code is shown.");
    } catch (/** @type {any} */ trouble) {
      if (trouble.code !== "not_pairing") showText(this.parts["qr-error"], trouble.message);
    }
  }

  countDown() {
    const left = (this.expiresAt - now()) / 1000;
    this.parts.bar.hidden = !this.expiresAt;
    this.parts.bar.value = Math.max(0, left);
    const words = left > 0 ? `New code in ${clockTime(left)}` : "A new code is on its way…";
    setText(this.parts.countdown, this.expiresAt ? words : "");
    const codeLeft = (this.codeUntil - now()) / 1000;
    if (this.codeUntil && codeLeft <= 0) setText(this.parts["code-until"], "It is too old now: get another.");
  }

  async askForCode() {
    const { parts } = this;
    const phone = parts["code-form"].elements.phone;
    const digits = phone.value.replace(/[^0-9]/g, "");
    phone.setAttribute("aria-invalid", String(digits.length < 7));
    if (digits.length < 7) {
      showText(parts["code-error"], "Write the whole number with its country code, such as +55 11 91234 5678.");
      return phone.focus();
    }
    const button = parts["code-form"].querySelector("button");
    await attempt(button, parts["code-error"], async () =>
      this.showCode(await api.pairingCode(this.id, `+${digits}`)),
    );
  }

  showCode(/** @type {{code: string, expires_at: string}} */ { code, expires_at }) {
    const { parts } = this;
    if (parts.code.textContent === code && this.codeUntil) return;
    this.codeUntil = Date.parse(expires_at);
    parts["by-code"].open = true;
    parts["code-shown"].hidden = false;
    setText(parts.code, code);
    setText(parts["code-until"], `It is good until ${dayAndTime(expires_at)}.`);
  }

  close() {
    clearInterval(this.timer);
    URL.revokeObjectURL(this.shown);
  }
}
