"""Rows that tests write."""

from __future__ import annotations

from daemon.storage.database import Database
from daemon.storage.sessions import SqliteSessionStore
from sessions.models import ProviderName
from sessions.ports import SendRow, SessionRecord


async def add_session(database: Database, workspace: str = "acme", session: str = "s1") -> None:
    """Write a session."""
    await SqliteSessionStore(database).save(
        SessionRecord(
            workspace=workspace,
            id=session,
            label="",
            provider=ProviderName.SANDBOX,
            created_at=1,
        )
    )


def send(
    *,
    workspace: str = "acme",
    message: str = "m1",
    key: str | None = None,
    at: int = 1,
    text: str = "hello",
) -> SendRow:
    """Return an accepted send."""
    return SendRow(
        workspace=workspace,
        session="s1",
        id=message,
        chat="s1:5511999990000@s.whatsapp.net",
        text=text,
        key=key,
        body_hash=b"\x00hash",
        head=b'{"id":"m1"',
        at=at,
    )
