"""What left the RAM, or has not come back since the start: read where it is needed.

Nothing that is used has to leave for it. A chat's row that an event or a person asks for is put
back into the list; a message is read for the moment, changed in its own right and let go.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

from cachetools import LRUCache

from sessions.cache.chats import ChatRow
from sessions.cache.messages import Entry, placed
from sessions.ids import ChatRef, SessionKey
from sessions.keeper import KeeperFailed, PastChat, PastMessage
from sessions.manager.memory import Memory, is_within
from sessions.ports import Annotations

log = logging.getLogger("zapd.sessions")

#: Addresses known to be no contact's, so that a stranger's messages ask once. Some 300 bytes each.
MAX_STRANGERS = 20_000
#: How often a read is repeated that was overtaken by changes.
TRIES = 4


class AtHand(NamedTuple):
    """Messages that were read for one event: by our id, and our own by WhatsApp's."""

    by_id: dict[str, Entry]
    sent: dict[str, Entry]


def nothing() -> AtHand:
    """Return what is at hand where nothing had to be read."""
    return AtHand({}, {})


class Past:
    """Brings back what the caches do not hold."""

    def __init__(self, memory: Memory, annotations: Annotations) -> None:
        """Read by ``memory.keeper`` and put it into ``memory``."""
        self._memory = memory
        self._keeper = memory.keeper
        self._annotations = annotations
        self._strangers: LRUCache[tuple[SessionKey, str], bool] = LRUCache(MAX_STRANGERS)
        self._mending = False

    @property
    def keeps(self) -> bool:
        """Whether there is a past."""
        return self._keeper.keeps

    async def row(self, ref: ChatRef) -> ChatRow | None:
        """Return the chat's row, put back if it had left; raise ``KeeperFailed``."""
        row = self._memory.chats.get(ref)
        if row is None and not self._memory.chats.is_whole:
            await self.rows([ref])
            row = self._memory.chats.get(ref)
        return row

    async def rows(self, refs: Sequence[ChatRef]) -> None:
        """Put back those of the rows that are kept and not here; raise ``KeeperFailed``."""
        chats = self._memory.chats
        for _ in range(TRIES):
            missing = [ref for ref in refs if chats.look(ref) is None]
            if not missing:
                return
            with self._memory.watched() as touched:
                found = await self._keeper.chats(missing)
            for kept in found:
                if chats.look(kept.ref) is None and touched.isdisjoint((kept.ref, kept.ref.key)):
                    chats.restore(self.row_of(kept))
            if touched.isdisjoint(missing):
                return

    async def contacts(self, key: SessionKey, jids: Sequence[str]) -> None:
        """Put back those of the contacts that are kept and not here; raise ``KeeperFailed``."""
        with self._memory.watched() as touched:
            found = await self._keeper.contacts_of(key, jids)
        for contact in found:
            if touched.isdisjoint(((key, contact.jid), key)):
                self._memory.contacts.restore(key, contact)
        for jid in set(jids) - {contact.jid for contact in found}:
            self._strangers[(key, jid)] = True

    def is_stranger(self, key: SessionKey, jid: str) -> bool:
        """Tell whether nothing of that contact is kept, as far as was asked."""
        return (key, jid) in self._strangers

    def met(self, key: SessionKey, jid: str) -> None:
        """Note that something of the contact is kept from now on."""
        self._strangers.pop((key, jid), None)

    async def entry(self, workspace: str, id: str) -> Entry | None:
        """Return a message from RAM or, read for the moment, from the past."""
        found = await self.entries(workspace, [id])
        return found[0] if found else None

    async def entries(self, workspace: str, ids: Sequence[str]) -> list[Entry]:
        """Return those of the messages that there are; raise ``KeeperFailed``."""
        messages = self._memory.messages
        for _ in range(TRIES):
            missing = [id for id in ids if messages.get(workspace, id) is None]
            if not missing or not self.keeps:
                break
            with self._memory.watched() as touched:
                kept = await self._keeper.messages(workspace, missing)
            if touched.isdisjoint((workspace, id) for id in missing):
                read = [self.entry_of(message) for message in kept]
                here = (messages.get(workspace, id) for id in ids if id not in missing)
                return [*read, *(entry for entry in here if entry is not None)]
        here = (messages.get(workspace, id) for id in ids)
        return [entry for entry in here if entry is not None]

    async def sent(self, key: SessionKey, wa_ids: Sequence[str]) -> list[Entry]:
        """Return those of the session's own messages that WhatsApp calls so."""
        kept: list[PastMessage] = []
        for _ in range(TRIES):
            with self._memory.watched() as touched:
                kept = await self._keeper.sent(key, wa_ids)
            if touched.isdisjoint((message.chat.workspace, message.id) for message in kept):
                break
        return [self.entry_of(message) for message in kept]

    def entry_of(self, kept: PastMessage) -> Entry:
        """Return the message as the caches have it, or else as it is kept."""
        here = self._memory.messages.get(kept.chat.workspace, kept.id)
        if here is not None:
            return here
        row = self._memory.chats.look(kept.chat)
        if row is not None and row.last is not None and row.last.id == kept.id:
            return row.last  # it outlived its window
        entry = Entry(
            kept.chat, kept.id, kept.at, from_me=kept.from_me, head=kept.head, tail=kept.tail
        )
        entry.order = placed(kept.at, kept.arrival)
        return entry

    def row_of(self, kept: PastChat) -> ChatRow:
        """Return a row as it was; all its messages count as not here."""
        row = ChatRow(kept.ref, self._annotations.of(kept.ref))
        row.pn, row.lid, row.name, row.picture_id = kept.pn, kept.lid, kept.name, kept.picture_id
        row.unread, row.updated_at, row.mark = kept.unread, kept.updated_at, kept.mark
        row.archived, row.pinned, row.muted_until = kept.archived, kept.pinned, kept.muted_until
        if kept.last is not None:
            row.last = self.entry_of(kept.last)
            row.cold_before = max(kept.updated_at, kept.last.at) + 1
        return row

    def put_back(self, kept: PastChat, share: float) -> bool:
        """Put a row back as the least recently used; False where it would fill over ``share``."""
        if self._memory.chats.look(kept.ref) is not None:
            return True
        return self._memory.chats.restore_cold(self.row_of(kept), share)

    async def deepen(self, ref: ChatRef, limit: int, share: float, now: int) -> bool:
        """Put up to ``limit`` older messages of a chat back; return whether there may be more.

        Nobody leaves for them: of each bound they fill ``share`` at most.
        """
        row = self._memory.chats.look(ref)
        if row is None or row.cold_before is None:
            return False
        with self._memory.watched() as touched:
            found = await self._keeper.before(ref, placed(row.cold_before, -1), limit)
        if not touched.isdisjoint({(ref.workspace, message.id) for message in found}):
            return True  # what was read is older than what was told: another time
        if self._memory.chats.look(ref) is not row or row.cold_before is None:
            return False
        entries = [self.entry_of(message) for message in reversed(found)]
        if not self._memory.messages.restore(entries, share, now):
            return False
        before = row.cold_before
        row.cold_before = found[-1].at + 1 if len(found) == limit else None
        return row.cold_before is not None and row.cold_before < before

    async def mend(self) -> None:
        """Join rows that were made while nothing could be read to what is kept (each second)."""
        if self._mending or not self._memory.partial:
            return
        self._mending = True
        try:
            refs = list(self._memory.partial)
            found = {kept.ref: kept for kept in await self._keeper.chats(refs)}
            for ref in refs:
                self._complete(ref, found.get(ref))
        except KeeperFailed as error:
            log.debug("chats are not mended yet: %s", error)
        finally:
            self._mending = False

    def _complete(self, ref: ChatRef, kept: PastChat | None) -> None:
        row = self._memory.chats.look(ref)
        marks = self._memory.partial.pop(ref, [])
        if row is None:
            return
        with self._memory.chats.unindexed(row):
            if kept is not None:
                again = sum(is_within(kept.mark, mark) for mark in marks)
                _join(row, self.row_of(kept), again)
            else:
                row.cold_before, row.evicted_before = None, row.cold_before


def _join(row: ChatRow, before: ChatRow, again: int) -> None:
    """Add to a row that was made anew what it had before; both count ``again`` of its messages."""
    row.pn, row.lid = row.pn or before.pn, row.lid or before.lid
    row.name, row.picture_id = row.name or before.name, row.picture_id or before.picture_id
    row.unread += max(0, before.unread - again)
    row.updated_at = max(row.updated_at, before.updated_at)
    row.archived, row.pinned = row.archived or before.archived, row.pinned or before.pinned
    row.muted_until = row.muted_until or before.muted_until
    if before.last is not None and (row.last is None or row.last.order < before.last.order):
        row.last = before.last
    row.cold_before = max(row.cold_before or 0, before.cold_before or 0) or None
