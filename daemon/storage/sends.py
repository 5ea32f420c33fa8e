"""The journal of accepted sends: key, body and state in one row, on disk before the answer."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from daemon.storage.database import changed
from sessions.errors import SessionNotFound
from sessions.models import rewrite_head
from sessions.ports import SendRow

if TYPE_CHECKING:
    import aiosqlite

    from daemon.storage.database import Database
    from sessions.ids import SessionKey
    from sessions.ports import Clock

_COLUMNS = SendRow.__struct_fields__
_NAMES = ", ".join(_COLUMNS)
_ACCEPT = (
    f"INSERT INTO sends({_NAMES}, created_at, updated_at) "
    f"VALUES({', '.join('?' * (len(_COLUMNS) + 2))}) "
    "ON CONFLICT(workspace, session, key) WHERE key IS NOT NULL DO NOTHING"
)
_FIND = f"SELECT {_NAMES} FROM sends WHERE workspace = ? AND session = ? AND key = ?"  # noqa: S608 - our own names
_MARK = (
    "UPDATE sends SET state = ?, wa_id = coalesce(?, wa_id), updated_at = ? "
    "WHERE workspace = ? AND id = ?"
)
_UNFINISHED = (
    f"SELECT {_NAMES} FROM sends WHERE state IN ('accepted', 'trying') "  # noqa: S608 - our own names
    "ORDER BY at, seq"
)
_FINISHED = (
    f"SELECT {_NAMES} FROM sends WHERE state NOT IN ('accepted', 'trying') "  # noqa: S608 - our own names
    "AND updated_at >= ? ORDER BY at, seq"
)
_PRUNE = (
    "DELETE FROM sends WHERE seq IN (SELECT seq FROM sends "
    "WHERE updated_at < ? AND state NOT IN ('accepted', 'trying') LIMIT ?)"
)
_TO = "DELETE FROM sends WHERE workspace = ? AND session = ? AND chat IN"
_QUOTING = "SELECT seq, head FROM sends WHERE workspace = ? AND session = ? AND reply_sender IN"
_UNQUOTE = (
    "UPDATE sends SET reply_wa_id = NULL, reply_sender = NULL, reply_text = NULL, head = ? "
    "WHERE seq = ?"
)
_PRUNE_AT_ONCE = 500  # rows in one transaction: a send that waits behind it waits for little


class SqliteSendJournal:
    """A :class:`sessions.ports.SendJournal`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def accept(self, row: SendRow) -> SendRow | None:
        """Write the row and return None, or return the row that has its idempotency key.

        Raises ``SessionNotFound`` when the session was deleted meanwhile, ``StorageFull``
        when there is no space: the row is then not accepted.
        """
        now = self._clock.now_ms()
        values = (*(getattr(row, name) for name in _COLUMNS), now, now)

        async def job(connection: aiosqlite.Connection) -> SendRow | None:
            if await changed(connection, _ACCEPT, values):
                return None
            found = await connection.execute_fetchall(_FIND, (row.workspace, row.session, row.key))
            return _row(next(iter(found)))

        try:
            return await self._database.write(job)
        except Exception as error:
            if _is_foreign_key(error.__cause__):
                raise SessionNotFound("There is no such session.") from error
            raise

    async def find(self, workspace: str, session: str, key: str) -> SendRow | None:
        """Return the row with that idempotency key."""
        found = await self._database.one(_FIND, (workspace, session, key))
        return _row(found) if found else None

    async def mark(self, row: SendRow, state: str, wa_id: str | None = None) -> None:
        """Set the row's state, on disk when this returns; ``wa_id`` None leaves what is known."""
        now = self._clock.now_ms()
        await self._database.execute(_MARK, (state, wa_id, now, row.workspace, row.id))

    async def unfinished(self) -> list[SendRow]:
        """Return the rows that are ``accepted`` or ``trying``, oldest first."""
        return [_row(found) for found in await self._database.all(_UNFINISHED)]

    async def erase(self, key: SessionKey, jids: frozenset[str]) -> dict[str, int]:
        """Forget sends to these chats with their keys, and quotations of these people in others."""
        names = sorted(jids)
        marks = ", ".join("?" * len(names))
        to_them = f"{_TO} ({marks})"
        quoting = f"{_QUOTING} ({marks})"
        values = (*key, *names)

        async def job(connection: aiosqlite.Connection) -> dict[str, int]:
            sends = await changed(connection, to_them, values)
            found = list(await connection.execute_fetchall(quoting, values))
            cleaned = [(rewrite_head(row["head"], reply_to=None), row["seq"]) for row in found]
            await connection.executemany(_UNQUOTE, cleaned)
            return {"sends": sends, "quotations": len(cleaned)}

        return await self._database.write(job)

    async def finished(self, since: int) -> list[SendRow]:
        """Return the other rows that were marked since that time (ms), oldest first."""
        return [_row(found) for found in await self._database.all(_FINISHED, (since,))]

    async def prune(self, keep_ms: int) -> int:
        """Forget what was finished longer than ``keep_ms`` ago; return how many rows that was."""
        before, total = self._clock.now_ms() - keep_ms, 0
        while True:
            count = await self._database.execute(_PRUNE, (before, _PRUNE_AT_ONCE))
            total += count
            if count < _PRUNE_AT_ONCE:
                return total


def _row(found: sqlite3.Row) -> SendRow:
    return SendRow(**dict(found))


def _is_foreign_key(error: BaseException | None) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, sqlite3.Error) and code == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY
