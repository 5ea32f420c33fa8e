"""The embedded SQLite file: one connection that writes, one that reads.

Whoever writes hands a job to :meth:`Database.write`, or to :meth:`Database.submit` when
nobody waits for it. Jobs that arrive while a commit is under way go together into the
next transaction: many sends cost one sync of the disk. When a job of a group fails the
whole group is rolled back and each job runs again alone, so that one caller's error is
never another's. A job may therefore run twice: it must do nothing but talk to the
connection it is given.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

import aiosqlite

from daemon.storage.data_dir import DATABASE, RESTORING, prepare, private_file, running_pid
from daemon.storage.failures import (
    DatabaseTooNew,
    FileGone,
    StorageBusy,
    StorageError,
    from_sqlite,
)
from daemon.storage.integrity import START_SECONDS, check_open
from daemon.storage.migrations import MIGRATIONS

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")
Job = Callable[[aiosqlite.Connection], Awaitable[T]]
Values = Iterable[Any]

BUSY_MS = 5000
GROUP_MAX = 256  # jobs in one transaction: bounds how long the first of them waits
log = logging.getLogger(__name__)


class _Pending(NamedTuple):
    job: Job[Any]
    done: asyncio.Future[Any]


class Database:
    """An open database. Make it with :meth:`open`; whoever opened it closes it."""

    def __init__(
        self, path: Path, writer: aiosqlite.Connection, reader: aiosqlite.Connection
    ) -> None:
        self.path = path
        self._writer = writer
        self._reader = reader
        self._pending: list[_Pending] = []
        self._scrubs: list[asyncio.Future[None]] = []
        self._wake = asyncio.Event()
        self._closing = False
        self._file = _identity(path)
        self._task = asyncio.get_running_loop().create_task(self._run(), name="database writer")

    @classmethod
    async def open(cls, data_dir: Path, *, daemon: bool = False) -> Self:
        """Open the file of the data directory, making and migrating it where needed.

        ``daemon`` tells that the caller holds the directory's :class:`DaemonLock`: a command
        beside a running daemon may not change the shape of what that daemon uses. A daemon
        looks through the file for damage first, for a second at most.

        Raises:
            StorageError: with a sentence for people.
        """
        path = prepare(data_dir) / DATABASE
        _refuse_half_restored(data_dir)
        writer = await _connect(private_file(path))
        try:
            if daemon and not await check_open(writer):
                log.info("%s was not looked through whole in %g s", path.name, START_SECONDS)
            await _migrate(writer, other=None if daemon else running_pid(data_dir))
            reader = await _connect(path)
        except sqlite3.Error as error:
            await writer.close()
            raise from_sqlite(error) from error
        except StorageError:
            await writer.close()
            raise
        await reader.execute("PRAGMA query_only = 1")
        return cls(path, writer, reader)

    async def write(self, job: Job[T]) -> T:
        """Run the job in a transaction; return when its result would survive a power cut."""
        return await self.submit(job)

    def submit(self, job: Job[T]) -> asyncio.Future[T]:
        """Hand the job over without waiting; its result or error is the future's."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._closing:
            done.set_exception(StorageError("The database is closed."))
        else:
            self._pending.append(_Pending(job, done))
            self._wake.set()
        return done

    async def execute(self, sql: str, values: Values = ()) -> int:
        """Write one statement; return how many rows it changed."""
        bound = tuple(values)

        async def job(connection: aiosqlite.Connection) -> int:
            return await changed(connection, sql, bound)

        return await self.write(job)

    async def all(self, sql: str, values: Values = ()) -> list[sqlite3.Row]:
        """Return the rows of a query, as of the last commit."""
        try:
            return list(await self._reader.execute_fetchall(sql, tuple(values)))
        except sqlite3.Error as error:
            raise from_sqlite(error) from error

    async def one(self, sql: str, values: Values = ()) -> sqlite3.Row | None:
        """Return the first row of a query, or None."""
        rows = await self.all(sql, values)
        return rows[0] if rows else None

    async def scrub(self) -> None:
        """Leave nothing of what was deleted: not in free pages, not in a page's gaps, not in the log.

        The file is written anew, while writers wait: some 100 MB in a second. ``secure_delete``
        alone is not enough: what SQLite moves to another page stays where it was.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._closing:
            raise StorageError("The database is closed.")
        self._scrubs.append(done)
        self._wake.set()
        await done

    async def close(self) -> None:
        """Write what was handed over, then close; a second call does nothing."""
        if self._closing:
            return
        self._closing = True
        self._wake.set()
        await self._task
        await self._reader.close()
        await self._writer.close()

    async def _run(self) -> None:
        while not (self._closing and not self._pending):
            await self._wake.wait()
            self._wake.clear()
            while self._pending:
                group, self._pending = self._pending[:GROUP_MAX], self._pending[GROUP_MAX:]
                await self._commit(group)
            scrubs, self._scrubs = self._scrubs, []
            if scrubs:
                await self._scrub(scrubs)

    async def _scrub(self, waiting: list[asyncio.Future[None]]) -> None:
        try:
            await self._writer.execute("VACUUM")
            rows = await self._writer.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
            if next(iter(rows))[0]:  # a command beside the daemon reads: the log stays for now
                raise StorageBusy("Another process reads the database.", user_action="Try again.")
        except (sqlite3.Error, StorageError) as error:
            shown = from_sqlite(error) if isinstance(error, sqlite3.Error) else error
            for done in waiting:
                if not done.done():
                    done.set_exception(shown)
        else:
            for done in waiting:
                if not done.done():
                    done.set_result(None)

    async def _commit(self, group: list[_Pending]) -> None:
        try:
            results = await self._transaction(group)
        except Exception as error:  # noqa: BLE001 - whatever a job raises is its caller's
            if len(group) == 1:
                _fail(group[0], error)
                return
            for pending in group:
                await self._commit([pending])
            return
        for pending, result in zip(group, results, strict=True):
            if not pending.done.done():
                pending.done.set_result(result)

    async def _transaction(self, group: list[_Pending]) -> list[Any]:
        connection = self._writer
        if _identity(self.path) != self._file:
            raise FileGone(
                "The file zapd.db was removed or replaced while zapd ran.",
                user_action="Put the data directory back, then restart zapd.",
            )
        try:
            await connection.execute("BEGIN IMMEDIATE")
            results = [await pending.job(connection) for pending in group]
            await connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                await connection.execute("ROLLBACK")
        return results


async def changed(connection: aiosqlite.Connection, sql: str, values: Values = ()) -> int:
    """Run a statement within a job; return how many rows it changed."""
    cursor = await connection.execute(sql, tuple(values))
    count = cursor.rowcount
    await cursor.close()
    return count


def _fail(pending: _Pending, error: Exception) -> None:
    shown = from_sqlite(error) if isinstance(error, sqlite3.Error) else error
    if shown is not error:
        shown.__cause__ = error
    if not pending.done.done():
        pending.done.set_exception(shown)


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells this file from another at its path; None where there is none.

    SQLite goes on writing to a file that was removed: it would be lost with the process, and
    what is answered as accepted must not be. Asking costs 2 µs a transaction.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


async def _connect(path: Path) -> aiosqlite.Connection:
    connection = await aiosqlite.connect(path, isolation_level=None, timeout=BUSY_MS / 1000)
    connection.row_factory = sqlite3.Row
    try:
        await connection.execute("PRAGMA journal_mode = WAL")
        for name, value in (
            ("synchronous", "FULL"),
            ("foreign_keys", "ON"),
            ("journal_size_limit", 64 << 20),
            ("secure_delete", "ON"),  # a forgotten message text leaves no copy in free pages
        ):
            await connection.execute(f"PRAGMA {name} = {value}")
    except sqlite3.Error as error:
        await connection.close()
        raise from_sqlite(error) from error
    return connection


async def _version(connection: aiosqlite.Connection) -> int:
    rows = list(await connection.execute_fetchall("PRAGMA user_version"))
    return int(rows[0][0])


async def _migrate(connection: aiosqlite.Connection, *, other: str | None) -> None:
    """Take the steps that the file lacks, all or none; two processes may try at once."""
    if await _version(connection) == len(MIGRATIONS):
        return
    await connection.execute("BEGIN IMMEDIATE")
    try:
        found = await _version(connection)
        _check_version(found, other)
        for step in MIGRATIONS[found:]:
            for statement in step:
                await connection.execute(statement)
        await connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        await connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            await connection.execute("ROLLBACK")


def refuse_newer(found: int) -> None:
    """Raise ``DatabaseTooNew`` for a version that this zapd does not know."""
    if found > len(MIGRATIONS):
        raise DatabaseTooNew(
            f"The database is of a newer zapd (version {found}; this one knows {len(MIGRATIONS)}).",
            user_action="Install that newer zapd, or put back the backup made before it: zapd restore FILE.",
        )


def _refuse_half_restored(data_dir: Path) -> None:
    if (data_dir / RESTORING).exists():
        raise StorageError(
            f"A restore of {data_dir} was cut off.", user_action="Do it again: zapd restore FILE."
        )


def _check_version(found: int, other: str | None) -> None:
    refuse_newer(found)
    if 0 < found < len(MIGRATIONS) and other:
        raise StorageError(
            f"The running daemon (pid {other}) is of an older zapd than this command.",
            user_action="Restart the daemon first.",
        )
