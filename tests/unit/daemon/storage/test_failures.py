from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest

from daemon.errors import PROBLEMS, ApiError
from daemon.storage.failures import StorageBusy, StorageError, StorageFull, from_os, from_sqlite


def failure(code: int) -> sqlite3.Error:
    """Return an error as SQLite raises it."""
    error = sqlite3.OperationalError("…")
    error.sqlite_errorcode = code
    error.sqlite_errorname = "SQLITE_X"
    return error


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_FULL, StorageFull),
        (sqlite3.SQLITE_BUSY, StorageBusy),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, StorageBusy),
        (sqlite3.SQLITE_CORRUPT, StorageError),
        (sqlite3.SQLITE_IOERR, StorageError),
    ],
)
def test_each_failure_becomes_ours(code: int, kind: type[StorageError]) -> None:
    """SQLite's codes, the extended ones too, become errors that clients can be answered with."""
    error = from_sqlite(failure(code))
    assert type(error) is kind
    assert error.code in PROBLEMS
    assert ApiError.from_engine(error).status in {503, 507}


def test_the_systems_failures_become_ours() -> None:
    """A full disk is a full disk, whoever tells; anything else names the path."""
    full = from_os(OSError(errno.ENOSPC, "No space left on device"), Path("/x"))
    assert type(full) is StorageFull
    assert "/x cannot be used: Permission" in str(
        from_os(OSError(errno.EACCES, "Permission denied"), Path("/x"))
    )
