"""The page for everybody: by keyboard, by ear, on a small screen, in the dark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Daemon, Visitor
from tests.browser.scenes import PALE, add_session, answer, open_chat, pair, receive, state
from tests.browser.team import button, choose, fact, write_note

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

#: What stands out of the screen to the right.
WIDE = """() => document.documentElement.scrollWidth <= innerWidth ? []
    : [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
        .map((e) => e.className || e.tagName)"""


def care_for(page: Page, look: Callable[[str], None]) -> None:
    """Do all that can be done with the open chat; look at it with each panel open."""
    button(page, "Claim").click()
    for label, option in (("Status", "Snooze until tomorrow, 9:00"), ("Priority", "Urgent")):
        choose(page, label, option)
    for color, name in (("#ffdd00", "VIP"), ("#1a1a1a", "Delivery"), ("#888888", "x" * 60)):
        button(page, "Add a tag").click()
        page.locator("#tag-name").fill(name)
        page.locator("#tag-color").fill(color)
        look("making a tag")
        page.locator("#tag-name").press("Enter")
        expect(page.locator("#tag-name")).to_have_value("")
        page.keyboard.press("Escape")
    expect(page.locator("#tags .chip")).to_have_count(3)
    for label in ("Assigned to", "Status", "Priority"):
        fact(page, label).click()
        look(f"choosing {label}")
        page.keyboard.press("Escape")
    write_note(page, "Wants an invoice. " * 12)
    write_note(page, "x" * 200)
    expect(page.locator(".note")).to_have_count(2)
    look("notes")
    page.locator(".note").first.get_by_role("button", name="Edit").click()
    look("changing a note")
    page.keyboard.press("Escape")
    page.locator("#notes-toggle").click()
    page.go_back()
    look("list")


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
    answer(page, "Bom dia!")
    expect(page.locator("[data-status=read]")).to_have_count(1)
    look("conversation")
    care_for(page, look)
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
