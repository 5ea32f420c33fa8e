"""Messages and chats to keep."""

from __future__ import annotations

from daemon.history.models import StoredChat, StoredContact, StoredMessage
from sessions.ids import ChatRef
from sessions.models import MessageHead, MessageTail, encode_head, encode_tail, iso

ANNA = "5511999990001@s.whatsapp.net"
BOB = "5511999990002@s.whatsapp.net"
CHAT = ChatRef("acme", "main", ANNA)
NOON = 1_790_000_000_000


def message(  # a scene's message: all that matters to it is named
    id: str,
    text: str | None = "hello",
    *,
    chat: ChatRef = CHAT,
    at: int = NOON,
    sender: str | None = None,
    from_me: bool = False,
    status: str = "read",
) -> StoredMessage:
    """Return a message as the cache would hand it over."""
    by = sender or chat.jid
    head = MessageHead(
        id=id,
        session=chat.session,
        chat=chat.id,
        sender=by,
        from_me=from_me,
        at=iso(at),
        type="text",
        text=text,
        source="live",
    )
    tail = MessageTail(wa_id=f"W{id}", status="read", ack=3)
    if status != "read":
        tail = MessageTail(wa_id=f"W{id}", status="sent", ack=1)
    return StoredMessage(
        chat, id, at, from_me, by, "text", text, f"W{id}", encode_head(head), encode_tail(tail)
    )


def chat(ref: ChatRef = CHAT, *, at: int = NOON, name: str | None = "Anna") -> StoredChat:
    """Return a chat's row."""
    return StoredChat(ref, ref.jid, None, name, None, 2, at, False, True, None)


def contact(jid: str = ANNA, workspace: str = "acme") -> StoredContact:
    """Return a contact."""
    return StoredContact(workspace, "main", jid, b'{"jid":"%s"}' % jid.encode())
