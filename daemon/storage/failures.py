"""What storage refuses, in the engine's own kind, so that it reaches clients as a problem.

::

    StorageError           the database or its directory cannot be used
    ├── StorageFull        no space left: nothing was written, nothing accepted before is lost
    ├── StorageBusy        another process held the database for too long
    ├── FileGone           somebody removed the file while it was open
    ├── DatabaseTooNew     a newer zapd wrote it
    └── AlreadyRunning     another daemon has this data directory
"""

from __future__ import annotations

import errno
import sqlite3
from typing import TYPE_CHECKING

from sessions.errors import EngineError

if TYPE_CHECKING:
    from pathlib import Path

_MEND_DISK = "Free some space on the server's disk, then try again."


class StorageError(EngineError):
    """The database or its directory cannot be used."""

    code = "storage_failed"


class StorageFull(StorageError):
    """No space is left; what was to be written is not, what was accepted before is."""

    code = "storage_full"


class StorageBusy(StorageError):
    """Another process held the database for longer than we wait."""

    code = "storage_busy"


class FileGone(StorageError):
    """The file is not the one that was opened: what is written to it would be lost."""


class DatabaseTooNew(StorageError):
    """The database is of a newer zapd."""

    code = "database_too_new"


class AlreadyRunning(StorageError):
    """Another daemon runs on this data directory."""

    code = "already_running"


def from_sqlite(error: sqlite3.Error) -> StorageError:
    """Return our error for one of SQLite's."""
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        return StorageFull("The server's disk is full.", user_action=_MEND_DISK)
    if primary in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StorageBusy("The database is held by another process.", user_action="Try again.")
    if primary in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return StorageError(
            "The file zapd.db is damaged or no database.",
            user_action="Stop zapd, then put a backup back: zapd restore FILE.",
        )
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return StorageError(f"The database failed ({name}).", user_action="See the daemon's log.")


def from_os(error: OSError, path: Path) -> StorageError:
    """Return our error for one of the system's about a path."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StorageFull(f"No space is left for {path}.", user_action=_MEND_DISK)
    return StorageError(
        f"{path} cannot be used: {error.strerror or error}.",
        user_action="Give zapd's user the right to it, or choose another ZAPD_DATA_DIR.",
    )
