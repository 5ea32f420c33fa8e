"""Whose a chat is, where that stands and how urgent it is: seen and changed by several at once."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.browser.scenes import answer, message, open_chat
from tests.browser.team import AT_ONCE, CHAT, Office, before, button, care, choose, fact, row


def test_a_claim_is_seen_by_the_other_agent_at_once(office: Office) -> None:
    """In the chat and in the list; the other may not claim it any more, nor take it."""
    ana, bruno = office.page("ana"), office.page("bruno")
    expect(fact(bruno, "Assigned to")).to_contain_text("Nobody")
    button(ana, "Claim").click()
    expect(fact(bruno, "Assigned to")).to_contain_text("Ana Lima", timeout=AT_ONCE)
    expect(fact(ana, "Assigned to")).to_contain_text("You")
    expect(row(bruno, "Maria Souza")).to_contain_text("Assigned to Ana Lima")
    expect(row(ana, "Maria Souza")).to_contain_text("Assigned to You")
    for name in ("Claim", "Release", "Take over"):
        expect(button(bruno, name)).to_be_hidden()
    expect(care(bruno).locator(".pick", has_text="Assigned to")).to_be_hidden()
    button(ana, "Release").click()
    expect(button(bruno, "Claim")).to_be_visible(timeout=AT_ONCE)


def test_a_member_who_signed_in_by_a_link_is_that_person(visitor: Visitor, office: Office) -> None:
    """Two of them are two colleagues; whose row ends is signed out."""
    visitor.expect_refusals("403")
    ana, bruno = (visitor.console(user) for user in ("ana", "bruno"))
    for page in (ana, bruno):
        open_chat(page, "Maria Souza")
    button(ana, "Claim").click()
    expect(fact(ana, "Assigned to")).to_contain_text("You")
    expect(fact(bruno, "Assigned to")).to_contain_text("Ana Lima", timeout=AT_ONCE)
    expect(bruno.locator("#add")).to_be_hidden()  # an agent adds no sessions
    office.do("PATCH", "/v1/members/ana", active=False)
    expect(ana.locator("#notice")).to_contain_text("no active member")
    ana.reload()
    expect(ana.get_by_role("heading", name="Sign in to zapd")).to_be_visible()
    expect(bruno.get_by_text("Live", exact=True)).to_be_visible()


def test_who_claims_second_is_told_who_was_first(visitor: Visitor, office: Office) -> None:
    """A sentence with the winner's name; what is so now is shown; what was typed is still there."""
    visitor.expect_refusals("409")
    bruno = office.page("bruno")
    box = bruno.get_by_label("Message to Maria Souza")
    box.fill("Bom dia, Maria")
    claim = f"/v1/chats/{CHAT}/claim"
    before(bruno, "**/claim", lambda: office.as_user("ana", "POST", claim, steal=False))
    button(bruno, "Claim").click()
    told = care(bruno).get_by_role("alert")
    expect(told).to_have_text(
        re.compile("^\u2068Ana Lima\u2069 claimed the chat with \u2068Maria Souza\u2069 before you")
    )
    expect(fact(bruno, "Assigned to")).to_contain_text("Ana Lima")
    expect(box).to_have_value("Bom dia, Maria")


def test_a_supervisor_takes_over_and_gives_to_a_member(office: Office) -> None:
    """Taken from one, given to the other, each by a click."""
    ana, carla = office.page("ana"), office.page("carla")
    button(ana, "Claim").click()
    button(carla, "Take over").click()
    expect(fact(ana, "Assigned to")).to_contain_text("Carla Dias", timeout=AT_ONCE)
    choose(carla, "Assigned to", "Bruno Reis")
    expect(fact(ana, "Assigned to")).to_contain_text("Bruno Reis", timeout=AT_ONCE)
    choose(carla, "Assigned to", "Nobody")
    expect(button(ana, "Claim")).to_be_visible()


def test_status_and_priority_are_set(office: Office) -> None:
    """Both are seen in the other page, in the chat and in the list; an open chat has no mark."""
    ana, bruno = office.page("ana"), office.page("bruno")
    choose(ana, "Status", "Pending")
    choose(ana, "Priority", "Urgent")
    expect(fact(bruno, "Status")).to_contain_text("Pending", timeout=AT_ONCE)
    expect(fact(bruno, "Priority")).to_contain_text("Urgent", timeout=AT_ONCE)
    expect(row(bruno, "Maria Souza")).to_contain_text("Pending")
    expect(row(bruno, "Maria Souza")).to_contain_text("Priority Urgent")
    choose(bruno, "Status", "Open")
    choose(bruno, "Priority", "Normal")
    expect(
        row(ana, "Maria Souza").locator(".badge:visible:not(.sandbox):not(.agent)")
    ).to_have_count(0)
    office.do("PATCH", f"/v1/chats/{CHAT}/assignment", priority=37)
    expect(fact(ana, "Priority")).to_contain_text("High (37)")


def test_a_chat_is_snoozed_until_a_time(visitor: Visitor, office: Office) -> None:
    """A usual time by one click, any other by the form; what cannot be is told, and stays."""
    visitor.expect_refusals("422")
    ana, bruno = office.page("ana"), office.page("bruno")
    choose(ana, "Status", "Snooze until tomorrow, 9:00")
    expect(fact(bruno, "Status")).to_have_text(
        re.compile(r"Snoozed until \d+ \w+, 09:00|Snoozed until \w+ \d+, 09:00")
    )
    fact(ana, "Status").click()
    field, snooze = ana.get_by_label("Another time"), button(ana, "Snooze")
    past = (datetime.now() - timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")  # noqa: DTZ005 - the field has local times
    later = (datetime.now() + timedelta(days=40)).strftime("%Y-%m-%dT10:30")  # noqa: DTZ005 - the same
    snooze.click()
    expect(ana.locator("#snooze-error")).to_have_text("Choose a day and a time.")
    field.fill(past)
    snooze.click()
    expect(ana.locator("#snooze-error")).to_contain_text("in the future")
    expect(field).to_have_value(past)
    field.fill(later)
    snooze.click()
    expect(field).to_be_hidden()
    expect(fact(bruno, "Status")).to_contain_text("10:30")
    choose(bruno, "Status", "Open")
    expect(fact(ana, "Status")).to_have_text("Status: Open")


def test_a_change_of_what_is_not_so_any_more_is_refused(visitor: Visitor, office: Office) -> None:
    """Another closed it meanwhile: nothing is set, the winner is named, the state is the fresh one."""
    visitor.expect_refusals("412")
    ana = office.page("ana")
    path = f"/v1/chats/{CHAT}/assignment"
    before(ana, "**/assignment", lambda: office.as_user("bruno", "PATCH", path, status="closed"))
    choose(ana, "Priority", "High")
    told = care(ana).get_by_role("alert")
    expect(told).to_contain_text("Not changed: \u2068Bruno Reis\u2069 changed the chat")
    expect(told).to_contain_text("Closed")
    expect(fact(ana, "Status")).to_contain_text("Closed")
    expect(fact(ana, "Priority")).to_contain_text("Normal")
    choose(ana, "Priority", "High")  # decided anew
    expect(fact(ana, "Priority")).to_contain_text("High")
    expect(told).to_be_hidden()


def test_changes_in_a_row_do_not_hinder_each_other(office: Office) -> None:
    """The second is chosen while the first is on its way: both are set, nothing is refused."""
    ana = office.page("ana")

    def meanwhile() -> None:
        choose(ana, "Priority", "High")
        choose(ana, "Status", "Closed")

    before(ana, "**/assignment", meanwhile)
    choose(ana, "Status", "Pending")
    expect(fact(ana, "Status")).to_contain_text("Closed")
    expect(fact(ana, "Priority")).to_contain_text("High")
    expect(care(ana).get_by_role("alert")).to_be_hidden()


def test_a_message_opens_a_closed_chat_in_every_page(office: Office) -> None:
    """What zapd does by itself is seen like what a colleague does."""
    ana = office.page("ana")
    choose(ana, "Status", "Closed")
    expect(row(ana, "Maria Souza")).to_contain_text("Closed")
    office.receive("+5500912345678", "Maria Souza", "Ainda aí?")
    expect(fact(ana, "Status")).to_have_text("Status: Open")


def test_a_viewer_is_offered_nothing_that_is_refused(office: Office) -> None:
    """Facts as text; no box to answer, no orders for the session, no way to write notes."""
    office.do("PUT", "/v1/members/vera", role="viewer", name="Vera")
    office.as_user("bruno", "POST", f"/v1/chats/{CHAT}/claim", steal=False)
    vera = office.page("vera", scopes="read")
    expect(fact(vera, "Assigned to")).to_contain_text("Bruno Reis")
    expect(fact(vera, "Status")).to_contain_text("Open")
    expect(care(vera).locator(".pick:visible, .claims button:visible")).to_have_count(0)
    expect(vera.locator("#composer")).to_be_hidden()
    expect(vera.locator("#add")).to_be_hidden()
    expect(vera.locator(".session button:visible")).to_have_count(0)
    vera.locator("#notes-toggle").click()
    expect(vera.get_by_text("No note yet.")).to_be_visible()
    expect(vera.get_by_label("New note")).to_be_hidden()


def test_a_role_that_changes_is_felt_without_a_reload(office: Office) -> None:
    """What one may do comes and goes with the member's row, for a single session too."""
    ana = office.page("ana")
    office.do(
        "PATCH", "/v1/members/ana", permissions={"sessions": {"front-desk": {"set_status": False}}}
    )
    expect(care(ana).locator(".pick", has_text="Status")).to_be_hidden()
    expect(button(ana, "Claim")).to_be_visible()
    office.do("PATCH", "/v1/members/ana", role="viewer", permissions={})
    expect(button(ana, "Claim")).to_be_hidden()
    office.do("PATCH", "/v1/members/ana", role="supervisor")
    expect(button(ana, "Claim")).to_be_visible()
    button(ana, "Claim").click()
    expect(fact(ana, "Assigned to")).to_contain_text("You")


def test_colleagues_are_seen_before_they_collide(office: Office) -> None:
    """Who looks at the chat and who writes in it, in the chat and in the list, until they leave."""
    ana, bruno = office.page("ana"), office.page("bruno")
    there = bruno.locator("#agents")
    expect(there).to_have_text("Ana Lima is looking at this chat.", timeout=AT_ONCE)
    ana.get_by_label("Message to Maria Souza").press_sequentially("Bom")
    expect(there).to_have_text("Ana Lima is writing an answer.", timeout=AT_ONCE)
    expect(row(office.desk, "Maria Souza")).to_contain_text("Ana Lima is typing")
    answer(ana, "Às nove?")
    expect(message(bruno, "Às nove?")).to_be_visible()
    expect(there).to_have_text("Ana Lima is looking at this chat.")
    late = office.page("carla")  # asks who was there before
    expect(late.locator("#agents")).to_have_text(
        re.compile(
            r"^(Ana Lima and Bruno Reis|Bruno Reis and Ana Lima) are looking at this chat\.$"
        )
    )
    late.close()  # without a word to the page, or a click
    expect(there).to_have_text("Ana Lima is looking at this chat.")
    ana.go_back()
    expect(there).to_be_hidden()


def test_who_leaves_the_page_leaves_the_chat(office: Office) -> None:
    """By another address too: the last word arrives though the page that said it is gone."""
    ana = office.page("ana")
    open_chat(office.desk, "Maria Souza")
    there = ana.locator("#agents")
    expect(there).to_have_text("console is looking at this chat.")
    office.desk.goto("about:blank")
    expect(there).to_be_hidden()


def test_a_second_page_of_ours_does_not_say_that_we_left(office: Office) -> None:
    """One of two pages goes; the other is still there, and says so."""
    bruno, ana = office.page("bruno"), office.page("ana")
    second = ana.context.new_page()
    second.goto(ana.url)
    expect(second.get_by_role("heading", name="Maria Souza")).to_be_visible()
    there = bruno.locator("#agents")
    expect(there).to_have_text("Ana Lima is looking at this chat.")
    poll = "/v1/poll?types=agent_presence"
    place = office.api.get(poll).json()["next"]
    second.close()
    states: list[str] = []
    while states[-1:] != ["viewing"]:
        page = office.api.get(f"{poll}&timeout=5&after={place}").json()
        assert page["items"], states
        states += [event["data"]["state"] for event in page["items"]]
        place = page["next"]
    assert states == ["away", "viewing"]
    expect(there).to_have_text("Ana Lima is looking at this chat.")
