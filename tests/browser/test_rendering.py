"""What the sandbox never says: every kind of message and event, from answers that are made up here.

The page and its files are the daemon's; its API is played by the test.
"""

from __future__ import annotations

import json
from typing import Any, get_args

import msgspec
import pytest
from playwright.sync_api import Page, Route, expect

from daemon.auth.scopes import Scope
from daemon.services.abilities import Ability
from sessions import models as m
from tests.browser.conftest import Visitor
from tests.browser.scenes import PALE, card

NOW = "2026-01-02T03:04:05.678Z"
CHAT = "main:5511999990000@s.whatsapp.net"
GROUP = "main:123@g.us"
ME = {
    "workspace": "default",
    "subject": "console",
    "scopes": sorted(Scope),
    "kind": "cookie",
    "expires_at": None,
    "name": "console",
    "member": False,
    "role": "owner",
    "abilities": sorted(Ability),
    "sessions": None,
}
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 4" width="4" height="4"/>'


def session(state: str = "connected", **changes: object) -> dict[str, Any]:
    """Return a WhatsApp session."""
    value = m.Session(
        id="main",
        label="",
        provider=m.ProviderName.WHATSAPP,
        state=state,
        code=None,
        message=None,
        user_action=None,
        phone=None,
        jid=None,
        last_received_at=None,
        created_at=NOW,
    )
    return plain(value) | changes


def text(id: str, **changes: object) -> dict[str, Any]:
    """Return a message, a text of Ana's unless told otherwise."""
    value = m.Message(
        id=id,
        wa_id=id,
        client_ref=None,
        session="main",
        chat=CHAT,
        sender="5511999990000@s.whatsapp.net",
        sender_name="Ana",
        from_me=False,
        at=NOW,
        type="text",
        text="Oi",
        reply_to=None,
        media=None,
        status="delivered",
        ack=2,
        edited_at=None,
        deleted_at=None,
        reactions=(),
        source="live",
    )
    return plain(value) | changes


def chat(id: str = CHAT, **changes: object) -> dict[str, Any]:
    """Return a chat."""
    jid = id.partition(":")[2]
    value = m.Chat(
        id=id,
        session="main",
        jid=jid,
        pn=jid,
        lid=None,
        kind="group" if jid.endswith("g.us") else "user",
        name="Ana",
        picture_id=None,
        picture_url=None,
        unread=0,
        last_message=None,
        updated_at=NOW,
        archived=False,
        pinned=False,
        muted_until=None,
        evicted_before=None,
    )
    return plain(value) | {"assignment": None, "tags": []} | changes


def event(type: str, data: object, offset: int, chat: str = CHAT) -> str:
    """Return an event of the stream."""
    envelope = {
        "id": f"e-{offset}",
        "type": type,
        "workspace": "default",
        "session": "main",
        "chat": chat,
        "at": NOW,
        "source": "live",
        "data": data,
    }
    return f"id: e-{offset}\nevent: {type}\ndata: {json.dumps(envelope)}\n\n"


def plain(value: object) -> dict[str, Any]:
    """Return a resource as JSON has it."""
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(value))
    return found


class Played:
    """An API with one session, one chat and the messages and events that a test wants."""

    def __init__(self, page: Page) -> None:
        self.sessions = [session()]
        self.chats = [chat()]
        self.messages: list[dict[str, Any]] = []
        self.events: list[str] = []
        self.tags: list[dict[str, Any]] = []
        self.members: list[dict[str, Any]] = []
        self.notes: list[dict[str, Any]] = []
        self.present: list[dict[str, Any]] = []
        #: What GET of a chat answers that no list has.
        self.late: dict[str, Any] = {}
        self.snapshots = 0
        self._page = page
        page.route("**/v1/**", self._answer)

    def open(self, chat: str | None = CHAT) -> Page:
        """Load the page, with the chat open."""
        address = f"#chat={chat}" if chat else "#"
        self._page.evaluate("to => history.replaceState(null, '', to)", address)
        self._page.reload()
        return self._page

    def _answer(self, route: Route) -> None:
        path = route.request.url.partition("/v1/")[2].partition("?")[0]
        if path == "events":
            body = "retry: 60000\n\n" + "".join(self.events)
            self.events = []
            route.fulfill(content_type="text/event-stream", body=body)
        elif self.late and path.startswith("chats/") and path.count("/") == 1:
            route.fulfill(json=self.late)
        elif path.endswith("/qr") and route.request.headers["accept"] == "image/svg+xml":
            route.fulfill(content_type="image/svg+xml", body=SVG)
        else:
            route.fulfill(json=self._json(path))

    def _json(self, path: str) -> dict[str, Any]:
        if path.endswith("/qr"):
            return {"qr": "1@abc", "expires_at": "2099-01-01T00:00:00.000Z"}
        if path == "me":
            return ME
        if path.endswith("/read"):
            return chat()
        self.snapshots += path == "chats"
        items = {
            "sessions": self.sessions,
            "chats": self.chats,
            "tags": self.tags,
            "members": self.members,
            "notes": self.notes,
            "presence": self.present,
            "messages": self.messages[::-1],
        }[path.rpartition("/")[2]]
        return {"items": items, "next_cursor": None, "as_of": "e-0", "evicted_before": None}


@pytest.fixture
def played(visitor: Visitor) -> Played:
    """Play the API to a page that is signed in."""
    return Played(visitor.console())


KINDS: dict[str, tuple[dict[str, Any], str]] = {
    "text": ({"text": "Oi"}, "Oi"),
    "image": ({"text": "look"}, "[Image] look"),
    "video": ({"text": None, "media": {"seconds": 65}}, "[Video] 1:05"),
    "gif": ({"text": None}, "[GIF]"),
    "audio": ({"text": None, "media": {"seconds": 9}}, "[Audio] 0:09"),
    "voice": ({"text": None, "media": {"seconds": 9}}, "[Voice message] 0:09"),
    "document": ({"text": None, "media": {"file_name": "a.pdf"}}, "[Document] a.pdf"),
    "sticker": ({"text": None}, "[Sticker]"),
    "location": (
        {"text": None, "content": {"name": "Praça", "address": "Rua 1"}},
        "[Location] Praça, Rua 1",
    ),
    "live_location": ({"text": None, "content": {"name": None}}, "[Live location]"),
    "contact": ({"text": None, "content": {"contacts": [{"name": "Rui"}]}}, "[Contact] Rui"),
    "poll": (
        {"text": None, "content": {"question": "When?", "options": ["9h", "10h"]}},
        "[Poll] When? – 9h / 10h",
    ),
    "poll_vote": ({"text": None, "content": {"options": ["9h", "a" * 64]}}, "[Vote] 9h"),
    "event": ({"text": None, "content": {"name": "Party", "start_at": None}}, "[Event] Party"),
    "reaction_only": ({"text": "👍"}, "[Reaction] 👍"),
    "revoked": ({"text": None}, "This message was deleted."),
    "system": ({"text": None, "content": {"name": "e2e"}}, "[WhatsApp] e2e"),
    "view_once": ({"text": None}, "[View once] Open it on the phone."),
    "unsupported": ({"text": None, "content": {"name": "x"}}, "[Unsupported message] x"),
}


def test_every_kind_of_message_has_a_readable_line(played: Played) -> None:
    """No kind is shown as nothing, none by its code name."""
    assert set(KINDS) == set(get_args(m.MessageType))
    played.messages = [
        text(f"m{number:02}", type=kind, **changes)
        for number, (kind, (changes, _)) in enumerate(KINDS.items())
    ]
    page = played.open()
    expect(page.locator(".message .text")).to_have_text([line for _, line in KINDS.values()])


def test_what_changes_on_a_message_is_shown(played: Played) -> None:
    """Edits, deletions, reactions and ticks that come by the stream."""
    mine = text("m4", from_me=True, status="sent", ack=1)
    played.messages = [text("m1"), text("m2"), text("m3"), mine]
    thumbs = [{"emoji": "👍", "sender": "a", "from_me": False, "at": NOW}] * 2
    played.events = [
        event("message_edited", text("m1", text="Olá", edited_at=NOW), 1),
        event("message_deleted", text("m2", type="revoked", text=None, deleted_at=NOW), 2),
        event("message_reaction", text("m3", reactions=thumbs), 3),
        event("message_ack", {"messageId": "m4", "chat": CHAT, "ack": 4, "status": "played"}, 4),
    ]
    rows = played.open().locator(".message")
    expect(rows.nth(0)).to_contain_text("Olá")
    expect(rows.nth(0).get_by_text("edited")).to_be_visible()
    expect(rows.nth(1)).to_contain_text("This message was deleted.")
    expect(rows.nth(2)).to_contain_text("👍 2")
    expect(rows.nth(3)).to_contain_text("Played")


@pytest.mark.parametrize(
    ("ack", "told", "again"),
    [
        ({"ack": -1, "status": "failed", "code": "logged_out"}, "Not sent. (logged_out)", 1),
        ({"ack": 0, "status": "unknown"}, "It cannot be known whether this was sent.", 0),
    ],
)
def test_what_became_of_a_send_is_told_in_words(
    played: Played, ack: dict[str, Any], told: str, again: int
) -> None:
    """A failure can be tried again; what may have been sent cannot."""
    played.messages = [text("m1", from_me=True, status="pending", ack=0)]
    played.events = [event("message_ack", {"messageId": "m1", "chat": CHAT, **ack}, 1)]
    page = played.open()
    expect(page.locator(".message")).to_contain_text(told)
    assert page.get_by_role("button", name="Try again").count() == again


def test_who_types_is_told_until_the_message_comes(played: Played) -> None:
    """In the list, where the chat is not open too, and in the chat."""
    sender = {"chat": CHAT, "sender": "5511999990000@s.whatsapp.net", "sender_name": "Ana"}
    played.events = [event("typing", {**sender, "is_typing": True, "kind": "text"}, 1)]
    page = played.open()
    expect(page.locator("#typing")).to_have_text("Ana is typing…")
    expect(page.locator("#chat-list")).to_contain_text("typing…")
    played.events = [
        event("typing", {**sender, "is_typing": True, "kind": "text"}, 1),
        event("new_message", text("m1"), 2),
    ]
    page = played.open()
    expect(page.locator(".message")).to_contain_text("Oi")
    expect(page.locator("#typing")).to_have_text("")


def test_a_group_says_who_speaks(played: Played) -> None:
    """In each message and in the list."""
    played.chats = [chat(GROUP, name="Team", last_message=text("m1", chat=GROUP))]
    played.messages = [text("m1", chat=GROUP, reply_to={"text": "Quem vem?", "type": "text"})]
    page = played.open(GROUP)
    expect(page.locator(".message .sender")).to_have_text("Ana")
    expect(page.locator(".message blockquote")).to_have_text("Quem vem?")
    expect(page.locator(".chat-last")).to_have_text("Ana: Oi")
    expect(page.locator("#conversation-about")).to_contain_text("Group")


def test_a_message_that_is_told_twice_counts_once(played: Played) -> None:
    """The snapshot may hold it already; a second offset of it is no second message."""
    played.chats = [chat(unread=1, last_message=text("m1"))]
    played.events = [event("new_message", text(id), n) for n, id in enumerate(("m1", "m2", "m2"))]
    page = played.open(None)
    expect(page.get_by_label("2 unread")).to_be_visible()


def test_own_messages_and_history_do_not_count(played: Played) -> None:
    """Unread is what somebody else wrote, live or while the line was down."""
    played.events = [event("new_message", text("m1", from_me=True), 1)]
    page = played.open(None)
    expect(page.locator(".chat-last")).to_contain_text("Oi")
    expect(page.locator(".unread:visible")).to_have_count(0)


def test_a_past_that_is_gone_is_taken_anew(played: Played) -> None:
    """`stream_reset` leads to a new snapshot, and the open chat is read again."""
    page = played.open()
    expect(page.locator("#conversation-title")).to_have_text("Ana")
    before = played.snapshots
    played.chats = [chat(name="Ana Souza")]
    played.messages = [text("m1", text="novo")]
    played.events = [event("stream_reset", {"epoch": "f", "head": "f-0", "reason": "too_old"}, 1)]
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("#conversation-title")).to_have_text("Ana Souza")
    expect(page.locator(".message")).to_contain_text("novo")
    assert played.snapshots == before + 1


def test_a_chat_that_became_another_stays_open(played: Played) -> None:
    """`chat_merged` moves the page to the id that the chat has now."""
    old = "main:77@lid"
    played.chats = [chat(old, name="Lid")]
    played.events = [event("chat_merged", {"from": old, "to": CHAT, "chat": chat()}, 1)]
    page = played.open(old)
    expect(page.locator("#conversation-title")).to_have_text("Ana")
    expect(page.locator(".chat")).to_have_count(1)


def test_a_real_number_is_told_how_to_be_linked(played: Played) -> None:
    """The three steps on the phone, the code, and nothing of the sandbox."""
    played.sessions = [session("pairing")]
    it = card(played.open(None), "main")
    expect(it.get_by_text("Linked devices").first).to_be_visible()
    expect(it.get_by_role("img")).to_have_attribute("data-code", "1@abc")
    expect(it.get_by_role("button", name="Scan")).to_be_hidden()
    expect(it.get_by_text("Sandbox", exact=True)).to_be_hidden()


def read_order(page: Page, selector: str) -> str:
    """Return the letters of a line as they stand on the screen, from left to right."""
    found: str = page.evaluate(_READ_ORDER, selector)
    return found


_READ_ORDER = """(selector) => {
    const line = document.querySelector(selector);
    const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
    const seen = [];
    while (walker.nextNode()) {
        const text = walker.currentNode;
        if (text.parentElement.closest(".sr-only") || !text.parentElement.checkVisibility()) continue;
        for (let at = 0; at < text.length; at += 1) {
            const range = document.createRange();
            range.setStart(text, at);
            range.setEnd(text, at + 1);
            const { left, width } = range.getBoundingClientRect();
            if (width) seen.push([left, text.data[at]]);
        }
    }
    return seen.sort((a, b) => a[0] - b[0]).map(([, letter]) => letter).join("");
}"""

#: Ends where its name stands apart, and turns all that follows.
TURNING = "\u2069\u202eevil"


def test_a_name_cannot_turn_what_stands_beside_it(played: Played) -> None:
    """A right-to-left mark in the names of contacts, sessions, colleagues and tags stays in them."""
    last = text("m1", chat=GROUP, sender_name=TURNING)
    row = {"chat": GROUP, "version": 1, "assignee": "x", "status": "open", "priority": 0}
    actor = {"id": "x", "name": TURNING, "kind": "user"}
    played.sessions = [session(label=TURNING), session(id="other")]
    played.members = [{"user": "x", "name": TURNING, "active": True, "sessions": None}]
    played.tags = [{"id": "t", "name": TURNING, "color": "#ffffff", "position": 0, "version": 1}]
    played.chats = [chat(GROUP, name=TURNING, last_message=last, tags=["t"], assignment=row)]
    presence = {"chat": GROUP, "user": "x", "state": "typing", "version": 1, "actor": actor}
    sender = {"chat": GROUP, "sender": "y", "sender_name": TURNING, "is_typing": True}
    played.events = [
        event("agent_presence", presence, 1, GROUP),
        event("typing", {**sender, "kind": "text"}, 2, GROUP),
    ]
    page = played.open(GROUP)
    expect(page.locator("#agents")).to_contain_text("writing an answer")
    expect(page.locator("#typing")).to_contain_text("typing")
    shown = {
        "#agents": "evil is writing an answer.",
        "#typing": "evil is typing…",
        "#conversation-title": "evil",
        "#conversation-about": "Group · on evil",
        ".chat-session": "on evil",
        ".marks .agent": "evil is typing",
        ".marks .chip": "evil",
        "#tags .chip": "evil×",
        "#care .pick bdi": "evil",
    }
    assert {selector: read_order(page, selector) for selector in shown} == shown
    played.events = []
    page = played.open(GROUP)
    expect(page.locator(".chat-last")).to_have_text("evil: Oi")
    assert read_order(page, ".chat-last") == "evil: Oi"


def test_a_name_of_the_other_direction_keeps_its_own(played: Played) -> None:
    """Hebrew is read from right to left within its name; the number after it stays after it."""
    played.sessions = [session(), session(id="other")]
    last = text("m1", sender_name="שלום", text="12")
    played.chats = [chat(GROUP, name="שלום (1)", last_message=last)]
    page = played.open(GROUP)
    expect(page.locator(".chat-last")).to_have_text("שלום: 12")
    assert read_order(page, ".chat-last") == "םולש: 12"


def test_whatever_a_tag_is_coloured_its_name_is_legible(played: Played) -> None:
    """Black or white, whichever is easier to read; a colour that is none is grey."""
    colors = ["#ffffff", "#000000", "#777777", "#ff0000", "#00ff00", "#0000ff", "url(x)"]
    played.tags = [
        {"id": color, "name": color, "color": color, "position": n, "version": 1}
        for n, color in enumerate(colors)
    ]
    played.chats = [chat(tags=colors)]
    page = played.open()
    expect(page.locator("#tags .chip")).to_have_count(len(colors))
    expect(page.locator(".marks .chip")).to_have_count(3)
    expect(page.locator(".marks")).to_contain_text("+4")
    assert page.locator("#tags .chip").last.evaluate("e => e.style.backgroundColor") == (
        "rgb(136, 136, 136)"
    )
    assert page.evaluate(PALE) == []


def test_what_the_stream_says_of_a_chat_while_it_is_fetched_is_kept(played: Played) -> None:
    """The answer is older than the event that came before it: the event holds."""
    row = {"chat": CHAT, "version": 2, "assignee": "x", "status": "closed", "priority": 0}
    played.chats = []
    played.events = [
        event("new_message", text("m1"), 1),
        event("assignment_updated", {**row, "actor": {"id": "x", "name": "Xu", "kind": "user"}}, 2),
    ]
    played.late = chat(assignment={**row, "version": 1, "status": "open"})
    page = played.open(None)
    expect(page.locator(".chat .badge.status")).to_have_text("Closed")
