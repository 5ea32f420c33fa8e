"""A small file of records beside the journal, written anew at each start. Its form is the journal's.

Nothing is synced, and a disk that gives nothing costs only what the file is for.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from sessions.provider.neonize import journal
from sessions.provider.neonize.journal import Record


class RecordFile:
    """One file, ``0600``, that grows to ``most`` bytes in one life."""

    def __init__(self, path: Path, most: int) -> None:
        """Nothing is opened before ``begin``."""
        self._path = path
        self._most = most
        self._fd = -1
        self._size = 0

    def read(self) -> list[Record]:
        """Return what an earlier life wrote. Raises ``OSError`` where the system refuses."""
        return list(journal.read(self._path.read_bytes())) if self._path.exists() else []

    def begin(self, records: list[Record]) -> None:
        """Replace the file by one of these records. Raises ``OSError``."""
        self.close()
        fresh = self._path.with_suffix(".new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(fresh, flags, 0o600)
        self._size = 0
        self._write(b"".join(journal.head(*record) + record.data for record in records))
        fresh.replace(self._path)

    def append(self, record: Record) -> bool:
        """Write a record; False where the bound or a full disk ended the file for this life."""
        if self._fd >= 0:
            self._write(journal.head(*record) + record.data)
        return self._fd >= 0

    def _write(self, line: bytes) -> None:
        written = 0
        if self._size + len(line) <= self._most:
            with contextlib.suppress(OSError):
                written = os.write(self._fd, line)
        self._size += written
        if written < len(line):
            self.close()

    def close(self) -> None:
        """Close the file."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def discard(self) -> None:
        """Close and delete the file."""
        self.close()
        self._path.unlink(missing_ok=True)
