"""Work in the background that somebody waits for in the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger("zapd.sessions")


class Tasks:
    """Owns the tasks it began, and logs those that fail."""

    def __init__(self) -> None:
        """Own nothing yet."""
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def are_done(self) -> bool:
        """Whether nothing is under way."""
        return not self._tasks

    def own(self, work: Coroutine[Any, Any, None]) -> None:
        """Do work in the background; ``finish`` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def finish(self) -> None:
        """Return when all is done, also what is begun meanwhile."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("work on a session failed", exc_info=task.exception())
