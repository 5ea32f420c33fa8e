"""Small facts that the daemon leaves for the commands beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daemon.storage.database import Database

#: Where the running daemon is reached, for printed links.
BASE_URL = "base_url"


class Meta:
    """Texts by key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, key: str) -> str | None:
        """Return the text, or None."""
        row = await self._database.one("SELECT value FROM meta WHERE key = ?", (key,))
        return str(row["value"]) if row else None

    async def set(self, key: str, value: str) -> None:
        """Write the text."""
        sql = "INSERT INTO meta VALUES(?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value"
        await self._database.execute(sql, (key, value))
