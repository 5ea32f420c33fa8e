"""What is to be sent elsewhere: rows in the same file, written with what they tell of.

:func:`put` runs within the job that stores a change, so that both survive or neither. There is
one row a key: a newer write takes the place of the one that waits, whole, and keeps its turn.
Who sends takes a batch of one kind, and acknowledges what arrived by the id of the operation:
what was written again meanwhile stays. What can never arrive is buried, with the reason; a
newer write of the same key takes the place of what was buried too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from daemon.storage.database import changed

if TYPE_CHECKING:
    import sqlite3

    import aiosqlite

    from daemon.storage.database import Database, Values
    from sessions.ports import Clock

_PUT = (
    "INSERT INTO outbox(workspace, kind, key, op_id, doc, at, due_at, tries) "
    "VALUES(?, ?, ?, ?, ?, ?, 0, 0) ON CONFLICT(workspace, kind, key) DO UPDATE SET "
    "op_id = excluded.op_id, doc = excluded.doc, due_at = 0, tries = 0"
)
_REPLACES = "DELETE FROM dead_letters WHERE workspace = ? AND kind = ? AND key = ?"
_ITEM = "seq, workspace, kind, key, op_id, doc, at, tries"
_TAKE = (
    f"SELECT {_ITEM} FROM outbox WHERE kind = ? AND due_at <= ? "  # noqa: S608 - our own names
    "ORDER BY seq LIMIT ?"
)
_FIND = f"SELECT {_ITEM} FROM outbox WHERE workspace = ? AND kind = ? AND key = ?"  # noqa: S608 - our own names
_ACK = "DELETE FROM outbox WHERE seq = ? AND op_id = ?"
_LATER = "UPDATE outbox SET tries = tries + 1, due_at = ? WHERE seq = ? AND op_id = ?"
_BURY = (
    "INSERT INTO dead_letters(workspace, kind, key, op_id, doc, at, tries, buried_at, code, "
    "reason) SELECT workspace, kind, key, op_id, doc, at, tries + 1, ?, ?, ? FROM outbox "
    "WHERE seq = ? AND op_id = ? ON CONFLICT(workspace, kind, key) DO UPDATE SET "
    "op_id = excluded.op_id, doc = excluded.doc, at = excluded.at, tries = excluded.tries, "
    "buried_at = excluded.buried_at, code = excluded.code, reason = excluded.reason"
)
_LETTER = "id, workspace, kind, key, op_id, doc, at, buried_at, tries, code, reason"
_LETTERS = (
    f"SELECT {_LETTER} FROM dead_letters "  # noqa: S608 - our own names
    "WHERE (?1 IS NULL OR workspace = ?1) AND id > ?2 ORDER BY id LIMIT ?3"
)
_REVIVE = (
    "INSERT INTO outbox(workspace, kind, key, op_id, doc, at, due_at, tries) "
    "SELECT workspace, kind, key, op_id, doc, at, 0, 0 FROM dead_letters "
    "WHERE id = ?1 AND (?2 IS NULL OR workspace = ?2) "
    "ON CONFLICT(workspace, kind, key) DO NOTHING"
)
_DROP = "DELETE FROM dead_letters WHERE id = ?1 AND (?2 IS NULL OR workspace = ?2)"
_COUNTS = (
    "SELECT (SELECT count(*) FROM outbox) AS pending, (SELECT min(at) FROM outbox) AS oldest_at, "
    "(SELECT count(*) FROM dead_letters) AS dead"
)
REASON_MAX = 500  # characters kept of what the other side said

N = TypeVar("N", bound=NamedTuple)


class Entry(NamedTuple):
    """A row to send: ``doc`` is all of it, ``op_id`` the operation that made it so."""

    workspace: str
    kind: str
    key: str
    op_id: str
    doc: bytes


class Item(NamedTuple):
    """An entry that waits. ``at``: when the oldest write that it stands for came."""

    seq: int
    workspace: str
    kind: str
    key: str
    op_id: str
    doc: bytes
    at: int
    tries: int


class DeadLetter(NamedTuple):
    """An entry that can never arrive as it is: the other side refused it."""

    id: int
    workspace: str
    kind: str
    key: str
    op_id: str
    doc: bytes
    at: int
    buried_at: int
    tries: int
    code: str
    reason: str


class Counts(NamedTuple):
    """How much waits, since when the oldest does (None: nothing waits), how much is buried."""

    pending: int
    oldest_at: int | None
    dead: int


async def put(connection: aiosqlite.Connection, entries: Iterable[Entry], now: int) -> None:
    """Add entries within a job, in place of what waits or is buried under their keys."""
    given = list(entries)
    if given:
        await connection.executemany(_PUT, [(*entry, now) for entry in given])
        await connection.executemany(_REPLACES, [entry[:3] for entry in given])


class Outbox:
    """What waits to be sent. One who sends at a time; anybody may put."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def take(self, kind: str, limit: int) -> list[Item]:
        """Return what waits of a kind and is due, in the order it came; it stays until ``ack``.

        Kinds are sent parents first; that order is the sender's, who asks kind by kind.
        """
        return _shaped(Item, await self._database.all(_TAKE, (kind, self._clock.now_ms(), limit)))

    async def find(self, workspace: str, kind: str, key: str) -> Item | None:
        """Return what waits under a key, due or not."""
        found = await self._database.all(_FIND, (workspace, kind, key))
        return _shaped(Item, found)[0] if found else None

    async def ack(self, items: Sequence[Item]) -> int:
        """Forget what arrived; return how many that was. What was written again stays."""
        return await self._each(_ACK, [(item.seq, item.op_id) for item in items])

    async def later(self, items: Sequence[Item], seconds: float) -> int:
        """Count a try and do not give the items before the time has passed."""
        due_at = self._clock.now_ms() + round(seconds * 1000)
        return await self._each(_LATER, [(due_at, item.seq, item.op_id) for item in items])

    async def bury(self, item: Item, code: str, reason: str) -> bool:
        """Put the item aside for people to see; False where it was written again meanwhile."""
        told = (self._clock.now_ms(), code, reason[:REASON_MAX], item.seq, item.op_id)

        async def job(connection: aiosqlite.Connection) -> int:
            await changed(connection, _BURY, told)
            return await changed(connection, _ACK, (item.seq, item.op_id))

        return bool(await self._database.write(job))

    async def letters(
        self, workspace: str | None = None, *, limit: int = 100, after: int = 0
    ) -> list[DeadLetter]:
        """Return what is buried, by id; ``after``: the id of the page before's last."""
        return _shaped(DeadLetter, await self._database.all(_LETTERS, (workspace, after, limit)))

    async def retry(self, ids: Sequence[int], workspace: str | None = None) -> int:
        """Let buried items (of the workspace only) wait to be sent again; return how many."""
        values = [(number, workspace) for number in ids]

        async def job(connection: aiosqlite.Connection) -> int:
            revived = 0
            for given in values:
                revived += await changed(connection, _REVIVE, given)
                await changed(connection, _DROP, given)
            return revived

        return await self._database.write(job)

    async def drop(self, ids: Sequence[int], workspace: str | None = None) -> int:
        """Forget buried items (of the workspace only) for good; return how many those were."""
        return await self._each(_DROP, [(number, workspace) for number in ids])

    async def counts(self) -> Counts:
        """Return how much waits and how much is buried."""
        return _shaped(Counts, await self._database.all(_COUNTS))[0]

    async def kinds(self) -> set[str]:
        """Return the kinds of which something waits, due or not."""
        return {row["kind"] for row in await self._database.all("SELECT DISTINCT kind FROM outbox")}

    async def _each(self, sql: str, values: Sequence[Values]) -> int:
        """Run the statement with each of the values in one transaction."""
        if not values:
            return 0

        async def job(connection: aiosqlite.Connection) -> int:
            cursor = await connection.executemany(sql, [tuple(given) for given in values])
            count = cursor.rowcount
            await cursor.close()
            return count

        return await self._database.write(job)


def _shaped(shape: type[N], rows: Iterable[sqlite3.Row]) -> list[N]:
    return [shape(*row) for row in rows]
