"""Sign-in links and the browser sessions that come of them; only hashes are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.storage.database import changed

if TYPE_CHECKING:
    import aiosqlite

    from daemon.storage.database import Database

_TAKE = "DELETE FROM login_links WHERE hash = ? AND expires_at > ? RETURNING workspace, user"
_ADD = "INSERT INTO login_links(hash, workspace, expires_at, user) VALUES(?, ?, ?, ?)"
_OPEN = (
    "INSERT INTO browser_sessions(hash, id, workspace, user, created_at, expires_at)"
    " VALUES(?,?,?,?,?,?)"
)


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """One signed-in browser; ``id`` may be shown. ``user`` None: whoever has it, as the console."""

    id: str
    workspace: str
    user: str | None
    created_at: int
    expires_at: int


class LoginStore:
    """Where links and browser sessions are remembered."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_link(
        self, digest: bytes, workspace: str, user: str | None, *, now: int, expires_at: int
    ) -> None:
        """Write a link; its workspace must exist. Links that are too old go."""

        async def job(connection: aiosqlite.Connection) -> None:
            await changed(connection, "DELETE FROM login_links WHERE expires_at <= ?", (now,))
            values = (digest, workspace, expires_at, user)
            await changed(connection, _ADD, values)

        await self._database.write(job)

    async def exchange(
        self, link: bytes, cookie: bytes, session_id: str, *, now: int, expires_at: int
    ) -> BrowserSession | None:
        """Use the link up and write a browser session, both or none; None: the link is no good."""

        async def job(connection: aiosqlite.Connection) -> BrowserSession | None:
            await changed(connection, "DELETE FROM browser_sessions WHERE expires_at <= ?", (now,))
            taken = list(await connection.execute_fetchall(_TAKE, (link, now)))
            if not taken:
                return None
            workspace, user = taken[0]["workspace"], taken[0]["user"]
            session = BrowserSession(session_id, workspace, user, now, expires_at)
            values = (cookie, session_id, workspace, user, now, expires_at)
            await changed(connection, _OPEN, values)
            return session

        return await self._database.write(job)

    async def find(self, cookie: bytes) -> BrowserSession | None:
        """Return the browser session of a cookie's hash."""
        return await self._one("hash", cookie)

    async def find_by_id(self, session_id: str) -> BrowserSession | None:
        """Return the browser session of that id."""
        return await self._one("id", session_id)

    async def end(self, cookie: bytes) -> None:
        """Delete the browser session: its cookie and its streams end."""
        await self._database.execute("DELETE FROM browser_sessions WHERE hash = ?", (cookie,))

    async def _one(self, column: str, value: bytes | str) -> BrowserSession | None:
        row = await self._database.one(
            f"SELECT id, workspace, user, created_at, expires_at FROM browser_sessions WHERE {column} = ?",  # noqa: S608 - our own column
            (value,),
        )
        return BrowserSession(**dict(row)) if row else None
