"""What a person does on the page, in words."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect


def card(page: Page, name: str) -> Locator:
    """Return the card of a session."""
    return page.locator(".card.session").filter(has=page.get_by_role("heading", name=name))


def state(page: Page, name: str) -> Locator:
    """Return where the card tells the state."""
    return card(page, name).locator("[data-part=state]")


def add_session(page: Page, name: str, provider: str = "Sandbox") -> Locator:
    """Add a session by the form; return its card."""
    form = page.locator("#add")
    if form.get_attribute("open") is None:
        form.get_by_text("Add a session").click()
    form.get_by_label("Name", exact=True).fill(name)
    form.get_by_role("radio", name=provider).check()
    form.get_by_role("button", name="Add and start").click()
    expect(card(page, name)).to_be_visible()
    return card(page, name)


def pair(page: Page, name: str) -> Locator:
    """Add a sandbox session and let its phone scan what is seen; return its card."""
    it = add_session(page, name)
    # Asked for later than the scan, the page would find no code any more.
    expect(it.locator("[data-part=qr]")).to_be_visible()
    it.get_by_role("button", name="Scan (sandbox phone)").click()
    expect(state(page, name)).to_have_text("Connected")
    return it


def receive(page: Page, name: str, text: str, sender: str = "Ana Souza") -> None:
    """Let somebody write to a sandbox session."""
    phone = card(page, name).locator(".sandbox-phone")
    phone.get_by_label("Name").fill(sender)
    phone.get_by_label("Text").fill(text)
    phone.get_by_role("button", name="Write to me").click()


def open_chat(page: Page, name: str) -> None:
    """Open a chat of the list."""
    page.locator("#chat-list").get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()


def answer(page: Page, text: str) -> Locator:
    """Send a text in the open chat; return the message on the screen."""
    page.locator("#text").fill(text)
    page.get_by_role("button", name="Send").click()
    return message(page, text)


def message(page: Page, text: str) -> Locator:
    """Return a message of the open chat."""
    return page.locator(".message").filter(has_text=text)


def picture(it: Locator) -> Locator:
    """Return the QR code on a card."""
    return it.get_by_role("img", name=re.compile("QR code"))


#: Texts whose contrast with the ground behind them is less than WCAG AA asks for.
PALE = """() => {
    const rgb = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
    const part = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
    const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
    const ground = (e) => {
        for (; e; e = e.parentElement) {
            const colour = rgb(getComputedStyle(e).backgroundColor);
            if (colour.length === 3 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const pale = new Set();
    while (walker.nextNode()) {
        const e = walker.currentNode.parentElement;
        if (!walker.currentNode.textContent.trim() || !e.checkVisibility() || e.closest(".sr-only")) continue;
        const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < 4.5) pale.add(`${ratio.toFixed(2)} ${e.className || e.tagName} ${e.textContent.slice(0, 30)}`);
    }
    return [...pale];
}"""
