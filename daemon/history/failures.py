"""What SQLite and the system refuse, as :class:`daemon.history.port.HistoryFailed`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.history.port import HistoryFailed

CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_SENTENCES: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_FULL: (
        "The disk that holds the history is full.",
        "Free some space; what waits is written by itself then.",
    ),
    sqlite3.SQLITE_READONLY: (
        "The history cannot be written: its file or folder is read-only.",
        "Give zapd's user the right to write there.",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "The history's file cannot be opened.",
        "Give zapd's user the right to it.",
    ),
    sqlite3.SQLITE_IOERR: (
        "The disk that holds the history fails.",
        "Look at the system's log, and at the disk.",
    ),
    sqlite3.SQLITE_BUSY: ("Another program holds the history's file.", "End that program."),
    **dict.fromkeys(
        CORRUPT,
        (
            "The history's file is damaged.",
            "Restart zapd: it sets the file aside and begins a new one.",
        ),
    ),
}


def from_sqlite(error: sqlite3.Error) -> HistoryFailed:
    """Return our error for one of SQLite's."""
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if primary in _SENTENCES:
        return HistoryFailed(*_SENTENCES[primary])
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return HistoryFailed(f"The history's database failed ({name}).", "See the daemon's log.")


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
        sentence = f"The history's file cannot be used: {error.strerror or error}."
        raise HistoryFailed(sentence, "Look at the disk and at the folder's rights.") from error
