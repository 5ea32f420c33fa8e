"""Tags on chats, and which chats are listed."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor
from tests.browser.scenes import message
from tests.browser.team import AT_ONCE, CHAT, Office, add_tag, before, button, care, choose, row

_COLOURS = """(e) => [getComputedStyle(e).backgroundColor, getComputedStyle(e).color]"""


def test_a_tag_is_made_and_seen_in_every_page(office: Office) -> None:
    """In the chat and in the list, in its colour; another page of the team has it to choose from."""
    carla, ana = office.page("carla"), office.page("ana")
    button(carla, "Add a tag").click()
    carla.get_by_label("Name of the tag").fill("VIP")
    carla.get_by_label("Colour").fill("#ffdd00")
    carla.get_by_role("button", name="Make VIP").click()
    for page in (carla, ana):
        chip = row(page, "Maria Souza").locator(".chip")
        expect(chip).to_have_text("VIP", timeout=AT_ONCE)
        assert chip.evaluate(_COLOURS) == ["rgb(255, 221, 0)", "rgb(0, 0, 0)"]
    ana.get_by_role("button", name="Remove tag VIP").click()
    expect(carla.locator("#tags .chip")).to_have_count(0, timeout=AT_ONCE)
    add_tag(ana, "vip")  # by its name, whatever the case
    expect(row(carla, "Maria Souza").locator(".chip")).to_have_text("VIP")


def test_who_may_not_make_tags_is_not_offered_it(office: Office) -> None:
    """An agent chooses from what there is; an unknown name is told, and stays in its field."""
    office.do("POST", "/v1/tags", name="Delivery", color="#0969c3")
    ana = office.page("ana")
    button(ana, "Add a tag").click()
    field = ana.locator("#tag-name")
    expect(field).to_be_focused()
    field.fill("Refund")
    expect(ana.locator("#tag-create")).to_be_hidden()
    expect(ana.get_by_text("No other tag has this name.")).to_be_visible()
    field.press("Enter")
    expect(ana.locator("#tag-error")).to_have_text("Choose one of the tags.")
    expect(field).to_have_value("Refund")
    field.fill("deli")
    ana.get_by_role("button", name="Delivery").click()
    expect(row(ana, "Maria Souza").locator(".chip")).to_have_text("Delivery")


def test_a_tag_that_is_changed_or_deleted_is_so_everywhere(office: Office) -> None:
    """Its new name and colour on every chat; none of it when it is gone."""
    tag = office.do("POST", "/v1/tags", name="Old", color="#0969c3").json()["id"]
    office.do("PUT", f"/v1/chats/{CHAT}/tags/{tag}")
    ana = office.page("ana")
    chips = ana.locator(".chip:visible")
    expect(chips).to_have_text(["Old", "Old×"])
    office.do("PATCH", f"/v1/tags/{tag}", name="New", color="#111111")
    expect(chips).to_have_text(["New", "New×"])
    assert chips.first.evaluate(_COLOURS) == ["rgb(17, 17, 17)", "rgb(255, 255, 255)"]
    office.do("DELETE", f"/v1/tags/{tag}")
    expect(chips).to_have_count(0)


def test_a_name_that_somebody_takes_meanwhile_is_told(visitor: Visitor, office: Office) -> None:
    """Two make the same tag: the second is told, has its name still there, and can choose it."""
    visitor.expect_refusals("409")
    carla = office.page("carla")

    before(
        carla,
        "**/v1/tags",
        lambda: office.do("POST", "/v1/tags", name="VIP", color="#0969c3"),
    )
    button(carla, "Add a tag").click()
    carla.locator("#tag-name").fill("VIP")
    carla.get_by_role("button", name="Make VIP").click()
    expect(carla.locator("#tag-error")).to_contain_text("already")
    expect(carla.locator("#tag-name")).to_have_value("VIP")
    carla.locator("#tag-options").get_by_role("button", name="VIP").click()
    expect(row(carla, "Maria Souza").locator(".chip")).to_have_text("VIP")


def two_more(office: Office) -> None:
    """Let two others write."""
    office.receive("+5500911111111", "Rui Alves", "Oi")
    office.receive("+5500922222222", "Eva Lins", "Olá")


def listed(page: Page) -> list[str]:
    """Return the names in the list, sorted."""
    return sorted(page.locator(".chat-name").all_inner_texts())


def test_the_list_is_filtered_by_whose_a_chat_is(office: Office) -> None:
    """Mine, nobody's, a colleague's; chats come and go as they change hands."""
    two_more(office)
    ana, bruno = office.page("ana"), office.page("bruno")
    button(ana, "Claim").click()
    ana.get_by_role("combobox", name="Whose").select_option("Mine")
    bruno.get_by_role("combobox", name="Whose").select_option("Nobody's")
    names = ana.locator(".chat-name")
    expect(names).to_have_text(["Maria Souza"])
    expect(bruno.locator(".chat-name")).to_have_count(2)
    assert listed(bruno) == ["Eva Lins", "Rui Alves"]
    button(ana, "Release").click()
    expect(names).to_have_count(0, timeout=AT_ONCE)
    expect(ana.get_by_text("No chat is like that now.")).to_be_visible()
    expect(bruno.locator(".chat-name")).to_have_count(3)
    bruno.get_by_role("combobox", name="Whose").select_option("Ana Lima")
    expect(bruno.locator(".chat-name")).to_have_count(0)
    expect(message(ana, "Bom dia!")).to_be_visible()  # the open chat stays open
    ana.get_by_role("button", name="Show all").click()
    expect(names).to_have_count(3)
    expect(ana.get_by_role("combobox", name="Whose")).to_be_focused()


def test_filters_of_status_and_tag_hold_together_and_after_a_reload(office: Office) -> None:
    """The address keeps them; what passes is asked of the daemon."""
    two_more(office)
    tag = office.do("POST", "/v1/tags", name="VIP", color="#ffdd00").json()["id"]
    for number in ("5500911111111", "5500922222222"):
        office.do("PUT", f"/v1/chats/front-desk:{number}@s.whatsapp.net/tags/{tag}")
    ana = office.page("ana")
    ana.get_by_role("combobox", name="Tag").select_option("VIP")
    expect(ana.locator(".chat-name")).to_have_count(2)
    chat = "front-desk:5500922222222@s.whatsapp.net"
    office.do("PATCH", f"/v1/chats/{chat}/assignment", status="closed")
    ana.get_by_role("combobox", name="Status").select_option("Closed")
    expect(ana.locator(".chat-name")).to_have_text(["Eva Lins"])
    asked: list[str] = []
    ana.on("request", lambda request: asked.append(request.url))
    ana.reload()
    expect(ana.locator(".chat-name")).to_have_text(["Eva Lins"])
    expect(ana.get_by_role("combobox", name="Status")).to_have_value("closed")
    expect(ana.get_by_role("combobox", name="Tag")).to_have_value(tag)
    assert any(
        f"tag={tag}" in url and "status=closed" in url for url in asked if "/v1/chats?" in url
    )
    ana.get_by_role("combobox", name="Status").select_option("Open")
    expect(ana.locator(".chat-name")).to_have_text(["Rui Alves"])


def test_a_chat_that_is_not_in_the_list_yet_comes_when_it_passes(office: Office) -> None:
    """More chats than a page of the list: one of the rest is given to the person, and appears."""
    for number in range(101):
        office.receive(f"+55009300{number:05}", f"Person {number:03}", "Oi")
    ana = office.list_page("ana")
    ana.get_by_role("combobox", name="Whose").select_option("Mine")
    expect(ana.locator(".chat")).to_have_count(0)
    for phone in ("5500912345678", "5500930000000"):  # long known, and not in the first page
        chat = f"front-desk:{phone}@s.whatsapp.net"
        office.do("PATCH", f"/v1/chats/{chat}/assignment", assignee="ana")
    expect(ana.locator(".chat-name")).to_have_text([re.compile("Person 000"), re.compile("Maria")])


def test_a_status_is_chosen_by_keyboard(office: Office) -> None:
    """Enter opens, arrows move, Enter chooses, Escape leaves all as it was; the focus stays."""
    ana = office.page("ana")
    pick = care(ana).locator(".pick", has_text="Status")
    pick.focus()
    ana.keyboard.press("Enter")
    expect(pick).to_have_attribute("aria-expanded", "true")
    expect(care(ana).get_by_role("button", name="Open", exact=True)).to_be_focused()
    ana.keyboard.press("ArrowDown")
    ana.keyboard.press("Enter")
    expect(pick).to_have_text("Status: Pending")
    expect(pick).to_be_focused()
    ana.keyboard.press("ArrowDown")
    ana.keyboard.press("ArrowUp")
    ana.keyboard.press("Escape")
    expect(pick).to_have_attribute("aria-expanded", "false")
    expect(pick).to_be_focused()
    choose(ana, "Priority", "Low")
    expect(row(ana, "Maria Souza")).to_contain_text("Priority Low")
