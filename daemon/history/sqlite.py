"""History in a SQLite file of its own, ``history.db`` in the data directory.

Of its own, since its checkpoints move megabytes: in the database of sends and keys they would
stall what must be quick. One thread writes, one reads; the event loop never waits for the disk.
``synchronous = NORMAL``: a commit outlives a killed process, not always a power cut.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from daemon.history import schema
from daemon.history.failures import CORRUPT, check_version, translated
from daemon.history.models import (
    Dropped,
    Found,
    Moved,
    Place,
    Record,
    SearchQuery,
    StoredChat,
    StoredContact,
    StoredMessage,
)
from daemon.history.searching import find
from daemon.history.writing import Writer
from daemon.storage.data_dir import prepare, private_file
from sessions.ids import ChatRef, SessionKey

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger("zapd.history")
T = TypeVar("T")

FILE = "history.db"
_CHECKPOINT_PAGES = 4000  # 16 MB of log: a checkpoint then takes some 20 ms of the writer's time
_READ_BATCH = 2000
_CACHE_KIB = 64 * 1024
_PRUNE_BATCH = 1000

_BY_ID = (
    f"SELECT w.name, c.session, c.jid, {schema.MESSAGE_COLUMNS} FROM messages m "
    "JOIN chats c ON c.n = m.chat JOIN workspaces w ON w.n = m.workspace "
    "WHERE w.name = ? AND m.id = ?"
)


class SqliteHistory:
    """A :class:`daemon.history.port.HistoryStore`. Made by :meth:`open`; its opener closes it."""

    def __init__(self, path: Path, writer: sqlite3.Connection, reader: sqlite3.Connection) -> None:
        self.path = path
        self._writer, self._reader = writer, reader
        self._write_thread = ThreadPoolExecutor(1, "history-write")
        self._read_thread = ThreadPoolExecutor(1, "history-read")
        self._hand = Writer(writer)
        self._closed = False

    @classmethod
    async def open(cls, data_dir: Path) -> Self:
        """Open the file, making it where there is none.

        A damaged one is set aside under another name and a new one begun: the log says so.
        Raises ``HistoryFailed`` or ``StorageError``.
        """
        path = private_file(prepare(data_dir) / FILE)
        return await asyncio.to_thread(cls._open, path)

    @classmethod
    def _open(cls, path: Path) -> Self:
        try:
            writer = _connect(path)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in CORRUPT:
                with translated():
                    raise
            _set_aside(path)
            with translated():
                writer = _connect(private_file(path))
        with translated():
            reader = _connect(path)
            reader.execute("PRAGMA query_only = 1")
        return cls(path, writer, reader)

    async def write(self, records: Sequence[Record]) -> None:
        """Apply the records in one transaction."""
        await self._in(self._write_thread, lambda: self._write(records))

    def _write(self, records: Sequence[Record]) -> None:
        with self._transaction():
            for shape, run in _runs(records):
                self._hand.apply(shape, run)
        self._checkpoint()

    async def message(self, workspace: str, id: str) -> StoredMessage | None:
        """Return a message by our id."""
        found = await self._find(workspace, id)
        return found[1] if found else None

    async def place(self, workspace: str, id: str) -> Place | None:
        """Return where a message stands."""
        found = await self._find(workspace, id)
        return found[0] if found else None

    async def _find(self, workspace: str, id: str) -> tuple[Place, StoredMessage] | None:
        rows = await self._rows(_BY_ID, (workspace, id))
        return schema.message_of(rows[0][3:], ChatRef(*rows[0][:3])) if rows else None

    async def before(
        self, chat: ChatRef, place: Place | None, limit: int
    ) -> list[tuple[Place, StoredMessage]]:
        """Return older messages, newest first."""
        sql = (
            f"SELECT {schema.MESSAGE_COLUMNS} FROM messages m WHERE m.chat = ({schema.CHAT_NUMBER}) "
            "AND m.n < ? ORDER BY m.n DESC LIMIT ?"
        )
        rows = await self._rows(sql, (*chat, _END if place is None else place, limit))
        return [schema.message_of(row, chat) for row in rows]

    async def after(
        self, chat: ChatRef, place: Place, limit: int
    ) -> list[tuple[Place, StoredMessage]]:
        """Return newer messages, oldest first."""
        sql = (
            f"SELECT {schema.MESSAGE_COLUMNS} FROM messages m WHERE m.chat = ({schema.CHAT_NUMBER}) "
            "AND m.n > ? ORDER BY m.n LIMIT ?"
        )
        rows = await self._rows(sql, (*chat, place, limit))
        return [schema.message_of(row, chat) for row in rows]

    async def chats(self) -> AsyncIterator[list[StoredChat]]:
        """Yield all chats, newest activity first."""
        sql = (
            f"SELECT {schema.CHAT_COLUMNS}, c.n FROM chats c JOIN workspaces w ON w.n = c.workspace "
            "WHERE (c.updated_at, c.n) < (?, ?) ORDER BY c.updated_at DESC, c.n DESC LIMIT ?"
        )
        at, number = _END, _END
        while rows := await self._rows(sql, (at, number, _READ_BATCH)):
            found = [schema.chat_of(row[:-1]) for row in rows]
            yield found
            at, number = found[-1].updated_at, rows[-1][-1]

    async def chat(self, ref: ChatRef) -> StoredChat | None:
        """Return one chat."""
        sql = (
            f"SELECT {schema.CHAT_COLUMNS} FROM chats c JOIN workspaces w ON w.n = c.workspace "
            f"WHERE c.n = ({schema.CHAT_NUMBER})"
        )
        rows = await self._rows(sql, ref)
        return schema.chat_of(rows[0]) if rows else None

    async def contacts(self) -> AsyncIterator[list[StoredContact]]:
        """Yield all contacts."""
        sql = (
            "SELECT w.n, w.name, k.session, k.jid, k.body FROM contacts k "
            "JOIN workspaces w ON w.n = k.workspace "
            "WHERE (k.workspace, k.session, k.jid) > (?, ?, ?) "
            "ORDER BY k.workspace, k.session, k.jid LIMIT ?"
        )
        last: tuple[int, str, str] = (0, "", "")
        while rows := await self._rows(sql, (*last, _READ_BATCH)):
            yield [StoredContact(row[1], row[2], row[3], bytes(row[4])) for row in rows]
            last = (rows[-1][0], rows[-1][2], rows[-1][3])

    async def search(self, query: SearchQuery) -> list[Found]:
        """Return messages with all the words, newest first."""
        return await self._in(self._read_thread, lambda: find(self._reader, query))

    async def erase_contact(self, key: SessionKey, jids: frozenset[str]) -> dict[str, int]:
        """Remove what is of these addresses, to the last page of the file."""
        return await self._in(self._write_thread, lambda: self._erase(key, jids))

    def _erase(self, key: SessionKey, jids: frozenset[str]) -> dict[str, int]:
        with self._transaction():
            counts = self._hand.erase(key, jids)
        # The index keeps deleted words in its segments until they are merged; the log keeps pages.
        self._writer.execute("INSERT INTO words(words) VALUES('optimize')")
        self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return counts

    async def prune(self, older_than: int | None, most_bytes: int | None) -> int:
        """Remove the oldest messages; in steps, so that writes come between."""
        gone = 0
        while True:
            some = await self._in(self._write_thread, lambda: self._prune(older_than, most_bytes))
            gone += some
            if not some:
                return gone

    def _prune(self, older_than: int | None, most_bytes: int | None) -> int:
        bound = schema.first_number(older_than) if older_than is not None else None
        if most_bytes is not None and self._used_bytes() > most_bytes:
            bound = _END
        if bound is None:
            return 0
        with self._transaction():
            sql = "DELETE FROM messages WHERE n IN (SELECT n FROM messages WHERE n < ? LIMIT ?)"
            gone = self._writer.execute(sql, (bound, _PRUNE_BATCH)).rowcount
        self._checkpoint()
        return gone

    def _used_bytes(self) -> int:
        """Return what the file holds; free pages are used again, so they do not count."""
        pages, free, size = (
            self._writer.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    async def close(self) -> None:
        """Close both connections after what they are doing."""
        if self._closed:
            return
        self._closed = True
        await self._in(self._read_thread, self._reader.close)
        await self._in(self._write_thread, self._writer.close)
        self._read_thread.shutdown()
        self._write_thread.shutdown()

    async def _rows(self, sql: str, values: Iterable[object]) -> list[schema.Row]:
        bound = tuple(values)
        return await self._in(
            self._read_thread, lambda: self._reader.execute(sql, bound).fetchall()
        )

    async def _in(self, thread: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        with translated():
            return await asyncio.get_running_loop().run_in_executor(thread, work)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._writer.execute("COMMIT")
        except BaseException:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            self._hand.forget()  # numbers that it had given are free again
            raise

    def _checkpoint(self) -> None:
        """Move the log into the file when it is long. On this thread: nobody else waits."""
        if self.path.with_name(FILE + "-wal").stat().st_size > _CHECKPOINT_PAGES * 4096:
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")


_END = (1 << 63) - 1


def _runs(records: Sequence[Record]) -> Iterable[tuple[type[Record], list[Record]]]:
    """Yield the records in order, those of one kind together as long as the order allows."""
    run: list[Record] = []
    for record in records:
        if run and (type(record) is not type(run[0]) or isinstance(record, Moved | Dropped)):
            yield type(run[0]), run
            run = []
        run.append(record)
    if run:
        yield type(run[0]), run


def _connect(path: Path) -> sqlite3.Connection:
    """Open the file, with its tables; used by one thread at a time."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        for name, value in (
            ("journal_mode", "WAL"),
            ("synchronous", "NORMAL"),
            ("wal_autocheckpoint", 0),
            ("cache_size", -_CACHE_KIB),
            ("secure_delete", "ON"),
        ):
            connection.execute(f"PRAGMA {name} = {value}")
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        check_version(path, found, schema.VERSION)
        if found == 0:
            connection.execute("BEGIN IMMEDIATE")
            for statement in schema.DDL:
                connection.execute(statement)
            connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _set_aside(path: Path) -> None:
    """Rename a damaged file, with its log, so that nothing of it is lost for who can mend it."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for end in ("", "-wal", "-shm"):
        part = path.with_name(path.name + end)
        if part.exists():
            part.rename(aside.with_name(aside.name + end))
    log.error("history.db is damaged: it was renamed to %s and a new one is begun", aside.name)
