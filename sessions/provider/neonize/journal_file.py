"""The inbound journal's two files: the thin part that writes.

Nothing is synced: the page cache outlives a killed process, and a power cut is cut off the
end when the journal is read again.
"""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

from sessions.provider.neonize import journal
from sessions.provider.neonize.journal import CONFIRMED, Bound, Ledger, Record, Segment

FILES = ("inbound.0", "inbound.1")
_BOUND = Bound()


class Journal:
    """One session's journal, open. Any thread may ``append``; no method waits for a disk."""

    def __init__(self, store: str, bound: Bound = _BOUND) -> None:
        """Open or make the files in ``store``, and cut off what is not whole.

        Raises ``BlockingIOError`` while another process (a worker that drains) has them, else
        ``OSError`` where the system refuses.
        """
        self._paths = [Path(store) / name for name in FILES]
        self._fds: list[int] = []
        self._lock = threading.Lock()
        try:
            for path in self._paths:
                flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
                self._fds.append(os.open(path, flags, 0o600))
            fcntl.flock(self._fds[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._ledger = Ledger([self._stock(fd) for fd in self._fds], bound)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _stock(fd: int) -> Segment:
        segment = Segment(journal.read(_content(fd)))
        os.ftruncate(fd, segment.size)
        return segment

    @property
    def confirmed(self) -> int:
        """Up to which number the daemon has everything."""
        return self._ledger.confirmed

    def unconfirmed(self) -> list[Record]:
        """Return what the daemon may not have, oldest first; reads the files whole."""
        records = (record for fd in self._fds for record in journal.read(_content(fd)))
        confirmed = self._ledger.confirmed
        return sorted(r for r in records if r.code != CONFIRMED and r.sequence > confirmed)

    def append(self, code: int, data: bytes) -> int:
        """Write an event and return its number; 0 where the bound or the disk does not let it."""
        with self._lock:
            ledger = self._ledger
            index = ledger.place(len(data))
            if index is None or not self._fds:
                return 0
            try:
                if index != ledger.active:
                    self._empty(index)
                sequence = ledger.last + 1
                self._write(index, sequence, code, data)
            except OSError:
                return 0
            return sequence

    def confirm(self, mark: int) -> None:
        """Remember that the daemon has all up to ``mark``; called on the loop."""
        with self._lock:
            if not self._fds or not self._ledger.confirm(mark):
                return
            try:
                self._write(self._ledger.active, mark, CONFIRMED, b"")
                for index in self._ledger.spent():
                    self._empty(index)
            except OSError:
                return  # after a restart it is told again: twice is better than never

    def _empty(self, index: int) -> None:
        """Empty a segment; one that is in use begins with what was confirmed."""
        os.ftruncate(self._fds[index], 0)
        self._ledger.emptied(index)
        if index == self._ledger.active:
            self._write(index, self._ledger.confirmed, CONFIRMED, b"")

    def _write(self, index: int, sequence: int, code: int, data: bytes) -> None:
        """Write one record whole, or nothing of it: a torn one would hide all after it."""
        fd = self._fds[index]
        head = journal.head(sequence, code, data)
        size = self._ledger.segments[index].size
        try:
            written = os.writev(fd, (head, data)) if data else os.write(fd, head)
        except OSError:
            os.ftruncate(fd, size)
            raise
        if written != len(head) + len(data):
            os.ftruncate(fd, size)
            raise OSError("The disk is full.")
        self._ledger.added(index, sequence, code, len(data))

    def close(self) -> None:
        """Close the files; what is appended afterwards is not kept."""
        with self._lock:
            fds, self._fds = self._fds, []
            for fd in fds:
                os.close(fd)

    def discard(self) -> None:
        """Close and delete the files: what they hold is of an account that is gone."""
        self.close()
        for path in self._paths:
            path.unlink(missing_ok=True)


def _content(fd: int) -> bytes:
    """Return all that a file holds; the writer's place is its end, wherever we read."""
    size = os.fstat(fd).st_size
    parts = []
    place = 0
    while place < size and (part := os.pread(fd, size - place, place)):
        parts.append(part)
        place += len(part)
    return b"".join(parts)
