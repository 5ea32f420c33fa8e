"""Raw events on their way from Go's thread to the event loop, in order.

What must not be lost is given to ``keep`` first, on Go's thread: bytes and a number, nothing
is decoded there. The queue is bounded: at the bound Go waits a while, which costs nothing,
since WhatsApp keeps what is not acknowledged.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from sessions.provider.neonize import codes

if TYPE_CHECKING:
    from sessions.provider.neonize.core import Raw  # loads the core

#: What is journaled: content, but for typing and presence, which are worth nothing later.
JOURNALED = codes.CONTENT - {codes.CHAT_PRESENCE, codes.PRESENCE}

#: Writes an event to the journal; returns its number there, 0 where it cannot be kept.
Keep = Callable[[int, bytes], int]


class Bound(NamedTuple):
    """What may wait, in events and bytes, and how many seconds Go waits for room at most."""

    events: int = 20_000
    size: int = 32 * 1024 * 1024
    patience: float = 2.0


class Received(NamedTuple):
    """An event that waits; ``mark`` is its number in the journal, 0 for none."""

    code: int
    data: bytes
    mark: int = 0


_BOUND = Bound()


class Inbox:
    """A queue that any thread fills and one task empties; wake-ups are coalesced."""

    def __init__(self, loop: asyncio.AbstractEventLoop, keep: Keep, bound: Bound = _BOUND) -> None:
        """Wake a task of ``loop``; give ``keep`` what is ``JOURNALED``."""
        self._loop = loop
        self._keep = keep
        self._bound = bound
        self._waiting: deque[Received] = deque()
        self._size = 0
        self._filled = asyncio.Event()
        self._is_waking = False
        self._room = threading.Condition()
        self.taken = 0  # how many ever came: unchanged for a while means quiet
        self.overflowed = 0  # how many were queued over the bound, after a wait

    def put(self, raw: Raw) -> None:
        """Journal and queue; called on Go's thread. Waits only while the queue is full."""
        code, data = raw
        mark = self._keep(code, data) if code in JOURNALED else 0
        with self._room:
            if self._is_full() and code in codes.CONTENT:
                self._room.wait_for(lambda: not self._is_full(), self._bound.patience)
                self.overflowed += self._is_full()
            self._waiting.append(Received(code, data, mark))
            self._size += len(data)
        self.taken += 1
        if not self._is_waking:
            self._is_waking = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
                self._loop.call_soon_threadsafe(self._filled.set)

    def _is_full(self) -> bool:
        return len(self._waiting) >= self._bound.events or self._size >= self._bound.size

    def nudge(self) -> None:
        """Make a waiting ``next`` return, with nothing in it; called on the loop's thread."""
        self._filled.set()

    def pop(self) -> Received | None:
        """Return the oldest, if there is one."""
        # Lowered before looking: what comes after the look wakes again.
        self._is_waking = False
        if not self._waiting:
            return None
        with self._room:
            was_full = self._is_full()
            oldest = self._waiting.popleft()
            self._size -= len(oldest.data)
            if was_full and not self._is_full():
                self._room.notify_all()
        return oldest

    async def next(self, seconds: float | None) -> Received | None:
        """Return the oldest; None after ``seconds`` of nothing, or a nudge."""
        oldest = self.pop()
        if oldest is not None:
            return oldest
        self._filled.clear()
        if self._waiting:
            return self.pop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._filled.wait()
        return self.pop()
