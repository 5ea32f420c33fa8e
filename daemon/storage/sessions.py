"""The sessions that must be known after a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.storage.database import changed
from sessions.models import ProviderName
from sessions.ports import SessionRecord

if TYPE_CHECKING:
    import sqlite3

    import aiosqlite

    from daemon.storage.database import Database
    from daemon.storage.known_chats import SqliteKnownChats
    from sessions.ids import SessionKey

_COLUMNS = SessionRecord.__struct_fields__
_KEY = {"workspace", "id"}
_SAVE = (
    f"INSERT INTO sessions({', '.join(_COLUMNS)}) VALUES({', '.join('?' * len(_COLUMNS))}) "
    "ON CONFLICT(workspace, id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name not in _KEY)
)
_DELETE = "DELETE FROM sessions WHERE workspace = ? AND id = ?"


class SqliteSessionStore:
    """A :class:`sessions.ports.SessionStore`. The record's workspace must exist."""

    def __init__(self, database: Database, known_chats: SqliteKnownChats | None = None) -> None:
        self._database = database
        self._known_chats = known_chats

    async def load(self) -> list[SessionRecord]:
        """Return all sessions of all workspaces, oldest first."""
        rows = await self._database.all("SELECT * FROM sessions ORDER BY created_at, workspace, id")
        return [_record(row) for row in rows]

    async def save(self, record: SessionRecord) -> None:
        """Write the record, new or not; on disk when this returns."""
        values = tuple(_plain(getattr(record, name)) for name in _COLUMNS)
        await self._database.execute(_SAVE, values)

    async def delete(self, key: SessionKey) -> None:
        """Forget the session, its sends and its known chats (foreign keys take them along)."""
        self._forget_chats(key)

        async def job(connection: aiosqlite.Connection) -> int:
            return await changed(connection, _DELETE, key)

        await self._database.write(job)
        self._forget_chats(key)  # what came in meanwhile

    def _forget_chats(self, key: SessionKey) -> None:
        if self._known_chats is not None:
            self._known_chats.forget(key)


def _plain(value: str | int | None) -> str | int | None:
    """Return the value as SQLite takes it: no enum, no bool."""
    if isinstance(value, bool):
        return int(value)
    return str(value) if isinstance(value, str) else value


def _record(row: sqlite3.Row) -> SessionRecord:
    values = dict(row)
    for name in ("wanted", "paired", "synced"):
        values[name] = bool(values[name])
    values["provider"] = ProviderName(values["provider"])
    return SessionRecord(**values)
