"""What SQLite and the system refuse, as :class:`daemon.history.port.HistoryFailed`."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.history.port import HistoryFailed, RecordRefused
from sessions.errors import EngineError

_CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
#: The records' fault, not the store's: they will never do.
_REFUSED = frozenset(
    {
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_RANGE,
        sqlite3.SQLITE_TOOBIG,
    }
)
_FULL = (
    "The disk that holds the history is full.",
    "Free some space; what waits is written by itself then.",
)
_READ_ONLY = (
    "The history cannot be written: its file or folder is read-only.",
    "Give zapd's user the right to write there; what waits is written by itself then.",
)
_SENTENCES: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: (
        "The history's file, or one beside it, cannot be opened.",
        "Give zapd's user the right to it, and look at the number of open files.",
    ),
    sqlite3.SQLITE_IOERR: (
        "The disk that holds the history fails.",
        "Look at the system's log, and at the disk.",
    ),
    sqlite3.SQLITE_BUSY: ("Another program holds the history's file.", "End that program."),
    **dict.fromkeys(
        _CORRUPT,
        (
            "A part of the history's file is damaged.",
            "Mend the file with sqlite3's .recover while zapd is stopped, or move it away.",
        ),
    ),
}
_OF_SYSTEM = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _READ_ONLY,
    errno.EPERM: _READ_ONLY,
}


def is_corrupt(error: sqlite3.Error) -> bool:
    """Tell whether the file is damaged, rather than just not to be used for now."""
    return _primary(error) in _CORRUPT


def is_corrupt_index(error: sqlite3.Error) -> bool:
    """Tell whether only the search index is damaged: it can be made again from the messages."""
    return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_CORRUPT_VTAB


def from_sqlite(error: sqlite3.Error) -> HistoryFailed:
    """Return our error for one of SQLite's."""
    primary = _primary(error)
    if primary in _SENTENCES:
        return HistoryFailed(*_SENTENCES[primary])
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    # Without a code it is sqlite3's own: a value of a type that it cannot bind.
    shape = RecordRefused if primary in _REFUSED or not primary else HistoryFailed
    return shape(f"The history's database failed ({name}).", "See the daemon's log.")


def from_system(error: OSError) -> HistoryFailed:
    """Return our error for one of the system's."""
    if error.errno in _OF_SYSTEM:
        return HistoryFailed(*_OF_SYSTEM[error.errno])
    sentence = f"The history's file cannot be used: {error.strerror or error}."
    return HistoryFailed(sentence, "Look at the disk and at the folder's rights.")


def check_version(path: Path, found: int, known: int) -> None:
    """Raise for a file of a newer zapd."""
    if found > known:
        raise HistoryFailed(
            f"{path.name} is of a newer zapd (version {found}; this one knows {known}).",
            "Install that newer zapd, or move the file away.",
        )


@contextmanager
def translated() -> Iterator[None]:
    """Raise ``HistoryFailed`` for what SQLite or the system refuses."""
    try:
        yield
    except sqlite3.Error as error:
        raise from_sqlite(error) from error
    except OSError as error:
        raise from_system(error) from error
    except EngineError as error:  # of the data directory
        if isinstance(error.__cause__, OSError):
            raise from_system(error.__cause__) from error
        raise HistoryFailed(str(error), error.user_action) from error
    except (TypeError, ValueError, OverflowError) as error:  # half a surrogate, 2**64
        sentence = f"A record cannot be stored ({type(error).__name__})."
        raise RecordRefused(sentence, "See the daemon's log.") from error


def _primary(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
