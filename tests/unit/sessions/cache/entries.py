"""Messages and chats as the cache tests need them."""

from __future__ import annotations

from typing import Literal

from sessions.cache.chats import ChatRow
from sessions.cache.messages import Entry
from sessions.ids import ChatRef
from sessions.models import MessageHead, MessageTail, encode_head, iso


def ref(number: int = 1, session: str = "s1", workspace: str = "w") -> ChatRef:
    """Return the name of a chat."""
    return ChatRef(workspace, session, f"5511{number:09d}@s.whatsapp.net")


def entry(
    id: str,
    at: int = 1000,
    chat: ChatRef | None = None,
    *,
    text: str = "hello",
    from_me: bool = False,
    wa_id: str | None = None,
    source: Literal["live", "api"] = "live",
) -> Entry:
    """Return a message."""
    where = chat or ref()
    head = MessageHead(
        id=id,
        session=where.session,
        chat=where.id,
        sender=where.jid,
        from_me=from_me,
        at=iso(at),
        type="text",
        text=text,
        source=source,
    )
    tail = MessageTail(wa_id=wa_id, status="delivered", ack=2)
    return Entry(where, id, at, from_me=from_me, head=encode_head(head), tail=tail)


def row(number: int = 1, updated_at: int = 0, session: str = "s1", unread: int = 0) -> ChatRow:
    """Return a chat."""
    made = ChatRow(ref(number, session))
    made.updated_at, made.unread = updated_at, unread
    return made
