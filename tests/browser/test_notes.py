"""Notes about a chat: from one page to the other, and never lost while they are typed."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.browser.team import AT_ONCE, CHAT, Office, before, note, row, show_notes, write_note

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><b>bold</b>"


def test_a_note_that_one_types_appears_at_the_other(office: Office) -> None:
    """With who wrote it, and their number on the button; markup in it is text."""
    ana, bruno = office.page("ana"), office.page("bruno")
    show_notes(bruno)
    write_note(ana, "Wants an invoice")
    theirs = note(bruno, "Wants an invoice")
    expect(theirs).to_be_visible(timeout=AT_ONCE)
    expect(theirs.locator(".author")).to_have_text("Ana Lima")
    expect(note(ana, "Wants an invoice").locator(".author")).to_have_text("You")
    expect(ana.get_by_label("New note")).to_have_value("")
    write_note(bruno, HOSTILE)
    expect(note(ana, HOSTILE)).to_be_visible()
    expect(ana.locator("#notes-count")).to_have_text("2")
    expect(ana.locator(".note .text")).to_have_text([HOSTILE, "Wants an invoice"])
    assert ana.title() == "zapd"


def test_only_its_author_changes_a_note(office: Office) -> None:
    """The other sees the change; nobody but a supervisor may delete what others wrote."""
    ana, bruno, carla = office.page("ana"), office.page("bruno"), office.page("carla")
    write_note(ana, "Call back at nine")
    show_notes(bruno)
    show_notes(carla)
    expect(note(bruno, "Call back")).to_be_visible()
    expect(note(bruno, "Call back").get_by_role("button")).to_have_count(0)
    note(ana, "Call back").get_by_role("button", name="Edit").click()
    editor = ana.get_by_label("Change the note")
    expect(editor).to_be_focused()
    editor.fill("Call back at ten")
    ana.locator(".note").get_by_role("button", name="Save").click()
    expect(note(bruno, "at ten")).to_contain_text("edited", timeout=AT_ONCE)
    expect(note(carla, "at ten").get_by_role("button", name="Edit")).to_be_hidden()
    note(carla, "at ten").get_by_role("button", name="Delete").click()
    carla.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(ana.locator(".note")).to_have_count(0)
    expect(bruno.get_by_text("No note yet.")).to_be_visible()


def test_what_is_typed_stays_when_another_chat_is_opened(office: Office) -> None:
    """A new note and a change that was begun are there again when one comes back."""
    office.receive("+5500911111111", "Rui Alves", "Oi")
    ana = office.page("ana")
    write_note(ana, "First")
    note(ana, "First").get_by_role("button", name="Edit").click()
    ana.get_by_label("Change the note").fill("First, changed")
    ana.get_by_label("New note").fill("Second, begun")
    row(ana, "Rui Alves").click()
    expect(ana.get_by_role("heading", name="Rui Alves")).to_be_visible()
    expect(ana.locator(".note")).to_have_count(0)
    expect(ana.get_by_label("New note")).to_have_value("")
    row(ana, "Maria Souza").click()
    expect(ana.get_by_label("New note")).to_have_value("Second, begun")
    expect(ana.get_by_label("Change the note")).to_have_value("First, changed")


def test_a_note_that_was_changed_elsewhere_is_not_overwritten_unseen(
    visitor: Visitor, office: Office
) -> None:
    """The change is refused, the fresh text shown beside what was typed; saving again is a decision."""
    visitor.expect_refusals("412")
    ana = office.page("ana")
    write_note(ana, "Call back at nine")
    note(ana, "at nine").get_by_role("button", name="Edit").click()
    it = ana.locator(".note")
    ana.get_by_label("Change the note").fill("Call back at ten")
    id = office.api.get(f"/v1/chats/{CHAT}/notes").json()["items"][0]["id"]
    change = f"/v1/notes/{id}"
    before(ana, f"**{change}", lambda: office.as_user("ana", "PATCH", change, body="Do not call"))
    it.get_by_role("button", name="Save").click()
    expect(it.get_by_role("alert")).to_contain_text("changed this note before you")
    expect(it.locator(".text")).to_have_text("Do not call")
    expect(ana.get_by_label("Change the note")).to_have_value("Call back at ten")
    it.get_by_role("button", name="Save").click()
    expect(it.locator(".text")).to_have_text("Call back at ten")
    expect(ana.get_by_label("Change the note")).to_be_hidden()


def test_a_note_that_is_deleted_while_one_changes_it_can_be_saved_anew(office: Office) -> None:
    """Who deleted it is named; the text is still there."""
    ana, carla = office.page("ana"), office.page("carla")
    write_note(ana, "Call back at nine")
    note(ana, "at nine").get_by_role("button", name="Edit").click()
    ana.get_by_label("Change the note").fill("Call back at ten")
    show_notes(carla)
    note(carla, "at nine").get_by_role("button", name="Delete").click()
    carla.get_by_role("dialog").get_by_role("button", name="Delete").click()
    it = ana.locator(".note")
    expect(it.get_by_role("alert")).to_have_text(
        re.compile("\u2068Carla Dias\u2069 deleted this note while you were changing it")
    )
    it.get_by_role("button", name="Save as a new note").click()
    expect(note(carla, "Call back at ten")).to_be_visible()
    expect(ana.locator(".note")).to_have_count(1)


def test_a_note_without_an_answer_is_not_lost(visitor: Visitor, office: Office) -> None:
    """The line breaks before the daemon has it: told, and the text is still in its field."""
    visitor.expect_refusals("net::ERR_")
    ana = office.page("ana")
    ana.route("**/notes", lambda route: route.abort(), times=1)
    write_note(ana, "Wants an invoice")
    expect(ana.locator("#notes-error")).to_contain_text("cannot be reached")
    expect(ana.get_by_label("New note")).to_have_value("Wants an invoice")
    ana.get_by_role("button", name="Add note").click()
    expect(note(ana, "Wants an invoice")).to_be_visible()
    expect(ana.locator("#notes-error")).to_be_hidden()


def test_two_notes_in_a_row_are_both_saved_and_none_twice(office: Office) -> None:
    """The second is begun while the first is on its way; a button pressed twice saves once."""
    ana = office.page("ana")
    notes = show_notes(ana)
    add, field = notes.get_by_role("button", name="Add note"), notes.get_by_label("New note")

    def meanwhile() -> None:
        add.click()
        field.fill("second")
        add.click()
        expect(add).to_have_attribute("aria-busy", "true")

    before(ana, "**/notes", meanwhile)
    field.fill("first")
    add.click()
    expect(ana.locator(".note .text")).to_have_text(["second", "first"])
    expect(field).to_have_value("")
    bodies = [row["body"] for row in office.api.get(f"/v1/chats/{CHAT}/notes").json()["items"]]
    assert bodies == ["second", "first"]


def test_notes_go_on_where_a_page_ends(office: Office) -> None:
    """Fifty at once, the earlier ones on demand; a reload keeps the list open."""
    for number in range(55):
        office.do("POST", f"/v1/chats/{CHAT}/notes", body=f"number {number:02}")
    ana = office.page("ana")
    expect(ana.locator("#notes-count")).to_have_text("50+")
    show_notes(ana)
    ana.get_by_role("button", name="Show earlier notes").click()
    expect(ana.locator(".note")).to_have_count(55)
    expect(ana.locator("#notes-count")).to_have_text("55")
    texts = ana.locator(".note .text").all_inner_texts()
    assert texts == [f"number {number:02}" for number in reversed(range(55))]
    ana.reload()
    expect(ana.locator("#notes")).to_be_visible()
