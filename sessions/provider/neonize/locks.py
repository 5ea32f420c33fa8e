"""One lock around all calls into Go.

The library keeps its clients in plain Go maps: a read beside a write ends the process. Every
call reads them when it begins; a start and a stop write them. A start also reads them once
more when its connection stands, so it holds the lock until it has settled: exclusively for
its first moment, then as a reader, which keeps other starts and stops away, not calls.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class GoLock:
    """Many readers or one writer; writers first. Not bound to threads: whoever holds may pass on."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._readers = 0
        self._writing = False
        self._waiting_writers = 0

    def acquire_read(self) -> None:
        """Wait until nobody writes or waits to, then enter."""
        with self._changed:
            self._changed.wait_for(lambda: not self._writing and not self._waiting_writers)
            self._readers += 1

    def release_read(self) -> None:
        """Leave as a reader."""
        with self._changed:
            self._readers -= 1
            self._changed.notify_all()

    def acquire_write(self, timeout: float | None = None) -> bool:
        """Wait until nobody is inside, then enter alone; False if that took too long."""
        with self._changed:
            self._waiting_writers += 1
            try:
                entered = self._changed.wait_for(
                    lambda: not self._writing and not self._readers, timeout
                )
                self._writing = self._writing or entered
            finally:
                self._waiting_writers -= 1
                self._changed.notify_all()
        return entered

    def release_write(self) -> None:
        """Leave as the writer."""
        with self._changed:
            self._writing = False
            self._changed.notify_all()

    def downgrade(self) -> None:
        """Go on as a reader after having written."""
        with self._changed:
            self._writing = False
            self._readers += 1
            self._changed.notify_all()

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Hold the lock for one call."""
        self.acquire_read()
        try:
            yield
        finally:
            self.release_read()


class StartHold:
    """What a starting client holds of the lock, until it has settled. Each step may come twice."""

    def __init__(self, lock: GoLock) -> None:
        self._lock = lock
        self._step = threading.Lock()
        self._held = ""

    def begin(self) -> None:
        """Enter alone: the client is about to be written into the maps."""
        self._lock.acquire_write()
        self._held = "write"

    def relax(self) -> None:
        """Let calls in again: the maps are written, the connection is awaited."""
        with self._step:
            if self._held == "write":
                self._lock.downgrade()
                self._held = "read"

    def resume(self) -> None:
        """Enter as a reader: a pairing succeeded, and the maps are about to be read."""
        self._lock.acquire_read()
        with self._step:
            self._held = "read"

    def settle(self) -> None:
        """Leave: the client touches the maps no more until it is stopped."""
        with self._step:
            held, self._held = self._held, ""
            if held == "write":
                self._lock.release_write()
            elif held == "read":
                self._lock.release_read()
