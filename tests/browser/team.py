"""A workspace with people in it, and what one sees of a chat's care."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.scenes import open_chat, pair, receive

if TYPE_CHECKING:
    from tests.browser.conftest import Daemon, Visitor

CHAT = "front-desk:5500912345678@s.whatsapp.net"
#: What a change that others see may take, in milliseconds.
AT_ONCE = 1000

MEMBERS = {
    "ana": ("agent", "Ana Lima"),
    "bruno": ("agent", "Bruno Reis"),
    "carla": ("supervisor", "Carla Dias"),
}


class Office:
    """One session with one chat, three members, and the daemon's own console."""

    def __init__(self, daemon: Daemon, visitor: Visitor) -> None:
        self._daemon = daemon
        self._visitor = visitor
        self.desk = visitor.console()
        pair(self.desk, "Front desk")
        receive(self.desk, "Front desk", "Bom dia!", sender="Maria Souza")
        expect(self.desk.locator(".chat")).to_have_count(1)
        cookies = {c["name"]: c["value"] for c in self.desk.context.cookies()}
        origin = {"Origin": daemon.base}
        self.api = httpx.Client(base_url=daemon.base, headers=origin, cookies=cookies)
        for user, (role, name) in MEMBERS.items():
            self.do("PUT", f"/v1/members/{user}", role=role, name=name)

    def page(self, user: str, scopes: str = "read,send,metadata", **options: Any) -> Page:  # noqa: ANN401 - Playwright's
        """Return a person's page, with the chat open."""
        page = self.list_page(user, scopes, **options)
        open_chat(page, "Maria Souza")
        return page

    def list_page(self, user: str, scopes: str = "read,send,metadata", **options: Any) -> Page:  # noqa: ANN401 - Playwright's
        """Return a person's page, with no chat open."""
        return self._visitor.agent(user, scopes, **options)

    def do(self, method: str, path: str, **body: object) -> httpx.Response:
        """Do something by the API, as the console."""
        answer = self.api.request(method, path, json=body or None)
        answer.raise_for_status()
        return answer

    def as_user(self, user: str, method: str, path: str, **body: object) -> httpx.Response:
        """Do something by the API, as a person."""
        headers = {"Authorization": f"Bearer {self._daemon.token(user)}"}
        answer = httpx.request(method, self._daemon.base + path, json=body, headers=headers)
        answer.raise_for_status()
        return answer

    def receive(self, number: str, name: str, text: str) -> None:
        """Let somebody write to the session."""
        body = {"from": number, "name": name, "text": text}
        self.do("POST", "/v1/sessions/front-desk/sandbox/receive", **body)

    def close(self) -> None:
        """End the connection of the API."""
        self.api.close()


def before(page: Page, address: str, happen: Callable[[], object]) -> None:
    """Let something happen after the page sent its next request, and before the daemon has it."""

    def hold(route: Route) -> None:
        happen()
        route.continue_()

    page.route(address, hold, times=1)


def care(page: Page) -> Locator:
    """Return where the page tells and changes who cares for the open chat."""
    return page.locator("#care")


def fact(page: Page, label: str) -> Locator:
    """Return where a fact about the open chat stands: in a button, or as text."""
    return care(page).locator(".pick, .fact").filter(has_text=f"{label}: ", visible=True)


def choose(page: Page, label: str, option: str) -> None:
    """Choose another in a menu."""
    fact(page, label).click()
    care(page).get_by_role("group", name=label).get_by_role("button", name=option).click()


def button(page: Page, name: str) -> Locator:
    """Return a button of the care."""
    return care(page).get_by_role("button", name=name, exact=True)


def show_notes(page: Page) -> Locator:
    """Open the notes; return them."""
    notes = page.locator("#notes")
    if not notes.is_visible():
        page.locator("#notes-toggle").click()
    return notes


def write_note(page: Page, text: str) -> None:
    """Write a note."""
    notes = show_notes(page)
    notes.get_by_label("New note").fill(text)
    notes.get_by_role("button", name="Add note").click()


def note(page: Page, text: str) -> Locator:
    """Return a note on the screen."""
    return page.locator(".note").filter(has_text=text)


def add_tag(page: Page, name: str) -> None:
    """Put a tag on the open chat by its name; it is made where there is none."""
    button(page, "Add a tag").click()
    field = page.locator("#tag-name")
    field.fill(name)
    field.press("Enter")
    expect(field).to_have_value("")
    field.press("Escape")


def row(page: Page, name: str) -> Locator:
    """Return a chat of the list."""
    return page.locator("#chat-list").get_by_role("link", name=name)
