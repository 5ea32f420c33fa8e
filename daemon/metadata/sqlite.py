"""Metadata in the embedded database: a :class:`daemon.metadata.port.MetadataStore`.

Every change is one transaction: the row, its line in the activity log and, where Supabase is
configured, what the outbox sends there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from daemon.metadata.checks import check_references, check_version
from daemon.metadata.deciding import claimed, merged, written
from daemon.metadata.ids import Ids
from daemon.metadata.models import Activity, Actor, AnyRow, Assignment, ChatTag, Key, Note, Row
from daemon.metadata.moving import move_chat
from daemon.metadata.port import ActivityQuery, AlreadyClaimed, Change
from daemon.metadata.tables import TABLES, columns, from_values
from daemon.metadata.unit import SQL, Unit, line_of

if TYPE_CHECKING:
    import aiosqlite

    from daemon.storage.database import Database
    from sessions.ids import ChatRef
    from sessions.ports import Clock

T = TypeVar("T")
CLAIM = "claim"
MERGE_AT_ONCE = (
    100  # rows in one transaction, some 30 ms: a send that waits behind waits for little
)

_NOTES = (
    f"SELECT {', '.join(columns(TABLES[Note]))} FROM notes "  # noqa: S608 - our own names
    "WHERE workspace = ? AND session = ? AND jid = ? AND deleted_at IS NULL "
    "AND (created_at, id) < (?, ?) ORDER BY created_at DESC, id DESC LIMIT ?"
)
_DUE = (
    f"SELECT {', '.join(columns(TABLES[Assignment]))} FROM assignments "  # noqa: S608 - our own names
    "WHERE status = 'snoozed' AND deleted_at IS NULL AND snoozed_until <= ? "
    "ORDER BY snoozed_until, workspace, session, jid LIMIT ?"
)
_OF_CHAT = "workspace = ? AND session = ? AND jid = ? AND deleted_at IS NULL"
_END = (1 << 62, "")  # after every (time, id)


class SqliteMetadata:
    """The rows in the embedded database."""

    def __init__(self, database: Database, clock: Clock, *, outbox: bool = False) -> None:
        """``outbox``: Supabase is configured, so that every change is to be sent there."""
        self._database = database
        self._clock = clock
        self._ids = Ids(clock)
        self._outbox = outbox

    async def write(self, changes: Sequence[Change]) -> list[AnyRow]:
        """Store the rows with their activity, all or none; return them as stored."""

        async def job(unit: Unit) -> list[AnyRow]:
            return [await self._change(unit, change) for change in changes]

        return await self._transaction(job)

    async def claim(
        self, chat: ChatRef, user: str, actor: Actor, *, steal: bool = False
    ) -> Assignment:
        """Give the chat to ``user``, in one transaction."""

        async def job(unit: Unit) -> Assignment | AlreadyClaimed:
            ref = await unit.canonical(chat)
            none = Assignment(workspace=ref.workspace, session=ref.session, jid=ref.jid)
            stored = await unit.load(Assignment, ref.workspace, none.key)
            current = stored if isinstance(stored, Assignment) and stored.live else none
            if current.assignee not in {None, user} and not steal:
                return AlreadyClaimed(current)  # not raised here: others of the group may win
            wanted = claimed(current, user, actor)
            if current.assignee == user and wanted.status is current.status:
                return current
            data: dict[str, object] = {"assignee": user, "before": current.assignee}
            await self._change(unit, Change(wanted, CLAIM, data=data))
            found = await unit.load(Assignment, ref.workspace, none.key)
            assert isinstance(found, Assignment)  # noqa: S101 - it was stored a line above
            return found

        result = await self._transaction(job)
        if isinstance(result, AlreadyClaimed):
            raise result
        return result

    async def merge(self, rows: Sequence[AnyRow], *, action: str | None = None) -> list[AnyRow]:
        """Take rows that were written elsewhere; return those that won, and what that changed.

        ``action``: what the activity log says of each that won; None: nothing, as at a first
        reading of all rows. What still goes to the address that a chat had before it was joined
        with another is moved along, as a change of ours.
        """
        changed: list[AnyRow] = []
        for start in range(0, len(rows), MERGE_AT_ONCE):
            part = rows[start : start + MERGE_AT_ONCE]

            async def job(unit: Unit, part: Sequence[AnyRow] = part) -> list[AnyRow]:
                return [won for row in part for won in await self._merge(unit, row, action)]

            changed += await self._transaction(job)
        return changed

    async def move_chat(self, old: ChatRef, new: ChatRef) -> list[AnyRow]:
        """Give ``new`` all that ``old`` had, and remember that they are one."""

        async def job(unit: Unit) -> list[AnyRow]:
            return await move_chat(unit, old, new)

        return await self._transaction(job)

    async def row(self, shape: type[Row], workspace: str, key: Key) -> AnyRow | None:
        """Return one row, a deleted one too."""
        found = await self._database.one(SQL[shape].load, (workspace, *key))
        return from_values(TABLES[shape], dict(found)) if found else None

    async def rows(self, shape: type[Row], workspace: str | None = None) -> list[AnyRow]:
        """Return all living rows of a kind, oldest first."""
        table = TABLES[shape]
        where = "deleted_at IS NULL" + ("" if workspace is None else " AND workspace = ?")
        sql = (
            f"SELECT {', '.join(columns(table))} FROM {table.name} WHERE {where} "  # noqa: S608 - our own names
            f"ORDER BY created_at, {', '.join(table.key)}"
        )
        values = () if workspace is None else (workspace,)
        return [from_values(table, dict(row)) for row in await self._database.all(sql, values)]

    async def of_chat(self, chat: ChatRef) -> list[AnyRow]:
        """Return the living assignment and tags of a chat."""
        found: list[AnyRow] = []
        for table in (TABLES[Assignment], TABLES[ChatTag]):
            sql = f"SELECT {', '.join(columns(table))} FROM {table.name} WHERE {_OF_CHAT}"  # noqa: S608 - our own names
            rows = await self._database.all(sql, chat)
            found += [from_values(table, dict(row)) for row in rows]
        return found

    async def notes(self, chat: ChatRef, limit: int, before: tuple[int, str] | None) -> list[Note]:
        """Return living notes of a chat, newest first."""
        found = await self._database.all(_NOTES, (*chat, *(before or _END), limit))
        notes = (from_values(TABLES[Note], dict(row)) for row in found)
        return [note for note in notes if isinstance(note, Note)]

    async def activity(self, query: ActivityQuery) -> list[Activity]:
        """Return lines of the log, newest first; a chat's with those of the addresses it had."""
        sql, values = _activity_sql(query)
        return [line_of(row) for row in await self._database.all(sql, values)]

    async def due(self, now: int, limit: int = 100) -> list[Assignment]:
        """Return snoozed assignments whose time has come, oldest first."""
        found = await self._database.all(_DUE, (now, limit))
        rows = (from_values(TABLES[Assignment], dict(row)) for row in found)
        return [row for row in rows if isinstance(row, Assignment)]

    async def _transaction(self, job: Callable[[Unit], Awaitable[T]]) -> T:
        async def whole(connection: aiosqlite.Connection) -> T:
            unit = Unit(connection, self._ids, self._clock.now_ms(), outbox=self._outbox)
            result = await job(unit)
            await unit.finish()
            return result

        return await self._database.write(whole)

    async def _change(self, unit: Unit, change: Change) -> AnyRow:
        row = await unit.at_canonical(change.row)
        stored = await unit.load(type(row), row.workspace, row.key)
        check_version(stored, change.expected)
        if row.live:
            await check_references(unit, row, stored, members_only=self._outbox)
        made = written(row, stored, unit.ids.new(), unit.now)
        await unit.store(made)
        unit.log(made, change.action, dict(change.data))
        return made

    async def _merge(self, unit: Unit, row: AnyRow, action: str | None) -> list[AnyRow]:
        made = merged(row, await unit.load(type(row), row.workspace, row.key))
        if made is None:
            return []
        await unit.store(made, here=False)
        if action is not None:
            unit.log(made, action, {})
        chat = getattr(made, "chat", None)
        if chat is None or not made.live or (new := await unit.canonical(chat)) == chat:
            return [made]
        return [made, *await move_chat(unit, chat, new)]


def _activity_sql(query: ActivityQuery) -> tuple[str, tuple[Any, ...]]:
    wheres, values = ["workspace = ?", "(at, id) < (?, ?)"], [query.workspace]
    bound: list[Any] = [*values, *(query.before or _END)]
    if query.chat is not None:
        wheres.append(
            "session = ? AND jid IN (SELECT ? UNION SELECT jid FROM chat_aliases "
            "WHERE workspace = ? AND session = ? AND canonical = ?)"
        )
        bound += [query.chat.session, query.chat.jid, *query.chat]
    for name, value in (("actor_id", query.actor), ("action", query.action)):
        if value is not None:
            wheres.append(f"{name} = ?")
            bound.append(value)
    if query.sessions is not None:
        wheres.append(f"(session IS NULL OR session IN ({', '.join('?' * len(query.sessions))}))")
        bound += sorted(query.sessions)
    sql = (
        f"SELECT * FROM activity WHERE {' AND '.join(wheres)} "  # noqa: S608 - our own names
        "ORDER BY at DESC, id DESC LIMIT ?"
    )
    return sql, (*bound, query.limit)
