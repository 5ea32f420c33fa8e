"""History, the engine's keeper over it, and the warm start: one thing for the composition root."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from daemon.history.history import History
from daemon.services.history.keeper import HistoryKeeper
from daemon.services.history.warm_start import WarmStart
from daemon.services.people.past import Past, past_of

if TYPE_CHECKING:
    from daemon.config.settings import Settings
    from sessions.manager import SessionManager
    from sessions.ports import Clock


class Remembering:
    """What the daemon remembers beyond its RAM. Whoever opened it begins it and closes it."""

    def __init__(self, history: History, keeper: HistoryKeeper, clock: Clock) -> None:
        """Join what is open already (called by :meth:`open`)."""
        self.history = history
        self.keeper = keeper
        self._clock = clock
        self._running: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, settings: Settings, clock: Clock) -> Self:
        """Open the history that the settings ask for, which is not ``off``."""
        keeper = HistoryKeeper()
        history = await History.open(settings, clock, keeper.durable)
        keeper.over(history.store, history.flusher)
        return cls(history, keeper, clock)

    @property
    def past(self) -> Past:
        """What exports and erasures need of it."""
        return past_of(self.history.store, self.history.flusher.flush)

    async def begin(self, manager: SessionManager) -> None:
        """Write from here on, and fill the caches; the newest chats are in when this returns."""
        warm = WarmStart(manager, self.keeper, self.history, self._clock)
        self._running = asyncio.get_running_loop().create_task(self._run(warm))
        await warm.head_start()

    async def _run(self, warm: WarmStart) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.history.run())
            tasks.create_task(self.keeper.run())
            tasks.create_task(warm.run())

    async def run(self) -> None:
        """Last as long as it runs, and fail as it does; until cancelled."""
        if self._running is not None:
            await asyncio.shield(self._running)

    async def close(self) -> None:
        """Write what waits, and close the store. A second call does nothing."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        await self.history.close()
