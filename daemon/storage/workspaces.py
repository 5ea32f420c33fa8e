"""The workspaces: who signs their tokens, and what those may do at most."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sessions.ids import check_workspace

if TYPE_CHECKING:
    import sqlite3

    from daemon.storage.database import Database
    from sessions.ports import Clock

DEFAULT = "default"
DEFAULT_TOKEN_SCOPES = ("read", "send", "metadata")


@dataclass(frozen=True, slots=True)
class Workspace:
    """One tenant. ``token_scopes`` are names, as they were written."""

    id: str
    jwt_secret: str = field(repr=False)
    token_scopes: tuple[str, ...]
    created_at: int


class WorkspaceStore:
    """Where workspaces are remembered."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        token_scopes: tuple[str, ...] = DEFAULT_TOKEN_SCOPES,
    ) -> None:
        """``token_scopes`` is what a new workspace allows to its tokens."""
        self._database = database
        self._clock = clock
        self._token_scopes = token_scopes

    async def ensure(self, name: str, token_scopes: tuple[str, ...] | None = None) -> bool:
        """Make the workspace if it is not there; return whether it was made.

        Raises ``InvalidId`` for a name that no workspace can have.
        """
        scopes = ",".join(self._token_scopes if token_scopes is None else token_scopes)
        values = (check_workspace(name), new_secret(), scopes, self._clock.now_ms())
        sql = "INSERT INTO workspaces VALUES(?, ?, ?, ?) ON CONFLICT(id) DO NOTHING"
        return bool(await self._database.execute(sql, values))

    async def find(self, name: str) -> Workspace | None:
        """Return the workspace, or None."""
        row = await self._database.one("SELECT * FROM workspaces WHERE id = ?", (name,))
        return _workspace(row) if row else None

    async def all(self) -> list[Workspace]:
        """Return all workspaces by name."""
        return [
            _workspace(row)
            for row in await self._database.all("SELECT * FROM workspaces ORDER BY id")
        ]

    async def rotate(self, name: str) -> bool:
        """Give the workspace a new secret: its tokens of before end. Tell whether it exists."""
        sql = "UPDATE workspaces SET jwt_secret = ? WHERE id = ?"
        return bool(await self._database.execute(sql, (new_secret(), name)))


def new_secret() -> str:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(32)


def _workspace(row: sqlite3.Row) -> Workspace:
    return Workspace(
        id=row["id"],
        jwt_secret=row["jwt_secret"],
        token_scopes=tuple(row["token_scopes"].replace(",", " ").split()),
        created_at=row["created_at"],
    )
