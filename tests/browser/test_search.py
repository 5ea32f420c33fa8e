"""Searching the messages, and scrolling back to where the memory does not reach."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Daemon, Visitor
from tests.browser.scenes import PALE, answer, message, open_chat, pair
from tests.browser.test_accessibility import FAULTS, PHONE, WIDE, Keys

ANA, BRUNO = ("+5500912345678", "Ana Souza"), ("+5500987654321", "Bruno Reis")
#: A memory that holds next to nothing of a chat; requests that tests make are not held up.
SMALL = {
    "ZAPD_MEMORY_BUDGET": "1MiB",
    "ZAPD_CHAT_MAX_MESSAGES": "20",
    "ZAPD_RATE_LIMIT": "100000",
    "ZAPD_RATE_BURST": "100000",
}
HOSTILE = "needle <img src=x onerror=\"document.title='owned'\"><mark>\U0001f600 needle"
#: The message with this text: where it is on the screen.
PLACE = """() => [...document.querySelectorAll(".message")].filter((e) => e.textContent.includes("number 615"))
    .map((e) => Math.round(e.getBoundingClientRect().top))"""


def write(daemon: Daemon, page: Page, texts: Iterable[str], who: tuple[str, str] = ANA) -> None:
    """Let somebody write many messages."""
    phone, name = who
    cookies = {c["name"]: c["value"] for c in page.context.cookies()}
    with httpx.Client(base_url=daemon.base, headers={"Origin": daemon.base}) as client:
        client.cookies.update(cookies)
        for text in texts:
            body = {"from": phone, "text": text, "name": name}
            client.post("/v1/sessions/front-desk/sandbox/receive", json=body).raise_for_status()


def restarted(daemon: Daemon, page: Page, settings: dict[str, str]) -> None:
    """Begin another life of the daemon, and load the page anew."""
    page.goto("about:blank")
    daemon.restart(settings)
    page.goto(daemon.base)
    expect(page.get_by_text("Live", exact=True)).to_be_visible()


def search(page: Page, words: str) -> Locator:
    """Search; return what is found."""
    page.get_by_role("searchbox", name="Search the messages").fill(words)
    page.locator("#search-form").get_by_role("button", name="Search").click()
    return page.locator("#found-list").get_by_role("link")


def texts(page: Page) -> list[str]:
    """Return what the open chat shows."""
    return page.locator(".message .text").all_inner_texts()


def scroll(page: Page, text: str, *, up: bool) -> None:
    """Scroll one way until the message at that end is this one; pages are fetched by that alone."""
    edge, where = (0, 0) if up else (-1, 1_000_000)
    for _ in range(40):
        shown = texts(page)[edge]
        if shown == text:
            return
        page.locator("#scroller").evaluate("(e, where) => { e.scrollTop = where; }", where)
        expect(page.locator(".message .text").nth(edge)).not_to_have_text(shown)
    raise AssertionError(f"{text} does not come; at the end is {texts(page)[edge]}")


def open_needle(page: Page) -> None:
    """Find the one message, and open it in its chat."""
    result = search(page, "NEEDLE")
    expect(result).to_have_count(1)
    expect(result).to_contain_text("Ana Souza")
    expect(result.locator("mark")).to_have_text("needle")
    result.click()
    found = message(page, "a needle in the hay")
    expect(found).to_be_in_viewport()
    expect(found).to_be_focused()
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight && !scrollY")
    expect(found).to_have_attribute("aria-current", "true")
    expect(result).to_have_attribute("aria-current", "true")


def test_the_past_is_found_after_a_restart_and_read_in_both_directions(
    daemon: Daemon, visitor: Visitor
) -> None:
    """The result opens its chat there, highlighted; one scrolls from it to both ends."""
    page = visitor.console()
    pair(page, "Front desk")
    numbers = [f"number {number:03}" for number in range(130)]
    numbers[60] = "a needle in the hay"
    write(daemon, page, numbers)
    write(daemon, page, ["Another chat"], BRUNO)
    restarted(daemon, page, SMALL)
    open_needle(page)
    assert texts(page) == numbers[35:85]
    write(daemon, page, ["while one reads"])  # it is not put after what it does not follow
    expect(page.locator("#chat-list")).to_contain_text("while one reads")
    scroll(page, numbers[0], up=True)
    assert texts(page) == numbers[:85]
    expect(page.locator("#earlier-gone")).to_be_hidden()
    scroll(page, "while one reads", up=False)
    assert texts(page) == [*numbers, "while one reads"]
    expect(page.get_by_role("button", name="Go to the newest")).to_be_hidden()
    write(daemon, page, ["and now"])
    expect(message(page, "and now")).to_be_visible()
    assert "message=" not in page.url


def test_an_answer_from_the_past_is_shown_at_the_end(daemon: Daemon, visitor: Visitor) -> None:
    """Who answers sees it where it is: after the newest message. A button goes there too."""
    page = visitor.console()
    pair(page, "Front desk")
    numbers = [f"number {number:03}" for number in range(100)]
    write(daemon, page, numbers)
    search(page, "001").click()
    expect(message(page, "number 001")).to_be_focused()
    page.get_by_role("button", name="Go to the newest").click()
    expect(message(page, "number 099")).to_be_in_viewport()
    expect(page.locator("#scroller")).to_be_focused()
    search(page, "002").click()
    expect(message(page, "number 002")).to_be_focused()
    expect(answer(page, "Here I am")).to_be_in_viewport()
    expect(message(page, "number 099")).to_be_in_viewport()
    assert texts(page)[-2:] == ["number 099", "Here I am"]
    expect(page.get_by_label("Message to Ana Souza")).to_be_focused()


@pytest.mark.parametrize("history", ["sqlite", "off"])
def test_one_scrolls_back_to_the_beginning(daemon: Daemon, visitor: Visitor, history: str) -> None:
    """Past what RAM holds and what the page holds; what was read stays where it is on the screen."""
    daemon.restart({**SMALL, "ZAPD_HISTORY": history})
    page = visitor.console()
    pair(page, "Front desk")
    numbers = [f"number {number:03}" for number in range(660)]
    write(daemon, page, numbers)
    open_chat(page, "Ana Souza")
    gone = page.locator("#earlier-gone")
    if history == "off":
        expect(gone).to_contain_text("are not kept here")
        expect(page.locator(".message")).to_have_count(20)
        return
    expect(page.locator(".message")).to_have_count(50)
    expect(gone).to_be_hidden()
    page.locator("#scroller").evaluate("(e) => { e.scrollTop = 350; }")
    before = page.evaluate(PLACE)
    page.get_by_role("button", name="Show earlier messages").dispatch_event("click")
    expect(page.locator(".message")).to_have_count(100)
    assert page.evaluate(PLACE) == before
    scroll(page, numbers[0], up=True)
    assert texts(page) == numbers[:600]
    expect(page.get_by_role("button", name="Show earlier messages")).to_be_hidden()
    expect(gone).to_be_hidden()
    scroll(page, numbers[-1], up=False)
    assert texts(page) == numbers[60:]


def test_results_are_text_and_marks(daemon: Daemon, visitor: Visitor) -> None:
    """Markup in messages and names does nothing; marks stand right after signs of two units."""
    page = visitor.console()
    pair(page, "Front desk")
    write(daemon, page, [HOSTILE], ("+5500912345678", "<i>Mallory</i>"))
    write(daemon, page, ["no such thing"], BRUNO)
    result = search(page, "needle")
    expect(result.locator("mark")).to_have_text(["needle", "needle"])
    expect(result).to_contain_text("<i>Mallory</i>")
    expect(result.locator("[data-part=text]")).to_have_text(HOSTILE)
    assert page.locator("#found-list i, #found-list img").count() == 0
    assert page.title() == "zapd"
    expect(page.locator("#chat-list")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.locator("#chat-list")).to_be_visible()


def test_more_results_come_when_asked_for(daemon: Daemon, visitor: Visitor) -> None:
    """Newest first, by pages, each once; in the open chat only where that is chosen."""
    page = visitor.console()
    pair(page, "Front desk")
    write(daemon, page, [f"hay {number:02}" for number in range(25)])
    write(daemon, page, ["hay of Bruno"], BRUNO)
    results = search(page, "hay")
    expect(results).to_have_count(20)
    expect(page.locator("#search-status")).to_have_text("20 messages so far, there may be more.")
    page.get_by_role("button", name="Show more results").press("Enter")
    expect(results).to_have_count(26)
    expect(results.nth(20)).to_be_focused()
    expect(page.locator("#announcer")).to_have_text("26 messages.")
    shown = results.locator("[data-part=text]").all_inner_texts()
    assert shown == ["hay of Bruno", *(f"hay {number:02}" for number in reversed(range(25)))]
    results.first.click()
    expect(message(page, "hay of Bruno")).to_be_focused()
    page.get_by_role("button", name="Search in this chat").click()
    expect(page.get_by_label("Where")).to_have_value("open")
    expect(search(page, "hay")).to_have_count(1)
    expect(page.get_by_role("heading", name="Messages found in Bruno Reis")).to_be_visible()


def test_what_cannot_be_found_is_told(daemon: Daemon, visitor: Visitor) -> None:
    """No word, no message, no daemon, a message that is gone: each is a sentence."""
    visitor.expect_refusals("400", "404", "net::ERR_")
    page = visitor.console()
    pair(page, "Front desk")
    write(daemon, page, ["Bom dia!"])
    error, status = page.locator("#search-error"), page.locator("#search-status")
    search(page, " ? ")
    expect(error).to_have_text("There is no word to look for. Type at least one letter or digit.")
    search(page, "boa")
    expect(status).to_have_text("No message has these words.")
    expect(error).to_be_hidden()
    search(page, "bom").click()
    expect(message(page, "Bom dia!")).to_be_focused()
    page.goto(re.sub("message=.+", "message=m_gone", page.url))
    expect(page.get_by_text("This message is not in the chat any more.")).to_be_visible()
    expect(message(page, "Bom dia!")).to_be_visible()
    daemon.process.kill()
    search(page, "bom")
    expect(error).to_have_text("The daemon cannot be reached. Try again.")


def test_a_search_that_lacks_the_past_says_so(
    daemon: Daemon, visitor: Visitor, tmp_path: Path
) -> None:
    """While history cannot be read; not any more when it can."""
    page = visitor.console()
    pair(page, "Front desk")
    write(daemon, page, ["Bom dia!"])
    status = page.locator("#search-status")
    expect(search(page, "dia")).to_have_count(1)
    expect(status).to_have_text("1 message.")
    file = tmp_path / "data" / "history.db"
    file.rename(tmp_path / "away.db")
    file.mkdir()  # nothing can be read or made in its place
    expect(search(page, "bom")).to_have_count(1)
    missing = "Some may be missing: not all of the past can be looked through now."
    expect(status).to_have_text(f"1 message. {missing}")
    expect(page.locator("#announcer")).to_have_text(f"1 message. {missing}")
    search(page, "boa")
    expect(status).to_have_text(f"Nothing found. {missing}")
    file.rmdir()
    (tmp_path / "away.db").rename(file)
    search(page, "bom")
    expect(status).to_have_text("1 message.")


def test_one_searches_by_keyboard(daemon: Daemon, visitor: Visitor) -> None:
    """From the field to the result, to the message, to its answer; Escape puts the list back."""
    page = visitor.console()
    pair(page, "Front desk")
    write(daemon, page, ["Bom dia!"])
    keys = Keys(page)
    keys.go_to("Search the messages")
    keys.type("dia")
    keys.press("Enter")
    expect(page.locator("#announcer")).to_have_text("1 message.")
    keys.use("Ana Souza")
    expect(message(page, "Bom dia!")).to_be_focused()
    keys.go_to("Message to Ana Souza")
    keys.go_to("Search the messages", by="Shift+Tab")
    keys.press("Escape")
    expect(page.locator("#search")).to_be_hidden()
    expect(page.get_by_role("searchbox")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, {}], ids=["phone", "desktop"])
def test_searching_is_named_legible_and_fits(
    daemon: Daemon, visitor: Visitor, scheme: str, size: dict[str, Any]
) -> None:
    """In the list and in a chat; on a phone one comes back to the chat by closing the search."""
    page = visitor.console(color_scheme=scheme, reduced_motion="reduce", **size)
    faults: list[str] = []

    def look(where: str) -> None:
        for check in (FAULTS, PALE, WIDE):
            faults.extend(f"{where}: {fault}" for fault in page.evaluate(check))

    pair(page, "Front desk")
    write(daemon, page, [*("palha " * 30 + str(number) for number in range(60)), "x" * 300])
    write(daemon, page, ["palha"], ("+5500987654321", "Bruno " + "y" * 90))
    look("list")
    expect(search(page, "palha")).to_have_count(20)
    box = page.locator("#search-form").bounding_box()
    assert box is not None
    assert box["y"] < 150
    look("found")
    page.locator("#more-found").click()
    search(page, "palha 0").first.click()
    expect(page.locator(".message[aria-current]")).to_be_focused()
    look("message")
    page.get_by_role("button", name="Search in this chat").click()
    expect(page.get_by_role("searchbox")).to_be_focused()
    look("searching the chat")
    page.keyboard.press("Escape")
    expect(page.locator("#conversation")).to_be_visible()
    assert page.evaluate("document.activeElement !== document.body")
    assert faults == []
