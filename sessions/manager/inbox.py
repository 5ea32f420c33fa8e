"""What a provider reported, into the caches and from there to the hub: always in this order."""

from __future__ import annotations

from typing import Any

import msgspec
from cachetools import LRUCache

from sessions import events as e
from sessions.cache.chats import ChatRow
from sessions.cache.messages import Entry
from sessions.ids import ChatRef, SessionKey
from sessions.manager.memory import Memory
from sessions.manager.publish import Publisher
from sessions.models import ACK, MessageTail, Reaction, SendStatus, iso, status_of
from sessions.ports import KnownChats

#: Receipts that came before the engine told what WhatsApp calls the message.
MAX_EARLY_RECEIPTS = 1000


class Inbox:
    """Applies events of chats, messages and people; those of the session itself are not for it."""

    def __init__(self, memory: Memory, publisher: Publisher, known: KnownChats) -> None:
        """Write to ``memory``, then tell ``publisher``."""
        self._memory = memory
        self._publisher = publisher
        self._known = known
        self._early: LRUCache[tuple[SessionKey, str], int] = LRUCache(MAX_EARLY_RECEIPTS)
        self._handlers: dict[type, Any] = {
            e.MessageReceived: self._message,
            e.MessageEdited: self._edited,
            e.MessageDeleted: self._deleted,
            e.ReactionChanged: self._reaction,
            e.ReceiptReceived: self._receipt,
            e.ReadElsewhere: self._read_elsewhere,
            e.TypingChanged: self._typing,
            e.PresenceChanged: self._presence,
            e.ContactLearned: self._contact,
            e.GroupChanged: self._group,
            e.CallChanged: self._call,
            e.HistoryChat: self._history_chat,
            e.LidLearned: self._lid,
        }

    def take(self, key: SessionKey, event: e.AnyEvent, now: int) -> None:
        """Apply one event."""
        self._handlers[type(event)](key, event, now)

    def chat_row(self, ref: ChatRef, address: e.ChatAddress, name: str | None) -> ChatRow:
        """Return the chat's row, made and announced if the chat is new."""
        row = self._memory.row(ref)
        if row is None:
            row = ChatRow(ref)
            row.name = name
            row.pn, row.lid = address.pn, address.lid
            self._memory.chats.add(row)
            if self._known.add(*ref):
                self._publisher.chat("new_chat", row)
        return row

    def add(self, entry: Entry, address: e.ChatAddress, name: str | None, now: int) -> bool:
        """Cache a message and move its chat up; return False if the message was known."""
        row = self.chat_row(entry.chat, address, name)
        if not self._memory.messages.add(entry, now):
            return False
        with self._memory.chats.unindexed(row):
            row.name = name or row.name
            row.pn, row.lid = address.pn or row.pn, address.lid or row.lid
            if entry.at >= row.updated_at:
                row.last, row.updated_at = entry, entry.at
        return True

    def early_ack(self, key: SessionKey, wa_id: str) -> int | None:
        """Return the tick that came before the message's name was known."""
        ack: int | None = self._early.pop((key, wa_id), None)
        return ack

    def raise_ack(self, entry: Entry, ack: int) -> None:
        """Set a higher tick and tell it; ticks never go down."""
        if ack > entry.tail.ack:
            self._change(entry, status=status_of(ack), ack=ack)
            self._publisher.ack(entry)

    def _message(self, key: SessionKey, event: e.MessageReceived, now: int) -> None:
        ref = ChatRef(*key, event.chat.jid)
        entry = Entry(
            ref, event.id, event.at, from_me=event.from_me, head=event.head, tail=event.tail
        )
        if not self.add(entry, event.chat, event.chat_name, now):
            return
        if event.counts:
            row = self.chat_row(ref, event.chat, event.chat_name)
            with self._memory.chats.unindexed(row):
                row.unread += 1
        if event.source != "history":  # a sync is told by its progress, not message by message
            self._publisher.message("new_message", entry, event.source, event.at)

    def _edited(self, key: SessionKey, event: e.MessageEdited, now: int) -> None:
        entry = self._find(key, event.id, event.wa_id)
        if entry is not None:
            self._rewrite(entry, {"text": event.text})
            self._change(entry, edited_at=iso(event.at))
            self._publisher.message("message_edited", entry, "live")

    def _deleted(self, key: SessionKey, event: e.MessageDeleted, now: int) -> None:
        entry = self._find(key, event.id, event.wa_id)
        if entry is not None and entry.tail.deleted_at is None:
            self._rewrite(entry, {"type": "revoked", "text": None, "media": None}, drop="content")
            self._change(entry, deleted_at=iso(event.at))
            self._publisher.message("message_deleted", entry, "live")

    def _reaction(self, key: SessionKey, event: e.ReactionChanged, now: int) -> None:
        entry = self._find(key, event.id, event.wa_id)
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

    def _receipt(self, key: SessionKey, event: e.ReceiptReceived, now: int) -> None:
        ids = event.ids or ("",) * len(event.wa_ids)
        for wa_id, id in zip(event.wa_ids, ids, strict=True):
            entry = self._find(key, id, wa_id)
            if entry is None:
                self._early[(key, wa_id)] = max(event.ack, self._early.get((key, wa_id), 0))
            elif entry.from_me:
                self.raise_ack(entry, event.ack)

    def _read_elsewhere(self, key: SessionKey, event: e.ReadElsewhere, now: int) -> None:
        self.mark_read(ChatRef(*key, event.chat.jid))

    def mark_read(self, ref: ChatRef) -> None:
        """Set the chat's unread count to zero and tell it, if it was not."""
        row = self._memory.row(ref)
        if row is not None and row.unread:
            with self._memory.chats.unindexed(row):
                row.unread = 0
            self._publisher.chat("chat_updated", row)

    def _typing(self, key: SessionKey, event: e.TypingChanged, now: int) -> None:
        ref = ChatRef(*key, event.chat.jid)
        data = {
            "chat": ref.id,
            "sender": event.sender,
            "sender_name": event.sender_name,
            "is_typing": event.is_typing,
            "kind": event.kind,
        }
        self._publisher.in_chat("typing", ref, data)

    def _presence(self, key: SessionKey, event: e.PresenceChanged, now: int) -> None:
        seen = iso(event.last_seen) if event.last_seen else None
        data = {"jid": event.jid, "online": event.online, "last_seen": seen}
        self._publisher.in_session("presence", key, data)

    def _contact(self, key: SessionKey, event: e.ContactLearned, now: int) -> None:
        contact = self._memory.contacts.learn(key, event.contact)
        if contact is None:
            return
        self._publisher.contact(key, contact)
        self._rename(ChatRef(*key, contact.jid), contact.name)

    def _rename(self, ref: ChatRef, name: str | None) -> None:
        row = self._memory.chats.peek(ref)
        if row is not None and name and row.name != name:
            row.name = name
            self._memory.chats.weigh(row)
            self._publisher.chat("chat_updated", row)

    def _group(self, key: SessionKey, event: e.GroupChanged, now: int) -> None:
        ref = ChatRef(*key, event.chat.jid)
        self.chat_row(ref, event.chat, event.name)
        data = {
            "chat": ref.id,
            "name": event.name,
            "joined": event.joined,
            "left": event.left,
            "promoted": event.promoted,
            "demoted": event.demoted,
            "author": event.author,
            "at": iso(event.at),
        }
        self._publisher.in_chat("group_updated", ref, data)
        self._rename(ref, event.name)

    def _call(self, key: SessionKey, event: e.CallChanged, now: int) -> None:
        data = {"id": event.id, "from": event.sender, "kind": event.kind, "state": event.state}
        self._publisher.in_session("call", key, data)

    def _history_chat(self, key: SessionKey, event: e.HistoryChat, now: int) -> None:
        ref = ChatRef(*key, event.chat.jid)
        row = self.chat_row(ref, event.chat, event.name)
        with self._memory.chats.unindexed(row):
            row.name = row.name or event.name
            row.unread = event.unread
            row.archived, row.pinned = event.archived, event.pinned
            row.muted_until = event.muted_until
            row.updated_at = max(row.updated_at, event.at or 0)

    def _lid(self, key: SessionKey, event: e.LidLearned, now: int) -> None:
        """Note the number on what is known under the LID (chats are joined by a later issue)."""
        row = self._memory.chats.peek(ChatRef(*key, event.pn))
        if row is not None and row.lid is None:
            row.lid = event.lid
            self._memory.chats.weigh(row)
            self._publisher.chat("chat_updated", row)

    def _find(self, key: SessionKey, id: str, wa_id: str) -> Entry | None:
        return self._memory.messages.find_sent(key, wa_id) or self._memory.messages.get(
            key.workspace, id
        )

    def _change(self, entry: Entry, **changes: object) -> None:
        tail: MessageTail = msgspec.structs.replace(entry.tail, **changes)
        self._memory.messages.change(entry, tail)

    def settle_ack(self, entry: Entry, status: SendStatus, wa_id: str | None) -> None:
        """Set what became of a send (called by the outbox); a tick may have overtaken it."""
        changes: dict[str, Any] = {"wa_id": wa_id or entry.tail.wa_id}
        if ACK[status] >= entry.tail.ack or status == "failed":
            changes |= {"status": status, "ack": ACK[status]}
        self._change(entry, **changes)

    def _rewrite(self, entry: Entry, fields: dict[str, Any], drop: str | None = None) -> None:
        """Make a new head with other fields: only for edits and deletions, which are rare."""
        head = msgspec.json.decode(entry.head + b"}")
        head.update(fields)
        head.pop(drop, None)
        self._memory.messages.change(entry, entry.tail, msgspec.json.encode(head)[:-1])
