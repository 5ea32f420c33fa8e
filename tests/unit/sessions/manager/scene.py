"""An inbox over caches, with everything that it tells kept, and events for it."""

from __future__ import annotations

import msgspec

from sessions import events as e, ids
from sessions.cache.chats import ChatQuery
from sessions.ids import ChatRef, SessionKey
from sessions.manager.inbox import Inbox
from sessions.manager.memory import Memory, MemorySettings
from sessions.manager.publish import Publisher
from sessions.manager.views import Views
from sessions.models import Contact, MessageHead, MessageTail, Source, encode_head, iso, status_of
from tests.support.recorders import Json, MemoryKnownChats, RecordingSink, SetClock

KEY = SessionKey("w", "s1")
OWN = "5500111112222@s.whatsapp.net"
ANA = "5511999990000@s.whatsapp.net"
LID = "123456789012345@lid"
GROUP = "120363012345678901@g.us"
NOW = 1_800_000_000_000


def address(jid: str = ANA) -> e.ChatAddress:
    """Return a chat's address."""
    return e.ChatAddress(
        jid=jid,
        pn=jid if jid.endswith("@s.whatsapp.net") else None,
        lid=jid if jid.endswith("@lid") else None,
    )


def message_id(wa_id: str, chat: str = ANA, sender: str = ANA) -> str:
    """Return our id of an inbound message."""
    return ids.inbound_message_id("s1", chat, sender, wa_id)


def message(  # a message has many sides
    wa_id: str,
    at: int = NOW,
    *,
    chat: str = ANA,
    sender: str | None = None,
    name: str | None = "Ana",
    source: Source = "live",
    text: str = "hello",
    counts: bool | None = None,
) -> e.MessageReceived:
    """Return a message that came in."""
    from_me = sender == OWN
    who = sender or chat
    id = message_id(wa_id, chat, who)
    head = MessageHead(
        id=id,
        session="s1",
        chat=ids.chat_id("s1", chat),
        sender=who,
        sender_name=name,
        from_me=from_me,
        at=iso(at),
        type="text",
        text=text,
        source=source,
    )
    ack = 1 if from_me else 2
    return e.MessageReceived(
        chat=address(chat),
        chat_name=name,
        id=id,
        wa_id=wa_id,
        sender=who,
        from_me=from_me,
        at=at,
        source=source,
        counts=source in ("live", "offline") and not from_me if counts is None else counts,
        head=encode_head(head),
        tail=MessageTail(wa_id=wa_id, status=status_of(ack), ack=ack),
    )


def contact(jid: str = ANA, **known: str) -> e.ContactLearned:
    """Return news of a contact."""
    empty = Contact(
        session="s1",
        jid=jid,
        pn=None,
        lid=None,
        name=None,
        push_name=None,
        picture_id=None,
        picture_url=None,
    )
    return e.ContactLearned(contact=msgspec.structs.replace(empty, **known))


class Scene:
    """An inbox and what surrounds it."""

    def __init__(self, settings: MemorySettings | None = None) -> None:
        self.clock = SetClock(NOW)
        self.sink = RecordingSink()
        self.memory = Memory(settings or MemorySettings())
        self.known = MemoryKnownChats()
        self.views = Views(self.memory, self.clock)
        self.publisher = Publisher(self.sink, self.clock)
        self.inbox = Inbox(self.memory, self.publisher, self.known)

    def take(self, *events: e.AnyEvent) -> None:
        """Apply events."""
        for event in events:
            self.inbox.take(KEY, event, self.clock.now_ms())

    def chat(self, jid: str = ANA) -> Json:
        """Return a chat as clients read it."""
        return msgspec.json.decode(self.views.chat(ChatRef(*KEY, jid)).render())

    def chats(self) -> list[Json]:
        """Return all chats as clients read them."""
        rows = self.views.chats(ChatQuery("w", limit=1000)).rows
        return [msgspec.json.decode(row.render()) for row in rows]

    def message(self, wa_id: str, chat: str = ANA, sender: str | None = None) -> Json:
        """Return a message as clients read it."""
        entry = self.views.message("w", message_id(wa_id, chat, sender or chat))
        return msgspec.json.decode(entry.render())

    def texts(self, jid: str = ANA) -> list[str]:
        """Return the texts of a chat, newest first."""
        found = self.views.messages(ChatRef(*KEY, jid), None, 200)
        return [msgspec.json.decode(entry.render())["text"] for entry in found]
