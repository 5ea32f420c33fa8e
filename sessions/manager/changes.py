"""What becomes of messages that are there: edited, deleted, reacted to, ticked."""

from __future__ import annotations

from typing import Any

import msgspec
from cachetools import LRUCache

from sessions import events as e
from sessions.cache.messages import Entry
from sessions.ids import SessionKey
from sessions.manager.finding import Finder
from sessions.manager.memory import Memory
from sessions.manager.publish import Publisher
from sessions.models import ACK, MessageTail, Reaction, SendStatus, iso, rewrite_head, status_of

#: Receipts that came before the engine told what WhatsApp calls the message.
MAX_EARLY_RECEIPTS = 1000


class Changes:
    """Changes messages where they are, has them kept, and tells it."""

    def __init__(self, memory: Memory, publisher: Publisher, finder: Finder) -> None:
        """Change what ``finder`` finds in ``memory``, then tell ``publisher``."""
        self._memory = memory
        self._publisher = publisher
        self._finder = finder
        self._early: LRUCache[tuple[SessionKey, str], int] = LRUCache(MAX_EARLY_RECEIPTS)

    def edited(self, key: SessionKey, event: e.MessageEdited, now: int) -> None:
        """Set the new text."""
        entry = self._finder.meant(key, event)
        if entry is None or entry.tail.deleted_at is not None:
            return
        head, edited_at = rewrite_head(entry.head, text=event.text), iso(event.at)
        if (head, edited_at) != (entry.head, entry.tail.edited_at):  # else it is told again
            self._change(entry, head, edited_at=edited_at)
            self._publisher.message("message_edited", entry, "live")

    def deleted(self, key: SessionKey, event: e.MessageDeleted, now: int) -> None:
        """Leave the place of a message, and nothing of what it said."""
        entry = self._finder.meant(key, event)
        if entry is not None and entry.tail.deleted_at is None:
            head = rewrite_head(
                entry.head, without="content", type="revoked", text=None, media=None
            )
            self._change(entry, head, deleted_at=iso(event.at))
            self._publisher.message("message_deleted", entry, "live")

    def reaction(self, key: SessionKey, event: e.ReactionChanged, now: int) -> None:
        """Set, change or take back somebody's reaction."""
        entry = self._finder.meant(key, event)
        if entry is None:
            return
        others = tuple(r for r in entry.tail.reactions if r.sender != event.sender)
        if event.emoji:
            new = Reaction(
                emoji=event.emoji, sender=event.sender, from_me=event.from_me, at=iso(event.at)
            )
            others = (*others, new)
        if others != entry.tail.reactions:
            self._change(entry, reactions=others)
            self._publisher.message("message_reaction", entry, "live")

    def receipt(self, key: SessionKey, event: e.ReceiptReceived, now: int) -> None:
        """Raise the ticks of what the account sent."""
        ids = event.ids or ("",) * len(event.wa_ids)
        for wa_id, id in zip(event.wa_ids, ids, strict=True):
            entry = self._finder.sent(key, event.chat, id, wa_id)
            if entry is None:
                self._early[(key, wa_id)] = max(event.ack, self._early.get((key, wa_id), 0))
            elif entry.from_me:
                self.raise_ack(entry, event.ack)

    def early_ack(self, key: SessionKey, wa_id: str) -> int | None:
        """Return the tick that came before the message's name was known."""
        ack: int | None = self._early.pop((key, wa_id), None)
        return ack

    def raise_ack(self, entry: Entry, ack: int) -> None:
        """Set a higher tick and tell it; ticks never go down."""
        if ack > entry.tail.ack:
            self._change(entry, status=status_of(ack), ack=ack)
            self._publisher.ack(entry)

    def settle_ack(self, entry: Entry, status: SendStatus, wa_id: str | None) -> None:
        """Set what became of a send (called by the outbox); a tick may have overtaken it."""
        changes: dict[str, Any] = {"wa_id": wa_id or entry.tail.wa_id}
        if ACK[status] >= entry.tail.ack or status == "failed":
            changes |= {"status": status, "ack": ACK[status]}
        self._change(entry, **changes)

    def _change(self, entry: Entry, head: bytes | None = None, **changes: object) -> None:
        tail: MessageTail = msgspec.structs.replace(entry.tail, **changes)
        self._memory.messages.change(entry, tail, head)
        self._memory.keep(entry)
        row = self._memory.chats.peek(entry.chat)
        if row is not None and row.last is entry:
            self._memory.chats.weigh(row)
