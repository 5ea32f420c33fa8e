"""Takes a person's chats out of the embedded database: rows, log, aliases, what is to be sent.

Deleted for good, not marked as deleted: a mark would keep the address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.metadata.models import Activity
from daemon.storage.database import changed
from sessions.ids import jid_user

if TYPE_CHECKING:
    import aiosqlite

    from daemon.storage.database import Database
    from sessions.ids import SessionKey

_TABLES = ("assignments", "chat_tags", "notes")
_SENT = ("outbox", "dead_letters")
# As text: SQLite's functions read bytes as another form. A line of the log is an array.
_FIELD = (
    "CASE kind WHEN 'activity' THEN json_extract(CAST(doc AS TEXT), '$[{place}]') "
    "ELSE json_extract(CAST(doc AS TEXT), '$.{name}') END"
)
_SESSION = _FIELD.format(place=Activity._fields.index("session"), name="session")
_JID = _FIELD.format(place=Activity._fields.index("jid"), name="jid")


async def erase(database: Database, key: SessionKey, jids: frozenset[str]) -> dict[str, int]:
    """Delete all of a session's chats with these addresses; return how many rows, by table."""
    names = sorted(jids)
    marks = ", ".join("?" * len(names))
    where = f"workspace = ? AND session = ? AND jid IN ({marks})"
    values = (*key, *names)

    async def job(connection: aiosqlite.Connection) -> dict[str, int]:
        counts = {}
        for table in (*_TABLES, "activity"):
            sql = f"DELETE FROM {table} WHERE {where}"  # noqa: S608 - our own names, only marks
            counts[table] = await changed(connection, sql, values)
        for user in map(jid_user, names):  # lines that name the person in what they tell
            sql = "DELETE FROM activity WHERE workspace = ? AND session = ? AND instr(data, ?)"
            counts["activity"] += await changed(connection, sql, (*key, user))
        sql = (
            "DELETE FROM chat_aliases WHERE workspace = ? AND session = ? "  # noqa: S608 - only marks
            f"AND (jid IN ({marks}) OR canonical IN ({marks}))"
        )
        counts["chat_aliases"] = await changed(connection, sql, (*values, *names))
        for table in _SENT:
            sql = f"DELETE FROM {table} WHERE workspace = ? AND {_SESSION} = ? AND {_JID} IN ({marks})"  # noqa: S608 - our own names, only marks
            counts[table] = await changed(connection, sql, values)
        return counts

    return await database.write(job)
