"""The message that an event is about: in the caches, as a chat's last one, or read for the event."""

from __future__ import annotations

from sessions import events as e, ids
from sessions.cache.messages import Entry
from sessions.ids import ChatRef, SessionKey
from sessions.manager.memory import Memory
from sessions.manager.past import AtHand, nothing
from sessions.models import sender_of


class Finder:
    """Looks for one event's messages; ``at_hand`` is what was read for it."""

    def __init__(self, memory: Memory) -> None:
        """Look into ``memory``."""
        self._memory = memory
        self.at_hand = nothing()

    def take(self, found: AtHand | None) -> None:
        """Begin an event, for which ``found`` was read; or end it, with None."""
        self.at_hand = found or nothing()

    def knows(self, key: SessionKey, event: e.MessageReceived) -> bool:
        """Tell whether it came before, or is the echo of what we sent."""
        if self._by_id(key, event) is not None:
            return True
        if not event.from_me:
            return False
        messages = self._memory.messages
        return event.wa_id in self.at_hand.sent or (
            messages.find_sent(key, event.wa_id) is not None
        )

    def meant(
        self, key: SessionKey, event: e.MessageEdited | e.MessageDeleted | e.ReactionChanged
    ) -> Entry | None:
        """Return the message that is changed.

        WhatsApp's id alone names nothing: whoever got a message of ours may choose its id for
        one of theirs. So ours is meant only where chat and sender are ours too.
        """
        found = self._by_id(key, event)
        if found is not None:
            return found
        last = self._last(key, event.chat)
        if last is not None and last.id == event.former_id:
            return last
        sent = self.sent(key, event.chat, event.id, event.wa_id)
        return sent if sent and event.id in (sent.id, _derived_id(sent)) else None

    def sent(self, key: SessionKey, chat: e.ChatAddress, id: str, wa_id: str) -> Entry | None:
        """Return a message by our id or, of those that we sent, by WhatsApp's."""
        messages = self._memory.messages
        found = messages.get(key.workspace, id) or messages.find_sent(key, wa_id)
        if found is not None:
            return found
        last = self._last(key, chat)
        if last is not None and (last.id == id or (last.from_me and last.tail.wa_id == wa_id)):
            return last
        return self.at_hand.by_id.get(id) or self.at_hand.sent.get(wa_id)

    def _by_id(self, key: SessionKey, event: e.OfMessage) -> Entry | None:
        """Return the message by its id, or by the one that it got before a number was known."""
        for id in (event.id, event.former_id):
            if id is not None:
                found = self._memory.messages.get(key.workspace, id) or self.at_hand.by_id.get(id)
                if found is not None:
                    return found
        return None

    def _last(self, key: SessionKey, chat: e.ChatAddress) -> Entry | None:
        """Return the chat's last message: it may have outlived its window."""
        row = self._memory.chats.peek(self._memory.home(ChatRef(*key, chat.jid)))
        return row.last if row else None


def _derived_id(entry: Entry) -> str:
    """Return the id that a message of ours has for whoever knows only WhatsApp's id of it."""
    chat, wa_id = entry.chat, entry.tail.wa_id or ""
    return ids.inbound_message_id(chat.session, chat.jid, sender_of(entry.head), wa_id)
