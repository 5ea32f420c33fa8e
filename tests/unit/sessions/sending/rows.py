"""Accepted sends as the tests need them."""

from __future__ import annotations

from sessions.models import MessageHead, encode_head, iso
from sessions.ports import SendRow

PN = "5511999990000@s.whatsapp.net"


def send(
    id: str = "o1", *, state: str = "accepted", key: str | None = None, at: int = 1
) -> SendRow:
    """Return a row of the journal."""
    head = MessageHead(
        id=id,
        session="s1",
        chat=f"s1:{PN}",
        sender="5500@s.whatsapp.net",
        from_me=True,
        at=iso(at),
        type="text",
        text="hi",
        source="api",
    )
    return SendRow(
        workspace="w",
        session="s1",
        id=id,
        chat=PN,
        text="hi",
        key=key,
        body_hash=b"1",
        head=encode_head(head),
        at=at,
        state=state,
    )
