"""Messages as they come, answers as they go."""

from __future__ import annotations

import re
import signal

import httpx
from playwright.sync_api import Route, expect

from tests.browser.conftest import Daemon, Visitor
from tests.browser.scenes import answer, card, message, open_chat, pair, receive, state

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


def test_a_message_is_seen_at_once_in_every_page(visitor: Visitor) -> None:
    """Two browsers, one message: in the list with its count, and labelled as a sandbox's."""
    page, other = visitor.console(), visitor.console()
    pair(page, "Front desk")
    receive(page, "Front desk", "Bom dia!")
    for each in (page, other):
        link = each.locator("#chat-list").get_by_role("link")
        expect(link).to_contain_text("Ana Souza")
        expect(link).to_contain_text("Bom dia!")
        expect(link).to_contain_text("Sandbox")
        expect(link.get_by_label("1 unread")).to_be_visible()
        expect(card(each, "Front desk")).to_contain_text("Last received")
    receive(page, "Front desk", "Alguém aí?")
    expect(other.get_by_label("2 unread")).to_be_visible()


def test_opening_a_chat_reads_it(visitor: Visitor) -> None:
    """Its count goes, in other pages too, and stays away while it is open."""
    page, other = visitor.console(), visitor.console()
    pair(page, "Front desk")
    receive(page, "Front desk", "Bom dia!")
    expect(other.get_by_label("1 unread")).to_be_visible()
    open_chat(page, "Ana Souza")
    expect(message(page, "Bom dia!")).to_be_visible()
    expect(other.get_by_label("1 unread")).to_be_hidden()
    receive(page, "Front desk", "Alguém aí?")
    expect(message(page, "Alguém aí?")).to_be_visible()
    expect(page.locator(".unread:visible")).to_have_count(0)


def test_an_answer_goes_out_and_its_ticks_advance(visitor: Visitor) -> None:
    """Sent once, seen at once, delivered, read; the other page sees the same."""
    page, other = visitor.console(), visitor.console()
    pair(page, "Front desk")
    receive(page, "Front desk", "Bom dia!")
    open_chat(page, "Ana Souza")
    open_chat(other, "Ana Souza")
    sent = answer(page, "Bom dia, Ana!")
    expect(sent.get_by_text("Read", exact=True)).to_be_attached()
    expect(sent.locator(".tick")).to_have_text("✓✓")
    expect(page.get_by_label("Message to Ana Souza")).to_have_value("")
    expect(message(page, "Bom dia, Ana!")).to_have_count(1)
    expect(message(other, "Bom dia, Ana!")).to_have_count(1)
    expect(message(other, "Bom dia, Ana!").get_by_text("Read", exact=True)).to_be_attached()


def test_hostile_text_is_text(visitor: Visitor) -> None:
    """Markup in a message, a name or a label is shown as it was written, and does nothing."""
    page = visitor.console()
    pair(page, "<b>Desk</b>")
    receive(page, "<b>Desk</b>", HOSTILE, sender="<i>Mallory</i>")
    expect(page.locator("#chat-list")).to_contain_text("<img src=x")
    open_chat(page, "<i>Mallory</i>")
    expect(message(page, "<script>")).to_have_text(re.compile(re.escape(HOSTILE)))
    assert page.title() == "zapd"
    assert page.locator(".message img, .message script, .chat i, h3 b").count() == 0


def test_new_lines_and_long_words_stay_in_their_place(visitor: Visitor) -> None:
    """Shift and Enter begins a line, Enter sends; a word without end breaks."""
    page = visitor.console(viewport={"width": 360, "height": 740})
    pair(page, "Front desk")
    receive(page, "Front desk", "x" * 500)
    open_chat(page, "Ana Souza")
    box = page.get_by_label("Message to Ana Souza")
    box.fill("one")
    box.press("Shift+Enter")
    box.press_sequentially("two")
    box.press("Enter")
    expect(page.locator(".mine .text")).to_have_text("one\ntwo", use_inner_text=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_what_cannot_be_sent_is_told_and_can_be_tried_again(visitor: Visitor) -> None:
    """While the line is down the API refuses; after it is back the same message goes."""
    visitor.expect_refusals("409")
    page = visitor.console()
    it = pair(page, "Front desk")
    receive(page, "Front desk", "Bom dia!")
    open_chat(page, "Ana Souza")
    it.get_by_role("button", name="Stop").click()
    expect(state(page, "Front desk")).to_have_text("Stopped")
    sent = answer(page, "Bom dia, Ana!")
    expect(sent).to_contain_text("Not sent.")
    expect(sent).to_contain_text("Start it again.")
    it.get_by_role("button", name="Start").click()
    expect(state(page, "Front desk")).to_have_text("Connected")
    sent.get_by_role("button", name="Try again").click()
    expect(sent.get_by_text("Read", exact=True)).to_be_attached()
    expect(message(page, "Bom dia, Ana!")).to_have_count(1)


def test_an_answer_that_got_lost_is_not_sent_twice(visitor: Visitor) -> None:
    """The daemon took it, the answer did not arrive: the same key tries again."""
    page = visitor.console()
    pair(page, "Front desk")
    receive(page, "Front desk", "Bom dia!")
    open_chat(page, "Ana Souza")
    keys: list[str | None] = []

    def lose(route: Route) -> None:
        keys.append(route.request.headers.get("idempotency-key"))
        route.fetch()
        route.abort()

    visitor.expect_refusals("net::ERR_FAILED")
    page.route("**/messages", lambda r: lose(r) if r.request.method == "POST" else r.continue_())
    sent = answer(page, "Bom dia, Ana!")
    expect(sent.get_by_text("Read", exact=True)).to_be_attached()
    expect(message(page, "Bom dia, Ana!")).to_have_count(1)
    assert len(keys) == 1
    assert keys[0]


def test_typing_is_told_now_and_then(visitor: Visitor) -> None:
    """Many keys, one request; an answer ends it."""
    page = visitor.console()
    pair(page, "Front desk")
    receive(page, "Front desk", "Bom dia!")
    open_chat(page, "Ana Souza")
    told: list[str] = []
    page.on("request", lambda r: told.append(r.post_data or "") if "/typing" in r.url else None)
    box = page.get_by_label("Message to Ana Souza")
    box.press_sequentially("Bom dia, Ana!")
    box.press("Enter")
    expect(message(page, "Bom dia, Ana!")).to_be_visible()
    assert told == ['{"is_typing":true}', '{"is_typing":false}']


def test_earlier_messages_are_fetched_on_demand(daemon: Daemon, visitor: Visitor) -> None:
    """A page of 50, the rest when one comes near to its beginning, all in order."""
    page = visitor.console()
    pair(page, "Front desk")
    with httpx.Client(base_url=daemon.base, headers={"Origin": daemon.base}) as client:
        client.cookies.update({c["name"]: c["value"] for c in page.context.cookies()})
        for number in range(60):
            body = {"from": "+5500912345678", "text": f"number {number:02}", "name": "Ana Souza"}
            client.post("/v1/sessions/front-desk/sandbox/receive", json=body).raise_for_status()
    open_chat(page, "Ana Souza")
    expect(page.locator(".message")).to_have_count(50)
    page.get_by_role("button", name="Show earlier messages").focus()
    expect(page.locator("#scroller")).to_be_focused()  # the button is not needed any more
    expect(page.locator(".message")).to_have_count(60)
    texts = page.locator(".message .text").all_inner_texts()
    assert texts == [f"number {number:02}" for number in range(60)]


def test_the_address_names_the_chat(visitor: Visitor) -> None:
    """A reload keeps it open, the back button closes it."""
    page = visitor.console()
    pair(page, "Front desk")
    receive(page, "Front desk", "Bom dia!")
    open_chat(page, "Ana Souza")
    page.reload()
    expect(message(page, "Bom dia!")).to_be_visible()
    page.go_back()
    expect(page.get_by_text("Choose a chat")).to_be_visible()


def test_a_daemon_that_restarts_is_found_again(daemon: Daemon, visitor: Visitor) -> None:
    """The page tells that the line is gone, comes back by itself, and shows what is new."""
    visitor.expect_refusals("net::ERR_", "503")
    page = visitor.console()
    pair(page, "Front desk")
    daemon.restart()
    expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=30_000)
    expect(state(page, "Front desk")).to_have_text("Connected")
    receive(page, "Front desk", "Ainda aí?")
    expect(page.locator("#chat-list")).to_contain_text("Ainda aí?")


def test_a_daemon_that_is_killed_is_missed(daemon: Daemon, visitor: Visitor) -> None:
    """What one sees is no longer live, and says so."""
    visitor.expect_refusals("net::ERR_")
    page = visitor.console(viewport={"width": 360, "height": 740})
    daemon.process.send_signal(signal.SIGKILL)
    expect(page.get_by_text("Reconnecting…")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
