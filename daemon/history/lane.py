"""One thread with one connection of its own to ``history.db``.

The connection is made when it is first needed, and again after it was lost: where the disk was
full or the folder could not be read at the start, history begins by itself as soon as it can.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from daemon.history.failures import check_version, is_corrupt, translated
from daemon.history.port import HistoryFailed
from daemon.history.schema import DDL, UPGRADES, VERSION
from daemon.storage.data_dir import prepare, private_file

log = logging.getLogger("zapd.history")
T = TypeVar("T")

_CACHE_KIB = 64 * 1024
_CHECKPOINT_PAGES = (
    4000  # 16 MB of log, then it goes into the file: some 20 ms of the writer's time
)
_LOG_BYTES = 64 << 20  # what the log may keep of the disk when a long reader has let it grow
_CLOSE_SECONDS = 5.0  # for what is under way at the end; then SQLite is told to break off
_BUSY_SECONDS = 5.0
_OF_WRITER = (
    ("auto_vacuum", "INCREMENTAL"),  # heeded by a file that is still empty
    ("journal_mode", "WAL"),
    ("synchronous", "NORMAL"),
    ("wal_autocheckpoint", _CHECKPOINT_PAGES),  # never waits for a reader
    ("journal_size_limit", _LOG_BYTES),
    ("secure_delete", "ON"),
)


class Lane:
    """Does work on its thread, one after the other, on its connection."""

    def __init__(
        self,
        path: Path,
        name: str,
        mend: Callable[[sqlite3.Error], None] | None = None,
        cache_kib: int = _CACHE_KIB,
    ) -> None:
        """Only a lane with ``mend`` writes; that is called where the file is damaged.

        SQLite keeps up to ``cache_kib`` of the file in memory for it.
        """
        self.path = path
        self._cache_kib = cache_kib
        self._mend = mend
        self._thread = ThreadPoolExecutor(1, name)
        self._connection: sqlite3.Connection | None = None
        self._inode = (0, 0)
        self._closed = False

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what ``work`` returns. Raises ``HistoryFailed`` for what is refused."""
        if self._closed:
            raise HistoryFailed("The history is closed.")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, work)

    async def close(self) -> None:
        """Close the connection after what is under way; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        last = loop.run_in_executor(self._thread, self.drop)
        done, _ = await asyncio.wait([last], timeout=_CLOSE_SECONDS)
        if not done and self._connection is not None:
            self._connection.interrupt()  # what was not committed is rolled back
        await last
        self._thread.shutdown()

    @property
    def connection(self) -> sqlite3.Connection | None:
        """The connection, if there is one. For the lane's own thread."""
        return self._connection

    def drop(self) -> None:
        """Close the connection; the next work gets a new one. For the lane's own thread."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with translated():
            try:
                return work(self._connected())
            except sqlite3.DatabaseError as error:
                if self._mend is None or not is_corrupt(error):
                    raise
                self._mend(error)
                return work(self._connected())

    def _connected(self) -> sqlite3.Connection:
        if self._connection is not None and self._identity() != self._inode:
            # What is written to a file without a name would be gone at the next start.
            log.error("%s was removed or replaced: it is opened anew", self.path.name)
            self.drop()
        if self._connection is None:
            private_file(prepare(self.path.parent) / self.path.name)
            self._connection = connect(
                self.path, writes=self._mend is not None, cache_kib=self._cache_kib
            )
            self._inode = self._identity()
        return self._connection

    def _identity(self) -> tuple[int, int]:
        try:
            found = os.stat(self.path)  # noqa: PTH116 - each batch asks: half the time of Path's
        except FileNotFoundError:
            return (0, 0)
        return (found.st_dev, found.st_ino)


def connect(path: Path, *, writes: bool, cache_kib: int = _CACHE_KIB) -> sqlite3.Connection:
    """Open the file, with its tables; used by one thread at a time. Raises ``sqlite3.Error``."""
    connection = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute(f"PRAGMA cache_size = {-cache_kib}")
        made = _version(connection) == VERSION
        if writes or not made:
            for name, value in _OF_WRITER:
                connection.execute(f"PRAGMA {name} = {value}")
        if not made:
            _make(connection, path)
        if not writes:  # and nothing that needs room: it must open on a full disk too
            connection.execute("PRAGMA query_only = 1")
    except BaseException:
        connection.close()
        raise
    return connection


def _make(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    found = _version(connection)  # anew: the other lane may have made it meanwhile
    check_version(path, found, VERSION)
    if found == 0:
        for statement in DDL:
            connection.execute(statement)
    elif found < VERSION:
        _upgrade(connection, path, found)
    connection.execute("COMMIT")


def _upgrade(connection: sqlite3.Connection, path: Path, found: int) -> None:
    log.warning(
        "%s is of an earlier zapd: it is brought up to date, some 15 s a million messages",
        path.name,
    )
    for version in range(found, VERSION):
        for statement in UPGRADES[version]:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def set_aside(path: Path) -> str:
    """Rename a damaged file, with its log, for whoever can mend it; return its new name."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for end in ("", "-wal", "-shm"):
        part = path.with_name(path.name + end)
        if part.exists():
            part.rename(aside.with_name(aside.name + end))
    log.error("%s is damaged: it was renamed to %s and a new one is begun", path.name, aside.name)
    return aside.name
