"""What clients read, whether it is in RAM or kept beyond it: the same pages from either.

RAM answers where it has the whole answer. Where it does not, what is kept is read beside it, and
RAM has the last word on what it holds. Nothing that is read enters the caches but rows of chats.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from sessions.cache.chats import MAX_LOOKED_AT, ChatPage, ChatQuery, ChatRow
from sessions.cache.messages import FIRST_NUMBER, Entry, Window
from sessions.errors import ChatNotFound, MessageNotFound, PastUnavailable
from sessions.ids import ChatRef, SessionKey
from sessions.keeper import KeeperFailed, Name, Order, PastMessage
from sessions.manager.memory import Memory
from sessions.manager.past import Past
from sessions.manager.views import (
    MAX_READ,
    NO_MESSAGE,
    Anchor,
    Direction,
    Unread,
    Views,
    page_of,
    unread_among,
)
from sessions.models import Contact
from sessions.ports import Clock

log = logging.getLogger("zapd.sessions")

_UNREADABLE = "What is kept beyond the memory cannot be read now."
_TRIES = 4


class MessagePage(NamedTuple):
    """Messages, newest first. ``evicted_before`` (ms): older ones may be missing."""

    entries: list[Entry]
    evicted_before: int | None


class ContactPage(NamedTuple):
    """Contacts, and where to go on (None at the end)."""

    contacts: list[Contact]
    next: Name | None


class Reader:
    """Answers what is read."""

    def __init__(self, memory: Memory, views: Views, past: Past, clock: Clock) -> None:
        """Ask ``views`` of RAM first, then ``past``."""
        self._memory = memory
        self._keeper = memory.keeper
        self._views = views
        self._past = past
        self._clock = clock

    async def chat(self, ref: ChatRef) -> ChatRow:
        """Return the chat; raise ``ChatNotFound`` or ``PastUnavailable``."""
        try:
            row = await self._past.row(self._memory.home(ref))
        except KeeperFailed as error:
            raise PastUnavailable(_UNREADABLE) from error
        if row is None:
            raise ChatNotFound("There is no such chat.")
        return row

    async def message(self, workspace: str, id: str) -> Entry:
        """Return the message; raise ``MessageNotFound`` or ``PastUnavailable``."""
        try:
            entry = await self._past.entry(workspace, id)
        except KeeperFailed as error:
            raise PastUnavailable(_UNREADABLE) from error
        if entry is None:
            raise MessageNotFound(NO_MESSAGE)
        return entry

    async def unread(self, row: ChatRow) -> list[Unread]:
        """Return the newest inbound messages, as many as the chat counts as unread."""
        return unread_among((await self._page(row, None, "before", MAX_READ)).entries, row)

    # -- pages of messages

    async def messages(self, ref: ChatRef, anchor: Anchor | None, limit: int) -> MessagePage:
        """Return messages of the chat, newest first; raise as :meth:`chat` and :meth:`message` do."""
        row = await self.chat(ref)
        if anchor is None:
            return await self._page(row, None, "before", limit)
        hung = await self._hung_on(row.ref, anchor)
        return await self._page(row, hung, anchor.direction, limit)

    async def _hung_on(self, ref: ChatRef, anchor: Anchor) -> Entry | int:
        """Return the message, or the time, that a page hangs on."""
        if anchor.message is None:
            return anchor.at or 0
        try:
            entry = await self.message(ref.workspace, anchor.message)
        except MessageNotFound:
            entry = None
        if entry is None or entry.chat != ref:
            raise MessageNotFound("The message that the page hangs on is not in this chat.")
        return entry

    async def _page(
        self, row: ChatRow, hung: Entry | int | None, direction: Direction, limit: int
    ) -> MessagePage:
        window = self._memory.messages.window(row.ref, self._clock.now_ms())
        order = None if hung is None else _order(hung)
        here = _here(window, order, direction, limit)
        if row.cold_before is None or _is_all(here, order, direction, limit, row.cold_before):
            return MessagePage(here, row.evicted_before)
        try:
            kept = await self._kept(row.ref, hung, direction, limit)
        except KeeperFailed as error:
            log.warning("a page has only what is in RAM: %s", error)
            return MessagePage(here, row.cold_before)
        # RAM anew: what came or left meanwhile.
        window = self._memory.messages.window(row.ref, self._clock.now_ms())
        whole = Window(row.ref)
        for entry in self._joined(_around(window, order, limit), kept):
            whole.entries.add(entry)
        return MessagePage(_here(whole, order, direction, limit), row.evicted_before)

    def _joined(self, here: Iterable[Entry], kept: Iterable[PastMessage]) -> Iterable[Entry]:
        found = {entry.id: entry for entry in here}
        for message in kept:
            if message.id not in found:
                found[message.id] = self._past.entry_of(message)
        return found.values()

    async def _kept(
        self, ref: ChatRef, hung: Entry | int | None, direction: Direction, limit: int
    ) -> list[PastMessage]:
        order = None if hung is None else await self._kept_order(hung)
        if order is None or direction == "before":
            return await self._keeper.before(ref, order, limit)
        if direction == "after":
            return await self._keeper.after(ref, order, limit)
        newer = await self._keeper.after(ref, (order[0], order[1] - 1), limit - limit // 2)
        return newer + await self._keeper.before(ref, order, limit // 2)

    async def _kept_order(self, hung: Entry | int) -> Order:
        """Return where the past has the message: RAM numbers what came in this life by itself."""
        if isinstance(hung, int) or hung.order[1] < FIRST_NUMBER:
            return _order(hung)
        found = await self._keeper.messages(hung.chat.workspace, [hung.id])
        return (hung.order[0], found[0].arrival if found else FIRST_NUMBER - 1)

    # -- lists

    async def chats(self, query: ChatQuery) -> ChatPage:
        """Return a page of the chat list, as of the moment of its return."""
        chats = self._memory.chats
        if not self._past.keeps or chats.is_whole:
            return chats.page(query)
        more = query._replace(limit=query.limit + 1)  # to know whether the page is the last
        for _ in range(_TRIES):
            left = chats.usage().evictions
            try:
                cold = await self._cold_rows(more)
            except KeeperFailed as error:
                log.warning("a list of chats has only what is in RAM: %s", error)
                break
            if chats.usage().evictions == left:  # else one that was here then is nowhere now
                return _merged(chats.page(more), self._not_here(cold), query.limit)
        return chats.page(query)

    def _not_here(self, page: ChatPage) -> ChatPage:
        look = self._memory.chats.look
        return ChatPage([row for row in page.rows if look(row.ref) is None], page.next)

    async def _cold_rows(self, query: ChatQuery) -> ChatPage:
        """Return rows that are not in RAM and have what is asked for, and how far was looked."""
        rows: list[ChatRow] = []
        place, looked_at = query.after, 0
        while looked_at < MAX_LOOKED_AT:
            batch = min(max(2 * query.limit, 100), MAX_LOOKED_AT - looked_at)
            found = await self._keeper.listed(query.workspace, _sessions(query), place, batch)
            for kept in found:
                if query.updated_after is not None and kept.updated_at <= query.updated_after:
                    return ChatPage(rows, None)
                place = (-kept.updated_at, kept.ref.id)
                if self._memory.chats.look(kept.ref) is None:
                    row = self._past.row_of(kept)
                    if query.admits(row):
                        rows.append(row)
                        if len(rows) == query.limit:
                            return ChatPage(rows, place)
            looked_at += len(found)
            if len(found) < batch:
                return ChatPage(rows, None)
        return ChatPage(rows, place)

    async def contacts(
        self,
        workspace: str,
        session: str | None,
        after: Name | None,
        limit: int,
        visible: frozenset[str] | None = None,
    ) -> ContactPage:
        """Return a page of contacts of the sessions in ``visible`` (None: all), and where to go on."""
        contacts = self._memory.contacts
        here = ContactPage(*contacts.page(workspace, session, after, limit, visible))
        if not self._past.keeps or contacts.is_whole:
            return here
        try:
            kept = await self._keeper.contacts(
                workspace, _visible(session, visible), after, limit + 1
            )
        except KeeperFailed as error:
            log.warning("a list of contacts has only what is in RAM: %s", error)
            return here
        found = {(contact.session, contact.jid): contact for contact in kept}
        here = ContactPage(*contacts.page(workspace, session, after, limit + 1, visible))
        found |= {(contact.session, contact.jid): contact for contact in here.contacts}
        names = sorted(found)[: limit + 1]
        known = [self._newest(workspace, found[name]) for name in names[:limit]]
        return ContactPage(known, names[limit - 1] if len(names) > limit else None)

    def _newest(self, workspace: str, contact: Contact) -> Contact:
        key = SessionKey(workspace, contact.session)
        return self._memory.contacts.look(key, contact.jid) or contact


def _order(hung: Entry | int) -> Order:
    """Return the place of a message; of a time, the one right before all that are of that time."""
    return (hung, -1) if isinstance(hung, int) else hung.order


def _here(
    window: Window | None, order: Order | None, direction: Direction, limit: int
) -> list[Entry]:
    if window is None:
        return []
    return window.before(None, limit) if order is None else page_of(window, order, direction, limit)


def _around(window: Window | None, order: Order | None, limit: int) -> list[Entry]:
    """Return what of the window may be on a page at that place, either way."""
    if window is None:
        return []
    if order is None:
        return window.before(None, limit)
    from_it = (order[0], order[1] - 1)
    return [*window.before(order, limit), *window.after(from_it, limit + 1)]


def _is_all(
    here: Sequence[Entry], order: Order | None, direction: Direction, limit: int, cold: int
) -> bool:
    """Tell whether RAM, which is whole from the time ``cold`` on, has the whole page."""
    if direction != "before" and (order is None or order[0] < cold):
        return False
    if direction == "after":
        return True
    return len(here) == limit and bool(here) and here[-1].order[0] >= cold


def _sessions(query: ChatQuery) -> list[str] | None:
    return _visible(query.session, query.sessions)


def _visible(session: str | None, visible: frozenset[str] | None) -> list[str] | None:
    if visible is None:
        return None if session is None else [session]
    return sorted(visible if session is None else visible & {session})


def _merged(here: ChatPage, cold: ChatPage, limit: int) -> ChatPage:
    """Return a page of both lists, as far as both were looked at."""
    ends = [page.next for page in (here, cold) if page.next is not None]
    end = min(ends, default=None)
    rows = sorted((*here.rows, *cold.rows), key=lambda row: row.order)
    if end is not None:
        rows = [row for row in rows if row.order <= end]
    if len(rows) > limit:
        rows = list(islice(rows, limit))
        end = rows[-1].order
    return ChatPage(rows, end)
