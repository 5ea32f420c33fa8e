"""The caches of the daemon, under one budget."""

from __future__ import annotations

from cachetools import LRUCache

from sessions.cache.byte_lru import Usage
from sessions.cache.chats import ChatCache, ChatRow
from sessions.cache.contacts import ContactCache
from sessions.cache.messages import MessageCache, MessageLimits
from sessions.ids import ChatRef, SessionKey
from sessions.models import Value

#: How the budget is shared out, in hundredths; the last two are the daemon's own.
MESSAGES_SHARE, CHATS_SHARE, CONTACTS_SHARE, RINGS_SHARE, ANNOTATIONS_SHARE = 68, 10, 6, 12, 4


#: Old chat ids that still work; one weighs some 400 bytes.
MAX_ALIASES = 20_000


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


class Memory:
    """Chats, messages and contacts of all workspaces."""

    def __init__(self, settings: MemorySettings) -> None:
        """Share the budget out."""
        self.chats = ChatCache(settings.budget * CHATS_SHARE // 100)
        self.messages = MessageCache(settings.messages(), self._forgotten)
        self.contacts = ContactCache(settings.budget * CONTACTS_SHARE // 100)
        self._aliases: LRUCache[ChatRef, ChatRef] = LRUCache(MAX_ALIASES)

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
        self.messages.drop_session(key)
        self.contacts.drop_session(key)
        for ref in self.chats.of_session(*key):
            self.chats.remove(ref)
        for old in [old for old in self._aliases if old.key == key]:
            del self._aliases[old]

    def usage(self) -> dict[str, Usage]:
        """Return the figures of each cache by its name."""
        return {
            "messages": self.messages.usage(),
            "chats": self.chats.usage(),
            "contacts": self.contacts.usage(),
        }

    def _forgotten(self, ref: ChatRef, before: int) -> None:
        row = self.chats.peek(ref)
        if row is not None:
            row.evicted_before = max(before, row.evicted_before or 0)
