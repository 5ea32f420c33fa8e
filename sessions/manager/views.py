"""What clients read: pages of chats, messages and contacts, straight from RAM."""

from __future__ import annotations

from typing import Literal, NamedTuple

from sessions.cache.chats import ChatPage, ChatQuery, ChatRow
from sessions.cache.messages import Entry, Window
from sessions.errors import ChatNotFound, MessageNotFound
from sessions.ids import ChatRef
from sessions.manager.memory import Memory
from sessions.models import Contact, sender_of
from sessions.ports import Clock

NO_MESSAGE = "There is no such message, or it left the memory."
#: The most messages that one "read" tells WhatsApp about.
MAX_READ = 200


Direction = Literal["before", "after", "around"]


class Anchor(NamedTuple):
    """Where a page of messages hangs: by a message or by a time (ms), which way."""

    direction: Direction
    message: str | None = None
    at: int | None = None


class Unread(NamedTuple):
    """A message that a "read" is to name."""

    sender: str
    wa_id: str


class Views:
    """Reads the caches; changes nothing but what counts as recently used."""

    def __init__(self, memory: Memory, clock: Clock) -> None:
        """Read from ``memory``."""
        self._memory = memory
        self._clock = clock

    def chats(self, query: ChatQuery) -> ChatPage:
        """Return a page of the chat list."""
        return self._memory.chats.page(query)

    def chat(self, ref: ChatRef) -> ChatRow:
        """Return the chat; raise ``ChatNotFound``."""
        row = self._memory.row(self._memory.home(ref))
        if row is None:
            raise ChatNotFound("There is no such chat.")
        return row

    def message(self, workspace: str, id: str) -> Entry:
        """Return the message; raise ``MessageNotFound``."""
        entry = self._memory.messages.get(workspace, id)
        if entry is None:
            raise MessageNotFound(NO_MESSAGE)
        return entry

    def messages(self, ref: ChatRef, anchor: Anchor | None, limit: int) -> list[Entry]:
        """Return messages of the chat, newest first; raise ``ChatNotFound``, ``MessageNotFound``."""
        ref = self.chat(ref).ref
        window = self._memory.messages.window(ref, self._clock.now_ms())
        if anchor is None:
            return window.before(None, limit) if window else []
        place = self._place(ref, anchor)
        if window is None:
            return []
        return page_of(window, place, anchor.direction, limit)

    def unread(self, ref: ChatRef) -> list[Unread]:
        """Return the newest inbound messages, as many as the chat counts as unread."""
        row = self.chat(ref)
        window = self._memory.messages.window(row.ref, self._clock.now_ms())
        if window is None:
            return []
        return unread_among(window.before(None, MAX_READ), row)

    def contacts(
        self,
        workspace: str,
        session: str | None,
        after: tuple[str, str] | None,
        limit: int,
        visible: frozenset[str] | None = None,
    ) -> tuple[list[Contact], tuple[str, str] | None]:
        """Return a page of contacts of the sessions in ``visible`` (None: all), and where to go on."""
        return self._memory.contacts.page(workspace, session, after, limit, visible)

    def _place(self, ref: ChatRef, anchor: Anchor) -> tuple[int, int]:
        if anchor.message is None:
            return (anchor.at or 0, -1)
        entry = self._memory.messages.get(ref.workspace, anchor.message)
        if entry is None or entry.chat != ref:
            raise MessageNotFound("The message that the page hangs on is not in this chat.")
        return entry.order


def page_of(
    window: Window, place: tuple[int, int], direction: Direction, limit: int
) -> list[Entry]:
    """Return the page of a window that hangs on ``place``, newest first."""
    if direction == "before":
        return window.before(place, limit)
    if direction == "after":
        return window.after(place, limit)[::-1]
    newer = window.after((place[0], place[1] - 1), limit - limit // 2)
    return newer[::-1] + window.before(place, limit // 2)


def unread_among(newest: list[Entry], row: ChatRow) -> list[Unread]:
    """Return the newest inbound messages, as many as the chat counts as unread."""
    inbound = [entry for entry in newest if not entry.from_me and entry.tail.wa_id]
    return [
        Unread(sender_of(entry.head), entry.tail.wa_id or "") for entry in inbound[: row.unread]
    ]
