"""Names that chats had: addresses that proved to be the person of another.

The rows are written where metadata is moved (:mod:`daemon.metadata.moving`); here they are read
at the start, so that old chat ids go on working.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessions.ids import ChatRef

if TYPE_CHECKING:
    from daemon.storage.database import Database

_ALIASES = "SELECT workspace, session, jid, canonical FROM chat_aliases LIMIT ?"
_BY_LID = " UNION ".join(
    f"SELECT workspace, session, jid FROM {table} WHERE jid LIKE '%@lid' AND deleted_at IS NULL"  # noqa: S608 - our own names
    for table in ("assignments", "chat_tags", "notes")
)


async def aliases(database: Database, most: int) -> list[tuple[ChatRef, ChatRef]]:
    """Return at most so many pairs of an old name and the name that goes now."""
    rows = await database.all(_ALIASES, (most,))
    pairs = ((ChatRef(row["workspace"], row["session"], row["jid"]), row) for row in rows)
    return [(old, old._replace(jid=row["canonical"])) for old, row in pairs]


async def lids_with_metadata(database: Database, most: int) -> list[ChatRef]:
    """Return chats by a LID that something hangs on: it is to move when the number is learned."""
    rows = await database.all(f"{_BY_LID} LIMIT ?", (most,))
    return [ChatRef(row["workspace"], row["session"], row["jid"]) for row in rows]
