"""API keys as they are kept: an id that may be shown, and a hash of the secret."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

    from daemon.storage.database import Database

_INSERT = (
    "INSERT INTO api_keys(id, workspace, hash, scopes, session, label, created_at) "
    "VALUES(?, ?, ?, ?, ?, ?, ?)"
)
_TOUCH = "UPDATE api_keys SET last_used_at = max(coalesce(last_used_at, 0), ?) WHERE id = ?"


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One API key. ``scopes`` are names; ``session`` narrows a key that pairs to one session."""

    id: str
    workspace: str
    hash: bytes = field(repr=False)
    scopes: str
    label: str
    created_at: int
    session: str | None = None
    last_used_at: int | None = None
    revoked_at: int | None = None


class KeyStore:
    """Where API keys are remembered."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, key: KeyRow) -> None:
        """Write a new key; its workspace must exist."""
        values = (key.id, key.workspace, key.hash, key.scopes, key.session, key.label)
        await self._database.execute(_INSERT, (*values, key.created_at))

    async def find(self, key_id: str) -> KeyRow | None:
        """Return the key, revoked or not."""
        row = await self._database.one("SELECT * FROM api_keys WHERE id = ?", (key_id,))
        return _key(row) if row else None

    async def all(self, workspace: str | None = None) -> list[KeyRow]:
        """Return the keys, oldest first, of one workspace or of all."""
        rows = await self._database.all(
            "SELECT * FROM api_keys WHERE ?1 IS NULL OR workspace = ?1 ORDER BY created_at, id",
            (workspace,),
        )
        return [_key(row) for row in rows]

    async def revoke(self, key_id: str, now: int) -> bool:
        """Revoke the key; return whether it was there. A second time keeps the first's time."""
        sql = "UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?"
        return bool(await self._database.execute(sql, (now, key_id)))

    async def touch(self, key_id: str, now: int) -> None:
        """Write when the key was last used."""
        await self._database.execute(_TOUCH, (now, key_id))

    async def any_valid(self) -> bool:
        """Tell whether there is a key that is not revoked."""
        sql = "SELECT 1 FROM api_keys WHERE revoked_at IS NULL LIMIT 1"
        return await self._database.one(sql) is not None


def _key(row: sqlite3.Row) -> KeyRow:
    return KeyRow(**dict(row))
