"""Two addresses proved to be one chat: what hung on the old one goes to the new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from daemon.metadata.deciding import moves, written
from daemon.metadata.models import (
    SYSTEM,
    AnyRow,
    Assignment,
    ChatTag,
    Note,
)
from daemon.metadata.tables import TABLES, columns, from_values

if TYPE_CHECKING:
    from daemon.metadata.unit import Unit
    from sessions.ids import ChatRef

MERGED = "chat_merged"

_FORGET = "DELETE FROM chat_aliases WHERE workspace = ? AND session = ? AND jid = ?"
_FOLLOW = (
    "UPDATE chat_aliases SET canonical = ? WHERE workspace = ? AND session = ? AND canonical = ?"
)
_REMEMBER = (
    "INSERT INTO chat_aliases(workspace, session, jid, canonical) VALUES(?, ?, ?, ?) "
    "ON CONFLICT(workspace, session, jid) DO UPDATE SET canonical = excluded.canonical"
)
_OF_CHAT = "workspace = ? AND session = ? AND jid = ? AND deleted_at IS NULL"


async def move_chat(unit: Unit, old: ChatRef, new: ChatRef) -> list[AnyRow]:
    """Move within a transaction; return the rows that changed, those of ``old`` as deleted.

    Raises ``ValueError`` for chats of two sessions: no two addresses of one person are.
    """
    if old.key != new.key:
        raise ValueError("the chats belong to two sessions")
    if old == new:
        return []
    await _alias(unit, old, new)
    changed = [
        *await _move_assignment(unit, old, new),
        *await _move_tags(unit, old, new),
        *[await _store(unit, _at(note, new), note) for note in await _living(unit, Note, old)],
    ]
    if changed:
        at_new = next((row for row in changed if _is_at(row, new)), None)
        about = at_new or _at(changed[0], new)
        unit.log(about, MERGED, {"from": old.jid})
    return changed


async def _alias(unit: Unit, old: ChatRef, new: ChatRef) -> None:
    """Remember ``new`` as the address of ``old``, and of all that were joined with ``old``."""
    connection = unit.connection
    await connection.execute(_FORGET, new)
    await connection.execute(_FOLLOW, (new.jid, *old))
    await connection.execute(_REMEMBER, (*old, new.jid))


async def _move_assignment(unit: Unit, old: ChatRef, new: ChatRef) -> list[AnyRow]:
    mine = await unit.load(Assignment, old.workspace, (old.session, old.jid))
    if not isinstance(mine, Assignment) or not mine.live:
        return []
    theirs = await unit.load(Assignment, new.workspace, (new.session, new.jid))
    changed = [await _store(unit, msgspec.structs.replace(mine, deleted_at=unit.now), mine)]
    if moves(mine, theirs if isinstance(theirs, Assignment) else None):
        changed.append(await _store(unit, _at(mine, new), theirs))
    return changed


async def _move_tags(unit: Unit, old: ChatRef, new: ChatRef) -> list[AnyRow]:
    changed: list[AnyRow] = []
    for mine in await _living(unit, ChatTag, old):
        moved = _at(mine, new)
        theirs = await unit.load(ChatTag, new.workspace, moved.key)
        changed.append(await _store(unit, msgspec.structs.replace(mine, deleted_at=unit.now), mine))
        if theirs is None or not theirs.live:
            changed.append(await _store(unit, moved, theirs))
    return changed


async def _living(unit: Unit, shape: type[ChatTag | Note], chat: ChatRef) -> list[AnyRow]:
    table = TABLES[shape]
    sql = f"SELECT {', '.join(columns(table))} FROM {table.name} WHERE {_OF_CHAT}"  # noqa: S608 - our own names
    return [from_values(table, dict(row)) for row in await unit.fetch(sql, chat)]


async def _store(unit: Unit, row: AnyRow, stored: AnyRow | None) -> AnyRow:
    row = msgspec.structs.replace(row, actor=SYSTEM)
    made = written(row, stored, unit.ids.new(), unit.now)
    await unit.store(made)
    return made


def _at(row: AnyRow, chat: ChatRef) -> AnyRow:
    return msgspec.structs.replace(row, session=chat.session, jid=chat.jid)


def _is_at(row: AnyRow, chat: ChatRef) -> bool:
    return getattr(row, "chat", None) == chat
