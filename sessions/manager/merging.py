"""Two addresses, one person: joins a LID's chat to its number's when the number is learned.

Messages keep their ids and their order; their heads name the number's chat from then on.
The old chat id goes on working as an alias, in RAM and bounded. Who annotates chats moves what was
said of the old one, and may remember the alias for the next start.
"""

from __future__ import annotations

from sessions.cache.chats import ChatRow
from sessions.ids import ChatRef
from sessions.manager.memory import Memory
from sessions.manager.publish import Publisher
from sessions.models import rewrite_head, sender_of
from sessions.ports import Annotations, KnownChats


class Merger:
    """Moves a chat, with all that is cached of it, to another address."""

    def __init__(
        self, memory: Memory, publisher: Publisher, known: KnownChats, annotations: Annotations
    ) -> None:
        """Move within ``memory``, then tell ``publisher`` and ``annotations``."""
        self._memory = memory
        self._publisher = publisher
        self._known = known
        self._annotations = annotations

    def merge(self, lid: ChatRef, pn: ChatRef, now: int) -> None:
        """Make ``lid`` another name of ``pn``, and tell what that changed."""
        old = self._memory.chats.remove(lid)
        row = self._memory.chats.peek(pn)
        if old is not None:
            self._memory.alias(lid, pn)
            self._move(old, row or self._row(old, pn, now), now)
            self._annotations.merged(lid, pn)
            return
        if row is not None:
            self._memory.alias(lid, pn)
            self._note(row, lid)
        self._annotations.learned(lid, pn)

    def _note(self, row: ChatRow, lid: ChatRef) -> None:
        """There is one chat only: it gets its other address."""
        if row.lid != lid.jid:
            row.lid = lid.jid
            self._memory.chats.weigh(row)
            self._publisher.chat("chat_updated", row)

    def _row(self, old: ChatRow, pn: ChatRef, now: int) -> ChatRow:
        row = ChatRow(pn, self._annotations.of(pn))
        row.archived, row.pinned, row.muted_until = old.archived, old.pinned, old.muted_until
        if not self._known.add(*pn):  # if it is new, ``chat_merged`` announces it
            self._memory.begins_late(row, now)
        self._memory.chats.add(row)
        return row

    def _move(self, old: ChatRow, row: ChatRow, now: int) -> None:
        def readdress(head: bytes) -> bytes:
            return _readdress(head, old.ref, row.ref)

        self._memory.messages.move(old.ref, row.ref, readdress, now)
        self._memory.keep_moved(old.ref, row.ref)
        last = old.last
        if last is not None and last.chat == old.ref:  # it outlived its window
            last.chat, last.head = row.ref, readdress(last.head)
        with self._memory.chats.unindexed(row):
            _join(row, old)
        self._publisher.merged(old.ref, row)


def _join(row: ChatRow, old: ChatRow) -> None:
    """Add to the number's row what the LID's had."""
    row.lid, row.pn = old.ref.jid, row.ref.jid
    row.name = row.name or old.name
    row.picture_id = row.picture_id or old.picture_id
    row.unread += old.unread
    row.updated_at = max(row.updated_at, old.updated_at)
    if old.last is not None and (row.last is None or row.last.order <= old.last.order):
        row.last = old.last
    if old.cold_before is not None:
        row.cold_before = max(old.cold_before, row.cold_before or 0)
    if old.evicted_before is not None:
        row.evicted_before = max(old.evicted_before, row.evicted_before or 0)


def _readdress(head: bytes, old: ChatRef, new: ChatRef) -> bytes:
    """Return a head that names the new chat, and the person by the new address."""
    sender = sender_of(head)
    return rewrite_head(head, chat=new.id, sender=new.jid if sender == old.jid else sender)
