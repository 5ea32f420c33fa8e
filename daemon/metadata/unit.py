"""One transaction of metadata: rows that are read and stored, and what goes with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from daemon.metadata.models import (
    Activity,
    Actor,
    AnyRow,
    Assignment,
    ChatTag,
    Key,
    Note,
    Row,
    Setting,
)
from daemon.metadata.tables import ACTIVITY, TABLES, Table, columns, encode, from_values, to_values
from daemon.storage.outbox import Entry, put
from sessions.ids import ChatRef

if TYPE_CHECKING:
    import sqlite3

    import aiosqlite

    from daemon.metadata.ids import Ids

_ALIAS = "SELECT canonical FROM chat_aliases WHERE workspace = ? AND session = ? AND jid = ?"
_LOG = (
    "INSERT INTO activity(workspace, id, at, actor_id, actor_name, actor_kind, action, session, "
    "jid, data) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class _Sql(NamedTuple):
    load: str
    store: str


def _sql(table: Table) -> _Sql:
    names, key = columns(table), " AND ".join(f"{name} = ?" for name in table.key)
    return _Sql(
        load=f"SELECT {', '.join(names)} FROM {table.name} WHERE {key}",  # noqa: S608 - our own names
        store=f"INSERT INTO {table.name}({', '.join(names)}) "
        f"VALUES({', '.join('?' * len(names))}) ON CONFLICT({', '.join(table.key)}) DO UPDATE SET "
        + ", ".join(f"{name} = excluded.{name}" for name in names if name not in table.key),
    )


SQL = {shape: _sql(table) for shape, table in TABLES.items()}


class Unit:
    """What a job reads and stores. It is used up when :meth:`finish` returned."""

    def __init__(
        self, connection: aiosqlite.Connection, ids: Ids, now: int, *, outbox: bool
    ) -> None:
        """``outbox``: what is stored and logged is to be sent to Supabase too."""
        self.connection = connection
        self.now = now
        self.ids = ids
        self._outbox = outbox
        self._lines: list[Activity] = []
        self._entries: list[Entry] = []

    async def fetch(self, sql: str, values: tuple[Any, ...]) -> list[Any]:
        """Return the rows of a query, with what this transaction has stored."""
        return list(await self.connection.execute_fetchall(sql, values))

    async def load(self, shape: type[Row], workspace: str, key: Key) -> AnyRow | None:
        """Return a row, a deleted one too."""
        found = await self.fetch(SQL[shape].load, (workspace, *key))
        return from_values(TABLES[shape], dict(found[0])) if found else None

    async def store(self, row: AnyRow, *, here: bool = True) -> None:
        """Store the row; ``here``: it was made here, so that others are to learn of it."""
        shape = type(row)
        await self.connection.execute(SQL[shape].store, to_values(TABLES[shape], row))
        if here and self._outbox:
            self._entries.append(
                Entry(row.workspace, row.kind, key_text(row.key), row.op_id, encode(row))
            )

    def log(self, row: AnyRow, action: str, data: dict[str, Any]) -> None:
        """Add a line about a row to the activity log."""
        session, jid = _place(row)
        line = Activity(
            row.workspace, self.ids.new(), self.now, row.actor, action, session, jid, data
        )
        self._lines.append(line)
        if self._outbox:
            self._entries.append(
                Entry(line.workspace, ACTIVITY, key_text((line.id,)), line.id, encode(line))
            )

    async def canonical(self, chat: ChatRef) -> ChatRef:
        """Return the chat that this one was joined with, or itself."""
        found = await self.fetch(_ALIAS, chat)
        return chat._replace(jid=found[0]["canonical"]) if found else chat

    async def at_canonical(self, row: AnyRow) -> AnyRow:
        """Return the row at the chat that its own was joined with."""
        if not isinstance(row, Assignment | ChatTag | Note):
            return row
        chat = await self.canonical(row.chat)
        return row if chat == row.chat else msgspec.structs.replace(row, jid=chat.jid)

    async def finish(self) -> None:
        """Write the log's lines and what is to be sent."""
        if self._lines:
            await self.connection.executemany(_LOG, [_line_values(line) for line in self._lines])
        await put(self.connection, self._entries, self.now)


def key_text(key: Key) -> str:
    """Return a key as the outbox has it."""
    return msgspec.json.encode(key).decode()


def line_of(found: sqlite3.Row) -> Activity:
    """Return the line of a row of the table ``activity``."""
    actor = Actor(id=found["actor_id"], name=found["actor_name"], kind=found["actor_kind"])
    return Activity(
        found["workspace"],
        found["id"],
        found["at"],
        actor,
        found["action"],
        found["session"],
        found["jid"],
        msgspec.json.decode(found["data"]),
    )


def _line_values(line: Activity) -> tuple[Any, ...]:
    actor, data = line.actor, msgspec.json.encode(line.data).decode()
    who = (actor.id, actor.name, actor.kind)
    return (line.workspace, line.id, line.at, *who, line.action, line.session, line.jid, data)


def _place(row: AnyRow) -> tuple[str | None, str | None]:
    """Return the session and the address that a row is about."""
    if isinstance(row, Assignment | ChatTag | Note):
        return row.session, row.jid
    if isinstance(row, Setting) and row.scope.startswith("session:"):
        return row.scope.partition(":")[2], None
    return None, None
