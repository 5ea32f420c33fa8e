"""The caches of the daemon, under one budget; who remembers beyond it is told what they have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cachetools import LRUCache

from sessions.cache.byte_lru import Usage
from sessions.cache.chats import ChatCache, ChatRow
from sessions.cache.contacts import ContactCache
from sessions.cache.messages import Entry, MessageCache, MessageLimits
from sessions.ids import ChatRef, SessionKey
from sessions.keeper import Keeper, NoKeeper
from sessions.models import Contact, Value

#: How the budget is shared out, in hundredths; the last two are the daemon's own.
MESSAGES_SHARE, CHATS_SHARE, CONTACTS_SHARE, RINGS_SHARE, ANNOTATIONS_SHARE = 68, 10, 6, 12, 4


#: Old chat ids that still work; one weighs some 400 bytes.
MAX_ALIASES = 20_000
#: More than a journal's records will ever be, and far less than lies between two journals.
_ONE_JOURNAL = 1 << 40


class MemorySettings(Value, frozen=True, kw_only=True):
    """Bounds in bytes; 0 switches the optional ones off."""

    budget: int = 6 * 1024**3
    chat_bytes: int = 4 * 1024**2
    session_bytes: int = 1024**3
    chat_messages: int = 0
    idle_seconds: int = 0

    @property
    def rings(self) -> int:
        """What all rings of the hub may hold together."""
        return self.budget * RINGS_SHARE // 100

    @property
    def annotations(self) -> int:
        """What the daemon may hold of what people added to chats."""
        return self.budget * ANNOTATIONS_SHARE // 100

    def messages(self) -> MessageLimits:
        """Return the bounds of the message windows, each within the next wider one."""
        total = self.budget * MESSAGES_SHARE // 100
        session = min(self.session_bytes or total, total)
        return MessageLimits(
            total_bytes=total,
            session_bytes=session,
            chat_bytes=min(self.chat_bytes or session, session),
            chat_messages=self.chat_messages,
            idle_ms=self.idle_seconds * 1000,
        )


def is_within(counted: int, mark: int) -> bool:
    """Tell whether what was counted up to one mark has the other in it. 0 has nothing.

    Marks of one journal are close together; another journal begins somewhere else, at random.
    """
    return mark > 0 and 0 <= counted - mark < _ONE_JOURNAL


class Memory:
    """Chats, messages and contacts of all workspaces."""

    def __init__(self, settings: MemorySettings, keeper: Keeper | None = None) -> None:
        """Share the budget out. With a ``keeper`` that keeps, more is known than is here."""
        self.keeper: Keeper = keeper or NoKeeper()
        #: Rows that were made although nobody could read what is kept of the chat, with the marks
        #: of the messages that they count. Such a row is not kept itself until it is joined to
        #: what there was, which may count some of them.
        self.partial: dict[ChatRef, list[int]] = {}
        self._marks: dict[SessionKey, int] = {}
        self._watchers: dict[int, set[object]] = {}
        self.chats = ChatCache(settings.budget * CHATS_SHARE // 100, self._changed)
        self.messages = MessageCache(settings.messages(), self._forgotten)
        self.contacts = ContactCache(settings.budget * CONTACTS_SHARE // 100)
        self.chats.is_whole = self.contacts.is_whole = not self.keeper.keeps
        self._aliases: LRUCache[ChatRef, ChatRef] = LRUCache(MAX_ALIASES)

    def reads(self, key: SessionKey, mark: int) -> bool:
        """Note how far the session's journal is read; False if it was read that far before."""
        before = self._marks.get(key, 0)
        if is_within(before, mark):
            return False
        self._marks[key] = mark
        return True

    def begins_late(self, row: ChatRow, now: int) -> None:
        """Say of a row that is made for a chat there was before that its past is not here."""
        if self.keeper.keeps and not self.chats.is_whole:
            self.partial[row.ref] = []
            row.cold_before = now
        else:
            row.evicted_before = now

    def keep(self, entry: Entry) -> None:
        """Have a message kept as it is now."""
        self._touched(entry.chat, (entry.chat.workspace, entry.id))
        self.keeper.message(entry)

    def keep_contact(self, key: SessionKey, contact: Contact) -> None:
        """Have a contact kept as it is now."""
        self._touched((key, contact.jid))
        self.keeper.contact(key, contact)

    def keep_moved(self, old: ChatRef, new: ChatRef) -> None:
        """Have what is kept of one chat moved to another."""
        self._touched(old, new)
        self.keeper.moved(old, new)

    @contextmanager
    def watched(self) -> Iterator[set[object]]:
        """Give the names of what changes while something is read: what was read is older."""
        touched: set[object] = set()
        self._watchers[id(touched)] = touched
        try:
            yield touched
        finally:
            del self._watchers[id(touched)]

    def _touched(self, *names: object) -> None:
        for watcher in self._watchers.values():
            watcher.update(names)

    def _changed(self, row: ChatRow) -> None:
        self._touched(row.ref)
        mark = self._marks.get(row.ref.key, 0)
        if mark and not is_within(row.mark, mark):  # what is read again counts no less than before
            row.mark = mark
        if row.ref not in self.partial:
            self.keeper.chat(row)

    def counted(self, ref: ChatRef, mark: int) -> None:
        """Note that the chat's row counts the message of this mark."""
        marks = self.partial.get(ref)
        if marks is not None:
            marks.append(mark)

    def uncounted(self, ref: ChatRef, count: int | None) -> None:
        """Note that the chat's row counts the first ``count`` of its messages (None: all) no more."""
        marks = self.partial.get(ref)
        if marks is not None:
            del marks[:count]

    def row(self, ref: ChatRef) -> ChatRow | None:
        """Return the chat's row."""
        return self.chats.get(ref)

    def alias(self, old: ChatRef, ref: ChatRef) -> None:
        """Let ``old`` name the chat ``ref`` from now on."""
        self._aliases[old] = ref

    def home(self, ref: ChatRef) -> ChatRef:
        """Return the chat that goes by this name now."""
        found: ChatRef = self._aliases.get(ref, ref)
        return found

    def forget_aliases(self, key: SessionKey, jids: frozenset[str]) -> None:
        """Forget that these addresses of a session's are one person's."""
        for old, new in list(self._aliases.items()):
            if old.key == key and not jids.isdisjoint({old.jid, new.jid}):
                del self._aliases[old]

    def drop_session(self, key: SessionKey) -> None:
        """Forget all that a session had."""
        self._touched(key)
        self._marks.pop(key, None)
        self.messages.drop_session(key)
        self.contacts.drop_session(key)
        for ref in self.chats.of_session(*key):
            self.chats.remove(ref)
        for old in [old for old in self._aliases if old.key == key]:
            del self._aliases[old]
        for ref in [ref for ref in self.partial if ref.key == key]:
            del self.partial[ref]

    def usage(self) -> dict[str, Usage]:
        """Return the figures of each cache by its name."""
        return {
            "messages": self.messages.usage(),
            "chats": self.chats.usage(),
            "contacts": self.contacts.usage(),
        }

    def _forgotten(self, ref: ChatRef, before: int) -> None:
        row = self.chats.peek(ref)
        if row is None:
            return
        if self.keeper.keeps:
            row.cold_before = max(before, row.cold_before or 0)
        else:
            row.evicted_before = max(before, row.evicted_before or 0)
