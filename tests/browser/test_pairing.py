"""From nothing to a connected session, and what can happen to it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.browser.scenes import add_session, card, pair, picture, state


def test_a_session_is_added_paired_and_connected(visitor: Visitor) -> None:
    """The whole way of the demo: form, code, scan, number."""
    page = visitor.console()
    expect(page.get_by_text("No session yet.")).to_be_visible()
    it = add_session(page, "Front desk")
    expect(it.get_by_text("front-desk")).to_be_visible()  # the id that the name suggested
    expect(picture(it)).to_be_visible()
    assert page.evaluate("document.querySelector('.qr img').naturalWidth") > 0
    expect(it.get_by_role("timer")).to_have_text(re.compile(r"New code in \d:\d\d"))
    it.get_by_role("button", name="Scan (sandbox phone)").click()
    expect(state(page, "Front desk")).to_have_text("Connected")
    expect(it.get_by_text(re.compile(r"\+5500\d{9}"))).to_be_visible()
    expect(picture(it)).to_have_count(0)


def test_a_new_code_replaces_the_old_one_without_a_reload(visitor: Visitor) -> None:
    """Each `qr` event draws the code that is valid now."""
    page = visitor.console()
    it = add_session(page, "Front desk")
    expect(picture(it)).to_be_visible()
    page.evaluate("window.here = true")
    before = picture(it).get_attribute("src")
    assert before is not None
    it.get_by_role("button", name="Restart").click()
    expect(picture(it)).not_to_have_attribute("src", before)
    expect(picture(it)).to_be_visible()
    assert page.evaluate("window.here")


@pytest.mark.timeout(150)
def test_the_code_rotates_by_the_stream(visitor: Visitor) -> None:
    """WhatsApp's first code is good for 60 s; the next one comes by itself."""
    page = visitor.console()
    it = add_session(page, "Front desk")
    expect(picture(it)).to_have_attribute("data-code", re.compile("^SANDBOX,1,"))
    expect(picture(it)).to_have_attribute("data-code", re.compile("^SANDBOX,2,"), timeout=75_000)


def test_a_page_that_comes_later_shows_the_code_too(visitor: Visitor) -> None:
    """The code that was shown before its stream began is asked for."""
    page = visitor.console()
    code = picture(add_session(page, "Front desk")).get_attribute("data-code")
    assert code is not None
    late = visitor.console()
    expect(picture(card(late, "Front desk"))).to_have_attribute("data-code", code)


def test_a_code_can_be_typed_instead(visitor: Visitor) -> None:
    """The number is checked here first; then the code is shown, in every page."""
    page, other = visitor.console(), visitor.console()
    it = add_session(page, "Front desk")
    it.get_by_text("Use a code instead").click()
    number = it.get_by_label("Phone number, with country code")
    number.fill("+55")
    it.get_by_role("button", name="Get a code").click()
    expect(it.get_by_role("alert")).to_contain_text("country code")
    number.fill("+55 11 91234-5678")
    it.get_by_role("button", name="Get a code").click()
    code = it.get_by_label("Pairing code")
    expect(code).to_have_text(re.compile(r"^[1-9A-Z]{4}-[1-9A-Z]{4}$"))
    expect(card(other, "Front desk").get_by_label("Pairing code")).to_have_text(code.inner_text())


def test_the_line_goes_and_comes_back(visitor: Visitor) -> None:
    """Trouble is told as the API tells it, and goes when it is over."""
    page = visitor.console()
    it = pair(page, "Front desk")
    it.get_by_role("button", name="Drop the line").click()
    expect(state(page, "Front desk")).to_have_text("Disconnected")
    expect(it.get_by_text("The line to WhatsApp was lost.")).to_be_visible()
    expect(it.get_by_text("line_lost")).to_be_visible()
    expect(it.get_by_text("Nothing: it reconnects by itself.")).to_be_visible()
    expect(state(page, "Front desk")).to_have_text("Connected")
    expect(it.get_by_text("line_lost")).to_be_hidden()


def test_a_phone_that_unlinks_tells_what_to_do(visitor: Visitor) -> None:
    """`logged_out` with its sentence, and a way to start again that shows a new code."""
    page = visitor.console()
    it = pair(page, "Front desk")
    it.get_by_role("button", name="Unlink").click()
    expect(state(page, "Front desk")).to_have_text("Logged out")
    expect(it.get_by_text("The phone unlinked this device.")).to_be_visible()
    expect(it.get_by_text("Start the session and scan the new QR code")).to_be_visible()
    it.get_by_role("button", name="Start").click()
    expect(picture(it)).to_be_visible()


def test_logging_out_is_asked_for_first(visitor: Visitor) -> None:
    """Escape leaves all as it was; a yes logs out."""
    page = visitor.console()
    it = pair(page, "Front desk")
    it.get_by_role("button", name="Log out").click()
    dialog = page.get_by_role("dialog", name="Log out Front desk?")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(it.get_by_role("button", name="Log out")).to_be_focused()
    expect(state(page, "Front desk")).to_have_text("Connected")
    it.get_by_role("button", name="Log out").click()
    dialog.get_by_role("button", name="Log out").click()
    expect(state(page, "Front desk")).to_have_text("Logged out")


def test_a_deleted_session_leaves_every_page(visitor: Visitor) -> None:
    """Its card and its chats go, also where somebody else looks."""
    page, other = visitor.console(), visitor.console()
    it = pair(page, "Front desk")
    expect(card(other, "Front desk")).to_be_visible()
    it.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(it).to_have_count(0)
    expect(card(other, "Front desk")).to_have_count(0)
    expect(page.get_by_text("No session yet.")).to_be_visible()


def test_stop_and_start(visitor: Visitor) -> None:
    """A stopped session says so, and comes back without a new code."""
    page = visitor.console()
    it = pair(page, "Front desk")
    it.get_by_role("button", name="Stop").click()
    expect(state(page, "Front desk")).to_have_text("Stopped")
    expect(it.get_by_text("Start it again.")).to_be_visible()
    it.get_by_role("button", name="Start").click()
    expect(state(page, "Front desk")).to_have_text("Connected")


def test_errors_stand_beside_what_caused_them(visitor: Visitor) -> None:
    """A wrong id and one that is taken: told at the field, which is marked and has the focus."""
    visitor.expect_refusals("409")
    page = visitor.console()
    add_session(page, "Front desk")
    page.get_by_text("Add a session").click()
    form = page.locator("#add-form")
    field = form.get_by_label("Id", exact=True)
    for wrong, told in (("No!", "Use a-z, 0-9"), ("", "needs an id"), ("front-desk", "already")):
        field.fill(wrong)
        form.get_by_role("button", name="Add and start").click()
        expect(form.get_by_role("alert")).to_contain_text(told)
        expect(field).to_be_focused()
        expect(field).to_have_attribute("aria-invalid", "true")
