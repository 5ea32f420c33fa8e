"""When a session leaves the worker in which it paired: its first history sync is in, or never comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sessions.ids import SessionKey
from sessions.manager.live import LiveSession


class Settling:
    """One timer a session that sits alone."""

    def __init__(self, seconds: float, settle: Callable[[LiveSession], None]) -> None:
        """Small accounts send no history: after ``seconds`` of a line they ``settle`` without."""
        self.seconds = seconds
        self._settle = settle
        self._timers: dict[SessionKey, asyncio.TimerHandle] = {}

    def begin(self, live: LiveSession) -> None:
        """Wait for the history of a session that just connected, from now on."""
        self.cancel(live.key)
        loop = asyncio.get_running_loop()
        self._timers[live.key] = loop.call_later(self.seconds, self._over, live)

    def cancel(self, key: SessionKey) -> None:
        """Wait no more for a session's history."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    def cancel_all(self) -> None:
        """Wait for nothing any more."""
        for key in list(self._timers):
            self.cancel(key)

    def _over(self, live: LiveSession) -> None:
        if live.is_connected:
            self._settle(live)
