"""Metadata as an export takes it: in pages, as clients read it, deleted rows left out.

Read from the database, not from the index: that may have let chats go.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from daemon.metadata.models import AnyRow, Row, render
from daemon.metadata.tables import TABLES, columns, from_values
from daemon.metadata.unit import line_of
from sessions.ids import ChatRef
from sessions.models import iso

if TYPE_CHECKING:
    from daemon.metadata.models import Activity
    from daemon.storage.database import Database

PAGE = 500
ACTIVITY_COLUMNS = ("id", "at", "actor", "action", "session", "chat", "data")
_NOT_SHOWN = {"workspace", "op_id", "changed_at", "created_at", "updated_at", "deleted_at", "actor"}
_LAST = ("actor", "created_at", "updated_at", "deleted_at")


class Of(NamedTuple):
    """Whose rows: a workspace's, of these chats only where ``chats`` names (session, address)."""

    workspace: str
    chats: Sequence[tuple[str, str]] | None = None


def columns_of(shape: type[AnyRow]) -> tuple[str, ...]:
    """Return the names that :func:`daemon.metadata.models.render` gives, in its order."""
    of_chat = "jid" in shape.__struct_fields__
    hidden = _NOT_SHOWN | ({"session", "jid"} if of_chat else set())
    own = [name for name in shape.__struct_fields__ if name not in hidden]
    return (*(("chat",) if of_chat else ()), *own, *_LAST)


async def rows(database: Database, shape: type[AnyRow], of: Of) -> AsyncIterator[list[bytes]]:
    """Yield pages of living rows of a kind, by their keys."""
    table = TABLES[shape]
    key = table.shape.key_fields
    chosen, values = _chosen(of) if "jid" in shape.__struct_fields__ else ("", [])
    sql = (
        f"SELECT {', '.join(columns(table))} FROM {table.name} WHERE workspace = ? "  # noqa: S608 - our own names
        f"AND deleted_at IS NULL {chosen} AND ({', '.join(key)}) > ({', '.join('?' * len(key))}) "
        f"ORDER BY {', '.join(key)} LIMIT ?"
    )
    after: Sequence[Any] = ("",) * len(key)
    while page := await database.all(sql, (of.workspace, *values, *after, PAGE)):
        found: list[Row] = [from_values(table, dict(row)) for row in page]
        yield [orjson.dumps(render(row)) for row in found]  # type: ignore[arg-type]  # of `shape`
        after = found[-1].key


async def activity(database: Database, of: Of) -> AsyncIterator[list[bytes]]:
    """Yield pages of the activity log, oldest first."""
    chosen, values = _chosen(of)
    sql = (
        f"SELECT * FROM activity WHERE workspace = ? {chosen} AND (at, id) > (?, ?) "  # noqa: S608 - our own names
        "ORDER BY at, id LIMIT ?"
    )
    after: tuple[int, str] = (-1, "")
    while page := await database.all(sql, (of.workspace, *values, *after, PAGE)):
        lines = [line_of(row) for row in page]
        yield [orjson.dumps(_shown(line)) for line in lines]
        after = (lines[-1].at, lines[-1].id)


def _chosen(of: Of) -> tuple[str, list[str]]:
    """Return the condition that leaves the chats, and its values."""
    if of.chats is None:
        return "", []
    if not of.chats:
        return "AND 0", []
    pairs = ", ".join(["(?, ?)"] * len(of.chats))
    return f"AND (session, jid) IN (VALUES {pairs})", [part for chat in of.chats for part in chat]


def _shown(line: Activity) -> dict[str, Any]:
    chat = None
    if line.session is not None and line.jid is not None:
        chat = ChatRef(line.workspace, line.session, line.jid).id
    actor = {"id": line.actor.id, "name": line.actor.name, "kind": line.actor.kind}
    values = (line.id, iso(line.at), actor, line.action, line.session, chat, line.data)
    return dict(zip(ACTIVITY_COLUMNS, values, strict=True))
