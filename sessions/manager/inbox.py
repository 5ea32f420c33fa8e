"""What a provider reported, into the caches and from there to the hub: always in this order."""

from __future__ import annotations

from typing import Any

from sessions import events as e
from sessions.cache.chats import ChatRow
from sessions.cache.messages import Entry
from sessions.ids import ChatRef, SessionKey
from sessions.manager.changes import Changes
from sessions.manager.finding import Finder
from sessions.manager.memory import Memory, is_within
from sessions.manager.merging import Merger
from sessions.manager.past import AtHand
from sessions.manager.publish import Publisher
from sessions.models import Source, iso, rewrite_head
from sessions.ports import Annotations, KnownChats, NoAnnotations


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
        self._finder = Finder(memory)
        #: Of messages that are there; for the outbox, too.
        self.changes = Changes(memory, publisher, self._finder)
        self._silent: dict[SessionKey, set[ChatRef]] = {}  # changed by history, not told yet
        self._mark = 0
        self._handlers: dict[type, Any] = {
            e.MessageReceived: self._message,
            e.MessageEdited: self.changes.edited,
            e.MessageDeleted: self.changes.deleted,
            e.ReactionChanged: self.changes.reaction,
            e.ReceiptReceived: self.changes.receipt,
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
        self._finder.take(found)
        self._mark = mark
        try:
            self._handlers[type(event)](key, event, now)
        finally:
            self._finder.take(None)

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
        if counts:
            self._memory.counted(row.ref, self._mark)
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

    def _message(self, key: SessionKey, event: e.MessageReceived, now: int) -> None:
        ref = self._ref(key, event.chat)
        if self._finder.knows(key, event):
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
            self._memory.uncounted(ref, count)
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
