"""Many rows in one statement, so that SQLite works on them without Python's lock.

sqlite3 gives the interpreter's lock back for each step and has to wait for it after each: up to
``sys.getswitchinterval()`` while the event loop is busy. ``executemany`` takes a step a row; of
these statements there are a few a batch. Statements come in few sizes, so that SQLite's compiled
form is used again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, TypeVar

T = TypeVar("T")

SIZES = (512, 128, 32, 8, 1)
"""Rows of a statement. The largest binds 6,000 values, which holds the lock for less than a
millisecond, and is well within SQLite's 32,766 parameters."""


class Bulk:
    """A statement with a list of rows, or of single values, at its ``{}``."""

    def __init__(self, sql: str, columns: int) -> None:
        row = f"({', '.join('?' * columns)})" if columns else "?"
        self._sql = {size: sql.format(", ".join([row] * size)) for size in SIZES}

    def run(
        self, connection: sqlite3.Connection, rows: Sequence[tuple[Any, ...]], *before: object
    ) -> Iterator[tuple[Any, ...]]:
        """Run it for all rows; yield what it gives. ``before`` are values ahead of the rows."""
        for part in slices(rows):
            values = (*before, *chain.from_iterable(part))
            yield from connection.execute(self._sql[len(part)], values).fetchall()

    def do(self, connection: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run it for all rows; it gives nothing."""
        for part in slices(rows):
            connection.execute(self._sql[len(part)], tuple(chain.from_iterable(part)))


def slices(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield the rows in parts of our sizes, large ones first."""
    at = 0
    for size in SIZES:
        while len(rows) - at >= size:
            yield rows[at : at + size]
            at += size
