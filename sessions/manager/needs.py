"""Which of what an event is about is not in RAM, and may be kept: to be read before it is applied.

RAM is whole from ``ChatRow.cold_before`` on. A message that is newer and not here is new; of an
older one only the past can say. So nothing is asked for what ordinarily arrives.
"""

from __future__ import annotations

from typing import NamedTuple

from sessions import events as e
from sessions.ids import ChatRef, SessionKey, jid_kind
from sessions.manager.memory import Memory
from sessions.manager.past import Past

_OF_CHAT = (
    e.MessageReceived
    | e.MessageEdited
    | e.MessageDeleted
    | e.ReactionChanged
    | e.ReceiptReceived
    | e.ReadElsewhere
    | e.GroupChanged
    | e.HistoryChat
)


class Messages(NamedTuple):
    """Messages to read: by our ids, and the account's own by WhatsApp's."""

    ids: tuple[str, ...] = ()
    wa_ids: tuple[str, ...] = ()


_NONE = Messages()


class Needs:
    """Looks at the caches; reads nothing."""

    def __init__(self, memory: Memory, past: Past) -> None:
        """Look into ``memory``; ``past`` knows whom nothing is kept of."""
        self._memory = memory
        self._past = past

    def any(self, key: SessionKey, event: e.AnyEvent) -> bool:
        """Tell whether something has to be read before the event is applied."""
        return (
            bool(self.chats(key, event))
            or bool(self.contacts(key, event))
            or self.messages(key, event) is not _NONE
        )

    def chats(self, key: SessionKey, event: e.AnyEvent) -> list[ChatRef]:
        """Return the chats whose rows the event touches and that are not here."""
        chats = self._memory.chats
        if chats.is_whole:
            return []
        return [ref for ref in self._touched(key, event) if chats.look(ref) is None]

    def _touched(self, key: SessionKey, event: e.AnyEvent) -> list[ChatRef]:
        if isinstance(event, _OF_CHAT):
            return [self._home(key, event.chat.jid)]
        if isinstance(event, e.ContactLearned):
            return [self._home(key, event.contact.jid)]
        if isinstance(event, e.LidLearned):
            pn = ChatRef(*key, event.pn)
            lid = self._home(key, event.lid)
            return [pn] if lid == pn else [lid, pn]
        return []

    def contacts(self, key: SessionKey, event: e.AnyEvent) -> list[str]:
        """Return the contact by whom the event names somebody, if it is not here."""
        contacts = self._memory.contacts
        if contacts.is_whole:
            return []
        if isinstance(event, e.ContactLearned):
            jid = event.contact.jid
        elif isinstance(event, e.MessageReceived | e.HistoryChat):
            jid = self._home(key, event.chat.jid).jid
        else:
            return []
        known = contacts.look(key, jid) is not None or self._past.is_stranger(key, jid)
        return [] if known or jid_kind(jid) != "user" else [jid]

    def messages(self, key: SessionKey, event: e.AnyEvent) -> Messages:
        """Return the messages that the event is about, or repeats, and that only the past can have."""
        if isinstance(event, e.MessageReceived):
            return self._repeated(key, event)
        if isinstance(event, e.MessageEdited | e.MessageDeleted | e.ReactionChanged):
            if self._memory.messages.get(key.workspace, event.former_id or "") is not None:
                return _NONE
            found = self._meant(key, event.chat, (event.id,), (event.wa_id,))
            return _with(found, event.former_id)
        if isinstance(event, e.ReceiptReceived):
            return self._meant(key, event.chat, event.ids, event.wa_ids)
        return _NONE

    def _repeated(self, key: SessionKey, event: e.MessageReceived) -> Messages:
        cold = self._cold_before(key, event.chat)
        if cold is None or (event.at >= cold and not event.from_me):
            return _NONE
        messages = self._memory.messages
        names = [name for name in (event.id, event.former_id) if name]
        if any(messages.get(key.workspace, name) is not None for name in names):
            return _NONE
        if not event.from_me:
            return Messages(tuple(names))
        if messages.find_sent(key, event.wa_id) is not None:
            return _NONE
        return Messages(tuple(names), (event.wa_id,))

    def _meant(
        self,
        key: SessionKey,
        chat: e.ChatAddress,
        ids: tuple[str, ...],
        wa_ids: tuple[str, ...],
    ) -> Messages:
        if self._cold_before(key, chat) is None:
            return _NONE
        messages = self._memory.messages
        names = zip(ids or ("",) * len(wa_ids), wa_ids, strict=True)
        missing = [
            (id, wa_id)
            for id, wa_id in names
            if messages.get(key.workspace, id) is None and messages.find_sent(key, wa_id) is None
        ]
        if not missing:
            return _NONE
        return Messages(tuple(id for id, _ in missing if id), tuple(wa for _, wa in missing))

    def _cold_before(self, key: SessionKey, chat: e.ChatAddress) -> int | None:
        """Return from when on the chat's messages are all here; None: always, or there are none."""
        row = self._memory.chats.look(self._home(key, chat.jid))
        return row.cold_before if row is not None else None

    def _home(self, key: SessionKey, jid: str) -> ChatRef:
        return self._memory.home(ChatRef(*key, jid))


def _with(needed: Messages, former_id: str | None) -> Messages:
    """Add the id that a message may have from earlier, if the past is asked at all."""
    if not needed.ids or former_id is None:
        return needed
    return Messages((*needed.ids, former_id), needed.wa_ids)
