"""Which chats were ever announced: the answer from memory, the rows written behind.

A chat is eight bytes in memory: a hash of its JID, in a sorted array for what was loaded
at start and in a set for what came since. Two chats of one session with one hash would
cost a ``new_chat`` event; among a million chats the odds are below 1 to 10 million.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from array import array
from bisect import bisect_left
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, Self

from sessions.ids import SessionKey

if TYPE_CHECKING:
    import sqlite3

    import aiosqlite

    from daemon.storage.database import Database

_LOAD = "SELECT workspace, session, hash FROM known_chats ORDER BY workspace, session, hash"
# Not for a session that was deleted meanwhile: the foreign key would fail all that came with it.
_ADD = (
    "INSERT OR IGNORE INTO known_chats(workspace, session, hash, jid) SELECT ?1, ?2, ?3, ?4 "
    "WHERE EXISTS(SELECT 1 FROM sessions WHERE workspace = ?1 AND id = ?2)"
)
_ERASE = "DELETE FROM known_chats WHERE workspace = ? AND session = ? AND hash = ?"
FLUSH_SECONDS = 0.05
RETRY_SECONDS = 1.0
_ADDED_BYTES = 72  # a Python int and its share of the set
_log = logging.getLogger(__name__)


class _Row(NamedTuple):
    workspace: str
    session: str
    hash: int
    jid: str


class _Known:
    """The chats of one session."""

    __slots__ = ("added", "loaded")

    def __init__(self, loaded: array[int] | None = None) -> None:
        self.loaded = loaded or array("q")
        self.added: set[int] = set()

    def add(self, number: int) -> bool:
        place = bisect_left(self.loaded, number)
        if place < len(self.loaded) and self.loaded[place] == number:
            return False
        if number in self.added:
            return False
        self.added.add(number)
        return True


class SqliteKnownChats:
    """A :class:`sessions.ports.KnownChats`; whoever loaded it closes it before the database."""

    def __init__(self, database: Database, known: dict[SessionKey, _Known]) -> None:
        self._database = database
        self._known = known
        self._rows: list[_Row] = []
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Future[None] | None = None
        self._closed = False

    @classmethod
    async def load(cls, database: Database) -> Self:
        """Read what is known of all sessions."""
        rows = await database.all(_LOAD)
        groups = groupby(rows, key=_session_of)
        return cls(
            database, {key: _Known(array("q", (row["hash"] for row in own))) for key, own in groups}
        )

    def add(self, workspace: str, session: str, jid: str) -> bool:
        """Remember the chat; return whether it is new. Its row is on disk some 50 ms later."""
        number = chat_hash(jid)
        if not self._known.setdefault(SessionKey(workspace, session), _Known()).add(number):
            return False
        self._rows.append(_Row(workspace, session, number, jid))
        self._plan(FLUSH_SECONDS)
        return True

    def forget(self, key: SessionKey) -> None:
        """Forget the chats of a session that is being deleted; its rows go with the session."""
        self._known.pop(key, None)
        self._rows = [row for row in self._rows if SessionKey(row.workspace, row.session) != key]

    async def erase(self, key: SessionKey, jids: frozenset[str]) -> int:
        """Forget chats for good: each would be new again; return how many were known.

        Raises ``StorageError``.
        """
        while self._writing is not None:
            await asyncio.wait([self._writing])
        numbers = {chat_hash(jid) for jid in jids}
        known = self._known.get(key)
        if known is not None:
            known.loaded = array("q", (each for each in known.loaded if each not in numbers))
            known.added -= numbers
        rows, before = self._rows, len(self._rows)
        self._rows = [row for row in rows if SessionKey(*row[:2]) != key or row.jid not in jids]
        unwritten = before - len(self._rows)
        values = [(*key, number) for number in numbers]

        async def job(connection: aiosqlite.Connection) -> int:
            cursor = await connection.executemany(_ERASE, values)
            count = cursor.rowcount
            await cursor.close()
            return count

        return unwritten + await self._database.write(job)

    @property
    def size_bytes(self) -> int:
        """About what the memory of all sessions' chats takes."""
        return sum(
            len(known.loaded) * 8 + len(known.added) * _ADDED_BYTES
            for known in self._known.values()
        )

    async def close(self) -> None:
        """Write what is not on disk yet; a second call does nothing."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        while self._writing is not None or self._rows:
            if self._writing is None:
                self._flush()
            writing = self._writing
            if writing is not None:
                await asyncio.wait([writing])
                if writing.exception() is not None:
                    return  # it is logged where the future ends

    def _plan(self, seconds: float) -> None:
        if self._timer is None and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._flush)

    def _flush(self) -> None:
        self._timer = None
        if self._writing is not None or not self._rows:
            return  # what is being written plans the next
        rows, self._rows = self._rows, []

        async def job(connection: aiosqlite.Connection) -> None:
            await connection.executemany(_ADD, rows)

        self._writing = self._database.submit(job)
        self._writing.add_done_callback(lambda done: self._ended(done, rows))

    def _ended(self, done: asyncio.Future[None], rows: list[_Row]) -> None:
        self._writing = None
        error = done.exception()
        if error is not None:
            self._rows = rows + self._rows
            _log.warning("The known chats are not on disk yet: %s", error)
        if self._rows:
            self._plan(RETRY_SECONDS if error else FLUSH_SECONDS)


def chat_hash(jid: str) -> int:
    """Return eight bytes of the JID's hash as SQLite's integer."""
    digest = hashlib.blake2b(jid.encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def _session_of(row: sqlite3.Row) -> SessionKey:
    return SessionKey(row["workspace"], row["session"])
