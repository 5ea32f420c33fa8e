"""Whether a SQLite file is sound."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

from daemon.storage.failures import StorageError, from_sqlite

if TYPE_CHECKING:
    from pathlib import Path

    import aiosqlite

START_SECONDS = 1.0
"""How long a start may be held up; in half of that SQLite looks through some 500 MB in cache."""

_CHECK = "PRAGMA quick_check(1)"
_STEPS = 10_000  # of SQLite's machine between two looks at the clock: less than a millisecond
BUSY_SECONDS = 5.0


async def check_open(connection: aiosqlite.Connection, seconds: float = START_SECONDS) -> bool:
    """Look through an open database; False where the time was not enough for all of it.

    Raises ``StorageError`` for a damaged one.
    """
    deadline = time.monotonic() + seconds
    await connection.set_progress_handler(lambda: int(time.monotonic() > deadline), _STEPS)
    try:
        found = list(await connection.execute_fetchall(_CHECK))
    except sqlite3.Error as error:
        if _code(error) == sqlite3.SQLITE_INTERRUPT:
            return False
        raise from_sqlite(error) from error
    finally:
        await connection.set_progress_handler(None, 0)  # type: ignore[arg-type]  # None takes it away
    if found[0][0] != "ok":
        raise damaged("zapd.db")
    return True


def check_file(path: Path) -> int:
    """Look through a closed file, all of it; return its ``user_version``.

    Raises ``StorageError`` for a damaged one.
    """
    try:
        with closing(connect(path)) as connection:
            found = connection.execute(_CHECK).fetchone()
            version = connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        if _code(error) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise damaged(path.name) from error
        raise from_sqlite(error) from error
    if found[0] != "ok":
        raise damaged(path.name)
    return int(version[0])


def connect(path: Path) -> sqlite3.Connection:
    """Open a file that is there. Raises ``sqlite3.Error``."""
    uri = f"{path.absolute().as_uri()}?mode=rw"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)


def damaged(name: str) -> StorageError:
    """Return what is told of a damaged file."""
    return StorageError(
        f"The file {name} is damaged.",
        user_action="Stop zapd, then put a backup back: zapd restore FILE.",
    )


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
