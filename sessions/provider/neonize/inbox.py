"""Raw events on their way from Go's thread to the event loop, in order.

The place where a journal can stand: what is put here is bytes with a number.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from sessions.provider.neonize.core import Raw


class Inbox:
    """A queue that any thread fills and one task empties; wake-ups are coalesced."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake a task of ``loop``."""
        self._loop = loop
        self._raws: deque[Raw] = deque()
        self._filled = asyncio.Event()
        self._is_waking = False
        self.taken = 0  # how many ever came: unchanged for a while means quiet

    def put(self, raw: Raw) -> None:
        """Queue; called on Go's thread."""
        self._raws.append(raw)
        self.taken += 1
        if not self._is_waking:
            self._is_waking = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
                self._loop.call_soon_threadsafe(self._filled.set)

    def nudge(self) -> None:
        """Make a waiting ``next`` return, with nothing in it; called on the loop's thread."""
        self._filled.set()

    def pop(self) -> Raw | None:
        """Return the oldest, if there is one."""
        # Lowered before looking: what comes after the look wakes again.
        self._is_waking = False
        return self._raws.popleft() if self._raws else None

    async def next(self, seconds: float | None) -> Raw | None:
        """Return the oldest; None after ``seconds`` of nothing, or a nudge."""
        raw = self.pop()
        if raw is not None:
            return raw
        self._filled.clear()
        if self._raws:
            return self.pop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._filled.wait()
        return self.pop()
