"""Which UUID a workspace has in Supabase: found by its slug, which is our name of it.

The pairs are kept in the embedded database, so that nothing waits for Supabase at a start. They
are read again now and then: a project that was made anew has other UUIDs, and rows that were
sent to the old one are not in it. A workspace that is seen for the first time, or anew, is
therefore *seeded*: all its rows go to the outbox in the transaction that notes its UUID.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from daemon.metadata.ids import Ids
from daemon.metadata.models import KINDS
from daemon.metadata.remote import Query
from daemon.metadata.session_rows import ended_row, entry_of, row_of
from daemon.metadata.tables import TABLES, columns, encode, from_values
from daemon.metadata.unit import key_text
from daemon.storage.outbox import Entry, put
from daemon.storage.sessions import SqliteSessionStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import aiosqlite

    from daemon.metadata.remote import DataApi
    from daemon.storage.database import Database
    from sessions.ports import Clock

log = logging.getLogger("zapd.supabase")

TABLE = "workspaces"
AT_ONCE = 100  # slugs in one address: 100 × 60 characters fit the 8 KiB that proxies take

_ALL = "SELECT workspace, id FROM supabase_workspaces"
_NOTE = "INSERT INTO supabase_workspaces VALUES(?, ?) ON CONFLICT(workspace) DO UPDATE SET id = excluded.id"
_NAMED = " UNION ".join(
    f"SELECT session FROM {table} WHERE workspace = :w"  # noqa: S608 - our own names
    for table in ("assignments", "chat_tags", "notes")
)
_UNMARK = "DELETE FROM sync_marks WHERE workspace = ?"


class WorkspaceIds:
    """The pairs of slug and UUID. Whoever made it calls :meth:`load` first."""

    def __init__(self, database: Database, clock: Clock, api: DataApi) -> None:
        self._database = database
        self._clock = clock
        self._api = api
        self._ids: dict[str, str] = {}

    async def load(self) -> None:
        """Read what is known from the embedded database."""
        self._ids = {row["workspace"]: row["id"] for row in await self._database.all(_ALL)}

    @property
    def known(self) -> dict[str, str]:
        """UUIDs by workspace."""
        return self._ids

    def id_of(self, workspace: str) -> str:
        """Return the workspace's UUID; raise ``KeyError`` where :meth:`ensure` has not found it."""
        return self._ids[workspace]

    async def ensure(self, workspaces: Iterable[str]) -> None:
        """Learn the UUIDs of those that have none yet; raise ``Trouble``."""
        if missing := sorted(set(workspaces) - self._ids.keys()):
            await self.verify(missing)

    async def verify(self, workspaces: Sequence[str]) -> None:
        """Ask Supabase for the UUIDs, making those that it lacks; raise ``Trouble``."""
        for at in range(0, len(workspaces), AT_ONCE):
            names = workspaces[at : at + AT_ONCE]
            found = await self._find(names)
            if missing := [name for name in names if name not in found]:
                rows = [{"slug": name, "name": name} for name in missing]
                await self._api.insert(TABLE, rows, ("slug",))
                found |= await self._find(missing)
            for name, id_ in found.items():
                if self._ids.get(name) != id_:
                    await self._seed(name, id_)

    async def _find(self, names: Sequence[str]) -> dict[str, str]:
        rows = await self._api.select(TABLE, Query(within=("slug", names), order=("slug",)))
        return {str(row["slug"]): str(row["id"]) for row in rows}

    async def _seed(self, workspace: str, id_: str) -> None:
        """Note the UUID and send all rows, so that Supabase has what was written before."""
        now, ids = self._clock.now_ms(), Ids(self._clock)
        records = await SqliteSessionStore(self._database).load()
        sessions = {
            record.id: row_of(record, ids.new(), now)
            for record in records
            if record.workspace == workspace
        }

        async def job(connection: aiosqlite.Connection) -> int:
            entries = await _rows(connection, workspace)
            named = {
                row["session"]
                for row in await connection.execute_fetchall(_NAMED, {"w": workspace})
            }
            gone = [
                ended_row(workspace, id, ids.new(), now) for id in sorted(named - sessions.keys())
            ]
            entries += [entry_of(row) for row in (*sessions.values(), *gone)]
            await connection.execute(_NOTE, (workspace, id_))
            await connection.execute(_UNMARK, (workspace,))
            await put(connection, entries, now)
            return len(entries)

        sent = await self._database.write(job)
        self._ids[workspace] = id_
        log.info("workspace %s is known to Supabase; its %d rows are sent there", workspace, sent)


async def _rows(connection: aiosqlite.Connection, workspace: str) -> list[Entry]:
    """Return all rows of a workspace for the outbox, the deleted ones too."""
    entries = []
    for kind, shape in KINDS.items():
        table = TABLES[shape]
        found = await connection.execute_fetchall(
            f"SELECT {', '.join(columns(table))} FROM {table.name} WHERE workspace = ?",  # noqa: S608 - our own names
            (workspace,),
        )
        for stored in found:
            row = from_values(table, dict(stored))
            entries.append(Entry(workspace, kind, key_text(row.key), row.op_id, encode(row)))
    return entries
