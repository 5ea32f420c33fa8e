"""How messages leave ``history.db``: by age and size, and without a trace."""

from __future__ import annotations

import sqlite3

from daemon.history.port import HistoryFailed
from daemon.history.schema import first_number

_PRUNE_BATCH = 1000
_MERGE_PAGES = 500  # of the search index, a step
_VACUUM_PAGES = 500  # given back to the disk, a step
_SPARE_PAGES = 2000  # 8 MB stay free in the file: what comes next needs them again
_END = (1 << 63) - 1


def prune(connection: sqlite3.Connection, older_than: int | None, most_bytes: int | None) -> int:
    """Delete some of the oldest messages that are too old or too many; return how many."""
    bound = first_number(older_than) if older_than is not None else None
    if most_bytes is not None and used_bytes(connection) > most_bytes:
        bound = _END
    if bound is None:
        return 0
    sql = "DELETE FROM messages WHERE n IN (SELECT n FROM messages WHERE n < ? LIMIT ?)"
    return connection.execute(sql, (bound, _PRUNE_BATCH)).rowcount


def give_back(connection: sqlite3.Connection) -> bool:
    """Give some free pages at the file's end back to the disk; return whether there are more."""
    free = _pragma(connection, "freelist_count") - _SPARE_PAGES
    if free <= 0:
        return False
    connection.execute(f"PRAGMA incremental_vacuum({min(free, _VACUUM_PAGES)})").fetchall()
    return free > _VACUUM_PAGES


def merge(connection: sqlite3.Connection, *, begin: bool) -> bool:
    """Do a step towards one segment of the index, without deleted words; return whether to go on.

    As FTS5's ``optimize`` does it at once, which holds back writes for as long as it takes: the
    first step has a negative number and chooses the segments, the others go on with them.
    """
    before = connection.total_changes
    pages = -_MERGE_PAGES if begin else _MERGE_PAGES
    connection.execute("INSERT INTO words(words, rank) VALUES('merge', ?)", (pages,))
    return connection.total_changes - before >= 2  # noqa: PLR2004 - the command itself counts as one


def empty_log(connection: sqlite3.Connection) -> None:
    """Move all of the log into the file and cut it to nothing. Raises ``HistoryFailed``."""
    busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    if busy:
        raise HistoryFailed(
            "Another program, such as a backup, reads the history's file and keeps its log.",
            "Try again when it has ended.",
        )


def rewrite(connection: sqlite3.Connection) -> None:
    """Write the whole file anew, without its gaps and free pages; some seconds a gigabyte."""
    connection.execute("VACUUM")


def used_bytes(connection: sqlite3.Connection) -> int:
    """Return what the file holds; free pages are used again, so they do not count."""
    pages = _pragma(connection, "page_count") - _pragma(connection, "freelist_count")
    return pages * _pragma(connection, "page_size")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
