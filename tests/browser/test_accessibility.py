"""The page for everybody: by keyboard, by ear, on a small screen, in the dark."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Daemon, Visitor
from tests.browser.scenes import add_session, open_chat, pair, receive, state

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True}

#: Visible controls without a name, ids that occur twice, pictures without a text.
FAULTS = """() => {
    const named = (e) => (e.getAttribute("aria-label") || e.textContent || "").trim()
        || [...(e.labels || [])].some((label) => label.textContent.trim());
    const seen = (e) => e.checkVisibility();
    const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
    const refs = [...document.querySelectorAll("[aria-labelledby], [aria-describedby]")].flatMap((e) =>
        `${e.getAttribute("aria-labelledby") || ""} ${e.getAttribute("aria-describedby") || ""}`.split(" "));
    return [
        ...[...document.querySelectorAll("button, a, input, textarea, summary, select")]
            .filter((e) => seen(e) && !named(e)).map((e) => e.outerHTML),
        ...[...document.querySelectorAll("img:not([alt])")].map((e) => e.outerHTML),
        ...ids.filter((id, i) => ids.indexOf(id) !== i),
        ...refs.filter((id) => id && !document.getElementById(id)),
    ];
}"""

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

#: What stands out of the screen to the right.
WIDE = """() => document.documentElement.scrollWidth <= innerWidth ? []
    : [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
        .map((e) => e.className || e.tagName)"""


def walk(page: Page, daemon: Daemon) -> list[str]:
    """Go through all the page's states; return what is wrong in any of them."""
    faults: list[str] = []

    def look(where: str) -> None:
        for check in (FAULTS, PALE, WIDE):
            faults.extend(f"{where}: {fault}" for fault in page.evaluate(check))

    page.goto(daemon.base)
    look("signed out")
    page.goto(daemon.link())
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    look("empty")
    it = add_session(page, "Front desk")
    it.get_by_text("Use a code instead").click()
    it.get_by_role("button", name="Get a code").click()
    expect(it.get_by_role("img")).to_be_visible()
    look("pairing")
    it.get_by_role("button", name="Scan").click()
    expect(state(page, "Front desk")).to_have_text("Connected")
    receive(page, "Front desk", "Bom dia! " * 20)
    look("connected")
    open_chat(page, "Ana Souza")
    page.locator("#text").fill("Bom dia!")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("[data-status=read]")).to_have_count(1)
    look("conversation")
    page.go_back()
    it.get_by_role("button", name="Unlink").click()
    expect(state(page, "Front desk")).to_have_text("Logged out")
    look("logged out")
    it.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    look("asking")
    return faults


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, {}], ids=["phone", "desktop"])
def test_every_state_is_named_legible_and_fits(
    daemon: Daemon, visitor: Visitor, scheme: str, size: dict[str, Any]
) -> None:
    """Controls have names, ids are unique, texts have contrast, nothing stands out of the screen."""
    page = visitor.page(color_scheme=scheme, reduced_motion="reduce", **size)
    assert walk(page, daemon) == []


class Keys:
    """Somebody who has no mouse."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.press = page.keyboard.press
        self.type = page.keyboard.type

    def go_to(self, name: str, *, by: str = "Tab") -> None:
        """Move the focus until it is on what has this name."""
        for _ in range(40):
            self.press(by)
            if self._page.evaluate(_FOCUSED).startswith(name):
                return
        raise AssertionError(f"no {name} by {by}")

    def use(self, name: str, *, by: str = "Tab") -> None:
        """Move there and press Enter."""
        self.go_to(name, by=by)
        self.press("Enter")


def test_a_session_is_paired_by_keyboard(visitor: Visitor) -> None:
    """Add and scan without a mouse; what had the focus goes, the focus stays with the card."""
    page = visitor.console()
    keys, title = Keys(page), page.get_by_role("heading", name="Front desk")
    keys.use("Skip to the sessions")
    keys.go_to("Name")
    keys.type("Front desk")
    keys.go_to("WhatsApp")
    keys.press("ArrowDown")
    keys.use("Add and start")
    expect(title).to_be_focused()
    expect(page.get_by_role("button", name="Scan")).to_be_visible()
    keys.use("Scan")
    expect(state(page, "Front desk")).to_have_text("Connected")
    expect(title).to_be_focused()


def test_a_chat_is_answered_by_keyboard(visitor: Visitor) -> None:
    """Open, answer, delete the session without a mouse; the focus is never lost."""
    page = visitor.console()
    pair(page, "Front desk")
    keys, box = Keys(page), page.get_by_label("Message to Ana Souza")
    keys.use("Write to me")
    expect(page.locator(".chat")).to_be_visible()
    keys.use("Ana Souza")
    expect(box).to_be_focused()
    keys.type("Bom dia!")
    keys.press("Enter")
    expect(page.locator(".mine")).to_contain_text("Bom dia!")
    expect(box).to_be_focused()
    keys.use("Delete", by="Shift+Tab")
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    keys.press("Tab")
    keys.press("Enter")
    expect(page.locator(".card.session")).to_have_count(0)
    assert page.evaluate("document.activeElement !== document.body")


_FOCUSED = """() => {
    const e = document.activeElement;
    return (e.getAttribute("aria-label") || e.labels?.[0]?.textContent || e.textContent || "").trim();
}"""


def test_changes_of_state_are_said(visitor: Visitor) -> None:
    """A polite live region says what a card shows: state, sentence, what to do."""
    page = visitor.console()
    it = pair(page, "Front desk")
    said = page.locator("#announcer")
    expect(said).to_have_text("Front desk: Connected.")
    it.get_by_role("button", name="Unlink").click()
    expect(said).to_have_text(
        "Front desk: Logged out. The phone unlinked this device. "
        "Start the session and scan the new QR code with the phone."
    )
    assert page.evaluate("document.getElementById('scroller').getAttribute('role')") == "log"


def test_the_code_is_black_on_white_in_the_dark_too(visitor: Visitor) -> None:
    """A phone must be able to read it: white ground, quiet zone, large."""
    page = visitor.console(color_scheme="dark", **PHONE)
    it = add_session(page, "Front desk")
    picture = it.get_by_role("img")
    expect(picture).to_be_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('.qr')).backgroundColor") == (
        "rgb(255, 255, 255)"
    )
    box = picture.bounding_box()
    assert box is not None
    assert box["width"] >= 290
    assert box["width"] == pytest.approx(box["height"], abs=1)
