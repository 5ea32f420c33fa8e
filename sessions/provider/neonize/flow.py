"""Whether events may leave: closed while the daemon does not take what was told already.

Nothing is decoded then. What comes stands in the journal and in the inbox; when that is full
Go waits, and WhatsApp keeps what is not acknowledged.
"""

from __future__ import annotations

import asyncio


class Flow:
    """A gate of one session."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._is_free = False

    @property
    def is_open(self) -> bool:
        """Whether events may leave."""
        return self._open.is_set()

    def pause(self) -> None:
        """Close, unless the session ends."""
        if not self._is_free:
            self._open.clear()

    def resume(self) -> None:
        """Open."""
        self._open.set()

    def free(self) -> None:
        """Open for good: the session ends, and what is left is bounded by the inbox."""
        self._is_free = True
        self._open.set()

    async def wait(self) -> None:
        """Wait until events may leave."""
        await self._open.wait()
