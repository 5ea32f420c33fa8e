"""What the engine told and the store may not have yet: the newest state of each thing.

Values are the engine's own objects, or what was made of them for the flusher: a name more for
what is in RAM anyway. What arrived is let go in one go, some times a second.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias, TypeGuard

from daemon.history.models import StoredChat, StoredContact
from sessions.ids import ChatRef, SessionKey
from sessions.keeper import KeptMessage

#: Things that are remembered at most, some 30 MB: while the store fails, the oldest are let go.
MOST = 20_000

_What: TypeAlias = KeptMessage | StoredChat | StoredContact
_Name: TypeAlias = tuple[str, ...]
"""Workspace and id of a message; a chat's whole name; ``contact``, its session and JID."""


class _Told(NamedTuple):
    """When it was told, what it is, and the chat that a message was in then."""

    number: int
    what: _What
    chat: ChatRef | None = None


class OnItsWay:
    """The list, in the order in which it was told; each thing once, where it was told last."""

    def __init__(self) -> None:
        """Start empty."""
        self.number = 0
        self._told: OrderedDict[_Name, _Told] = OrderedDict()
        self._sent: dict[tuple[str, str, str], KeptMessage] = {}
        self._newest: dict[ChatRef, KeptMessage] = {}
        self._of_chat: Counter[ChatRef] = Counter()
        self._divided_at = 0

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self._told) or self.is_divided

    def message(self, message: KeptMessage) -> None:
        """Note a message, new or changed."""
        self._put((message.chat.workspace, message.id), message, message.chat)
        newest = self._newest.get(message.chat)
        if newest is None or message.at >= newest.at:
            self._newest[message.chat] = message
        if message.from_me and message.tail.wa_id:
            self._sent[(*message.chat.key, message.tail.wa_id)] = message

    def chat(self, chat: StoredChat) -> None:
        """Note a chat's row."""
        self._put(chat.ref, chat)

    def contact(self, contact: StoredContact) -> None:
        """Note a contact."""
        self._put(("contact", *contact[:3]), contact)

    def moved(self, old: ChatRef) -> None:
        """Learn that a chat became part of another.

        Messages in RAM have moved already. Others are forgotten here: the store readdresses them.
        """
        self._divide()
        self._told.pop(old, None)
        for name in [name for name, told in self._told.items() if told.chat == old]:
            what = self._told[name].what
            self._let_go(name)
            if _is_message(what) and what.chat != old:
                self.message(what)

    def dropped(self, key: SessionKey) -> None:
        """Forget what is of a session."""
        self._divide()
        for name in [name for name, told in self._told.items() if _session(told) == key]:
            self._let_go(name)

    def arrived(self, until: int) -> None:
        """Let go of what was told no later than when :attr:`number` was ``until``."""
        if self._divided_at <= until:
            self._divided_at = 0
        while self._told:
            name, told = next(iter(self._told.items()))
            if told.number > until:
                return
            self._let_go(name)

    @property
    def is_divided(self) -> bool:
        """Whether the store may still have what was merged away or dropped."""
        return self._divided_at > 0

    def _divide(self) -> None:
        self.number += 1
        self._divided_at = self.number

    def find(self, workspace: str, id: str) -> KeptMessage | None:
        """Return a message by our id."""
        told = self._told.get((workspace, id))
        return told.what if told is not None and _is_message(told.what) else None

    def sent(self, key: SessionKey, wa_ids: Sequence[str]) -> list[KeptMessage]:
        """Return the session's own messages that WhatsApp calls so."""
        found = (self._sent.get((*key, wa_id)) for wa_id in wa_ids)
        return [message for message in found if message is not None]

    def newest(self, ref: ChatRef) -> KeptMessage | None:
        """Return the newest of the messages of a chat."""
        return self._newest.get(ref)

    def of_chat(self, ref: ChatRef) -> list[KeptMessage]:
        """Return the messages of a chat, as they were told. Looks through all."""
        if ref not in self._of_chat:
            return []
        told = (told.what for told in self._told.values() if told.chat == ref)
        return [what for what in told if _is_message(what)]

    def row(self, ref: ChatRef) -> StoredChat | None:
        """Return a chat's row."""
        told = self._told.get(ref)
        return told.what if told is not None and isinstance(told.what, StoredChat) else None

    def person(self, key: SessionKey, jid: str) -> StoredContact | None:
        """Return a contact."""
        told = self._told.get(("contact", *key, jid))
        return told.what if told is not None and isinstance(told.what, StoredContact) else None

    def may_hold(self, ref: ChatRef) -> bool:
        """Tell whether there are messages of the chat."""
        return ref in self._of_chat

    def _put(self, name: _Name, what: _What, chat: ChatRef | None = None) -> None:
        if name in self._told:
            self._let_go(name)
        self.number += 1
        self._told[name] = _Told(self.number, what, chat)
        if chat is not None:
            self._of_chat[chat] += 1
        if len(self._told) > MOST:
            self._let_go(next(iter(self._told)))

    def _let_go(self, name: _Name) -> None:
        _, what, chat = self._told.pop(name)
        if chat is None or not _is_message(what):
            return
        self._of_chat[chat] -= 1
        if not self._of_chat[chat]:
            del self._of_chat[chat]
        if self._newest.get(chat) is what:
            del self._newest[chat]
        sent = (*chat.key, what.tail.wa_id or "")
        if self._sent.get(sent) is what:
            del self._sent[sent]


def _is_message(what: _What) -> TypeGuard[KeptMessage]:
    return not isinstance(what, StoredChat | StoredContact)


def _session(told: _Told) -> SessionKey:
    if isinstance(told.what, StoredContact):
        return SessionKey(*told.what[:2])
    if isinstance(told.what, StoredChat):
        return told.what.ref.key
    return told.what.chat.key
