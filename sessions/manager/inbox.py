"""What a provider reported, into the caches and from there to the hub: always in this order."""

from __future__ import annotations

from typing import Any

import msgspec
from cachetools import LRUCache

from sessions import events as e, ids
from sessions.cache.chats import ChatRow
from sessions.cache.messages import Entry
from sessions.ids import ChatRef, SessionKey
from sessions.manager.memory import Memory, is_within
from sessions.manager.merging import Merger
from sessions.manager.past import AtHand, nothing
from sessions.manager.publish import Publisher
from sessions.models import (
    ACK,
    MessageTail,
    Reaction,
    SendStatus,
    Source,
    iso,
    rewrite_head,
    status_of,
)
from sessions.ports import Annotations, KnownChats, NoAnnotations

#: Receipts that came before the engine told what WhatsApp calls the message.
MAX_EARLY_RECEIPTS = 1000


class Inbox:
    """Applies events of chats, messages and people; those of the session itself are not for it."""

    def __init__(
        self,
        memory: Memory,
        publisher: Publisher,
        known: KnownChats,
        annotations: Annotations | None = None,
    ) -> None:
        """Write to ``memory``, then tell ``publisher``."""
        self._memory = memory
        self._publisher = publisher
        self._known = known
        self._annotations = annotations or NoAnnotations()
        self._merger = Merger(memory, publisher, known, self._annotations)
        self._silent: dict[SessionKey, set[ChatRef]] = {}  # changed by history, not told yet
        self._at_hand = nothing()
        self._mark = 0
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

    def take(
        self,
        key: SessionKey,
        event: e.AnyEvent,
        now: int,
        found: AtHand | None = None,
        mark: int = 0,
    ) -> None:
        """Apply one event; ``found``: what was read for it of messages that are not in RAM.

        ``mark`` is its place in the session's journal, 0 where it has none.
        """
        self._at_hand, self._mark = found or nothing(), mark
        try:
            self._handlers[type(event)](key, event, now)
        finally:
            self._at_hand = nothing()

    def chat_row(self, ref: ChatRef, address: e.ChatAddress, name: str | None, now: int) -> ChatRow:
        """Return the chat's row, made and announced if the chat is new.

        One that was announced before and is not in memory had messages that are not there either.
        """
        row = self._memory.row(ref)
        if row is None:
            row = ChatRow(ref, self._annotations.of(ref))
            row.name = self._name(ref, name)
            row.pn, row.lid = address.pn, address.lid
            is_new = self._known.add(*ref)
            if not is_new:
                self._memory.begins_late(row, now)
            self._memory.chats.add(row)
            if is_new:
                self._publisher.chat("new_chat", row)
        return row

    def add(
        self,
        entry: Entry,
        address: e.ChatAddress,
        name: str | None,
        now: int,
        *,
        counts: bool = False,
    ) -> ChatRow:
        """Cache a message, as far as the bounds let it, move its chat up, and have both kept."""
        row = self.chat_row(entry.chat, address, name, now)
        self._describe(row, address, name)
        self._memory.messages.add(entry, now)
        with self._memory.chats.unindexed(row):
            row.updated_at = max(row.updated_at, entry.at)
            if row.last is None or entry.at >= row.last.at:
                row.last = entry
            row.unread += counts
        self._memory.keep(entry)  # after its row: one that is kept is counted
        return row

    def _describe(self, row: ChatRow, address: e.ChatAddress, name: str | None) -> None:
        """Take what a message tells of its chat, before the message: lists are told of it."""
        before = (row.name, row.pn, row.lid)
        after = (
            self._name(row.ref, name) or row.name,
            address.pn or row.pn,
            address.lid or row.lid,
        )
        if after != before:
            row.name, row.pn, row.lid = after
            self._memory.chats.weigh(row)
            self._publisher.chat("chat_updated", row)

    def _name(self, ref: ChatRef, told: str | None) -> str | None:
        """Return what to call a chat: what the account calls a person goes over their own word."""
        contact = self._memory.contacts.get(ref.key, ref.jid)
        return (contact.name if contact else None) or told

    def forget(self, key: SessionKey) -> None:
        """Drop what waits to be told of a session that is deleted."""
        self._silent.pop(key, None)

    def forget_chats(self, refs: frozenset[ChatRef]) -> None:
        """Drop what waits to be told of these chats."""
        for waiting in self._silent.values():
            waiting.difference_update(refs)

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
        ref = self._ref(key, event.chat)
        if self._is_known(key, event):
            return
        head = event.head
        if ref.jid != event.chat.jid:  # told under an address that it goes by no more
            head = rewrite_head(head, chat=ref.id)
        entry = Entry(ref, event.id, event.at, from_me=event.from_me, head=head, tail=event.tail)
        counts = event.counts and not self._is_counted(ref)
        row = self.add(entry, event.chat, event.chat_name, now, counts=counts)
        self._told(key, row, entry, event.source)
        if event.counts:
            self._annotations.received(ref)

    def annotate(self, ref: ChatRef, *, tell: bool) -> None:
        """Read anew what others know of the chat, where it is in memory."""
        row = self._memory.chats.peek(ref)
        if row is not None:
            with self._memory.chats.unindexed(row):
                row.annotation = self._annotations.of(ref)
            if tell:
                self._publisher.chat("chat_updated", row)

    def _is_counted(self, ref: ChatRef) -> bool:
        """Tell whether the chat's row has what comes now in it: a kill left the row, not the rest."""
        row = self._memory.chats.look(ref)
        return row is not None and is_within(row.mark, self._mark)

    def _is_known(self, key: SessionKey, event: e.MessageReceived) -> bool:
        """Tell whether it came before, or is the echo of what we sent."""
        if self._by_id(key, event) is not None:
            return True
        if not event.from_me:
            return False
        found, messages = self._at_hand, self._memory.messages
        return event.wa_id in found.sent or messages.find_sent(key, event.wa_id) is not None

    def _by_id(self, key: SessionKey, event: e.OfMessage) -> Entry | None:
        """Return the message by its id, or by the one that it got before a number was known."""
        for id in (event.id, event.former_id):
            if id is not None:
                found = self._memory.messages.get(key.workspace, id) or self._at_hand.by_id.get(id)
                if found is not None:
                    return found
        return None

    def _told(self, key: SessionKey, row: ChatRow, entry: Entry, source: Source) -> None:
        """Tell a message; a sync is told chat by chat, when its next progress comes."""
        if source == "history":
            self._silent.setdefault(key, set()).add(row.ref)
        else:
            self._publisher.message("new_message", entry, source, entry.at)

    def tell_history(self, key: SessionKey) -> None:
        """Tell the chats that history changed since this was called last."""
        for ref in self._silent.pop(key, ()):
            row = self._memory.chats.peek(ref)
            if row is not None:
                self._publisher.chat("chat_updated", row, "history")

    def _edited(self, key: SessionKey, event: e.MessageEdited, now: int) -> None:
        entry = self._find(key, event)
        if entry is None or entry.tail.deleted_at is not None:
            return
        head, edited_at = rewrite_head(entry.head, text=event.text), iso(event.at)
        if (head, edited_at) != (entry.head, entry.tail.edited_at):  # else it is told again
            self._change(entry, head, edited_at=edited_at)
            self._publisher.message("message_edited", entry, "live")

    def _deleted(self, key: SessionKey, event: e.MessageDeleted, now: int) -> None:
        entry = self._find(key, event)
        if entry is not None and entry.tail.deleted_at is None:
            head = rewrite_head(
                entry.head, without="content", type="revoked", text=None, media=None
            )
            self._change(entry, head, deleted_at=iso(event.at))
            self._publisher.message("message_deleted", entry, "live")

    def _reaction(self, key: SessionKey, event: e.ReactionChanged, now: int) -> None:
        entry = self._find(key, event)
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
            entry = self._sent(key, event.chat, id, wa_id)
            if entry is None:
                self._early[(key, wa_id)] = max(event.ack, self._early.get((key, wa_id), 0))
            elif entry.from_me:
                self.raise_ack(entry, event.ack)

    def _read_elsewhere(self, key: SessionKey, event: e.ReadElsewhere, now: int) -> None:
        ref = self._ref(key, event.chat)
        if not self._is_counted(ref):  # else what came after it would be lost from the count
            self.mark_read(ref)

    def mark_read(self, ref: ChatRef, count: int | None = None) -> None:
        """Take ``count`` (None: all) from the chat's unread messages and tell it, if it had any."""
        row = self._memory.row(ref)
        if row is not None and row.unread:
            with self._memory.chats.unindexed(row):
                row.unread = 0 if count is None else max(0, row.unread - count)
            self._publisher.chat("chat_updated", row)

    def _typing(self, key: SessionKey, event: e.TypingChanged, now: int) -> None:
        ref = self._ref(key, event.chat)
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
        self._memory.keep_contact(key, contact)
        self._publisher.contact(key, contact)
        self._rename(self._memory.home(ChatRef(*key, contact.jid)), contact.name)

    def _rename(self, ref: ChatRef, name: str | None) -> None:
        row = self._memory.chats.peek(ref)
        if row is not None and name and row.name != name:
            row.name = name
            self._memory.chats.weigh(row)
            self._publisher.chat("chat_updated", row)

    def _group(self, key: SessionKey, event: e.GroupChanged, now: int) -> None:
        ref = self._ref(key, event.chat)
        self.chat_row(ref, event.chat, event.name, now)
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
        ref = self._ref(key, event.chat)
        if self._is_counted(ref):
            return
        row = self.chat_row(ref, event.chat, event.name, now)
        self._silent.setdefault(key, set()).add(ref)
        with self._memory.chats.unindexed(row):
            row.name = row.name or event.name
            row.unread = event.unread
            row.archived, row.pinned = event.archived, event.pinned
            row.muted_until = event.muted_until
            row.updated_at = max(row.updated_at, event.at or 0)

    def _lid(self, key: SessionKey, event: e.LidLearned, now: int) -> None:
        self._merger.merge(ChatRef(*key, event.lid), ChatRef(*key, event.pn), now)

    def _ref(self, key: SessionKey, chat: e.ChatAddress) -> ChatRef:
        return self._memory.home(ChatRef(*key, chat.jid))

    def _find(
        self, key: SessionKey, event: e.MessageEdited | e.MessageDeleted | e.ReactionChanged
    ) -> Entry | None:
        """Return the message that is meant, in the caches or as a chat's last one.

        WhatsApp's id alone names nothing: whoever got a message of ours may choose its id for
        one of theirs. So ours is meant only where chat and sender are ours too.
        """
        found = self._by_id(key, event)
        if found is not None:
            return found
        row = self._memory.chats.peek(self._ref(key, event.chat))
        if row is not None and row.last is not None and row.last.id == event.former_id:
            return row.last  # it has outlived its window
        sent = self._sent(key, event.chat, event.id, event.wa_id)
        return sent if sent and event.id in (sent.id, _derived_id(sent)) else None

    def _sent(self, key: SessionKey, chat: e.ChatAddress, id: str, wa_id: str) -> Entry | None:
        """Return a message by our id or, of those that we sent, by WhatsApp's."""
        messages = self._memory.messages
        found = messages.get(key.workspace, id) or messages.find_sent(key, wa_id)
        if found is not None:
            return found
        row = self._memory.chats.peek(self._ref(key, chat))
        last = row.last if row else None  # it may have outlived its window
        if last is not None and (last.id == id or (last.from_me and last.tail.wa_id == wa_id)):
            return last
        return self._at_hand.by_id.get(id) or self._at_hand.sent.get(wa_id)

    def _change(self, entry: Entry, head: bytes | None = None, **changes: object) -> None:
        tail: MessageTail = msgspec.structs.replace(entry.tail, **changes)
        self._memory.messages.change(entry, tail, head)
        self._memory.keep(entry)
        row = self._memory.chats.peek(entry.chat)
        if row is not None and row.last is entry:
            self._memory.chats.weigh(row)

    def settle_ack(self, entry: Entry, status: SendStatus, wa_id: str | None) -> None:
        """Set what became of a send (called by the outbox); a tick may have overtaken it."""
        changes: dict[str, Any] = {"wa_id": wa_id or entry.tail.wa_id}
        if ACK[status] >= entry.tail.ack or status == "failed":
            changes |= {"status": status, "ack": ACK[status]}
        self._change(entry, **changes)


def _derived_id(entry: Entry) -> str:
    """Return the id that a message of ours has for whoever knows only WhatsApp's id of it."""
    sender = msgspec.json.decode(entry.head + b"}", type=_Sender).sender
    chat = entry.chat
    return ids.inbound_message_id(chat.session, chat.jid, sender, entry.tail.wa_id or "")


class _Sender(msgspec.Struct):
    sender: str
