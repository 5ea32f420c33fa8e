"""History as the daemon has it: a store, the flusher before it, and what is due each minute."""

from __future__ import annotations

import asyncio
import importlib
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Self

from daemon.history.flusher import Bounds, Flusher, OnDurable
from daemon.history.models import Health
from daemon.history.port import HistoryFailed, HistoryStore
from daemon.history.spill import Spill
from daemon.history.sqlite import SqliteHistory
from sessions.ids import SessionKey

if TYPE_CHECKING:
    from daemon.config.settings import Settings
    from sessions.ports import Clock

log = logging.getLogger("zapd.history")

_DAY_MS = 86_400_000
_PRUNE_SECONDS = 60.0
_OPEN_SECONDS = 20.0  # of a start; a large file of an earlier zapd takes longer
_ERASE_SECONDS = 600.0  # for what waits to be written first
_SWITCH_SECONDS = 0.001
_SUPABASE = "daemon.history.supabase"


class History:
    """What remembers. Made by :meth:`open`; whoever opened it runs it and closes it."""

    def __init__(
        self, store: HistoryStore, flusher: Flusher, clock: Clock, days: int, max_bytes: int
    ) -> None:
        """``days`` and ``max_bytes`` are how much is kept; 0 is no bound."""
        self.store = store
        self.flusher = flusher
        self._clock = clock
        self._days = days
        self._max_bytes = max_bytes
        self._prune_failed = False

    @classmethod
    async def open(cls, settings: Settings, clock: Clock, on_durable: OnDurable) -> Self:
        """Return the history that the settings ask for, which is not ``off``.

        A store that cannot be opened now is told by :meth:`health` and opened when it can be.
        """
        # The thread that writes needs the interpreter for moments, often; with Python's 5 ms a
        # wait it would fall behind while the event loop is busy (decision 16).
        sys.setswitchinterval(_SWITCH_SECONDS)
        store = await _store(settings)
        spill = Spill(settings.data_dir, settings.history_spill)
        try:
            await asyncio.to_thread(spill.open)
        except HistoryFailed as error:
            log.error("%s What waited on disk is not read: restart zapd when it is mended.", error)  # noqa: TRY400 - a sentence, not a bug
        flusher = Flusher(store, spill, on_durable, Bounds(backlog=settings.history_backlog))
        return cls(store, flusher, clock, settings.history_days, settings.history_max_bytes)

    def health(self) -> Health:
        """Return how it stands."""
        health = self.flusher.health()
        return health if health.sentence else health._replace(sentence=self.store.notice)

    async def run(self) -> None:
        """Write what comes and let go of what is too old, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.flusher.run())
            if self._days or self._max_bytes:
                tasks.create_task(self._retain())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Run it for as long as the block lasts."""
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.run())
            try:
                yield self
            finally:
                running.cancel()

    async def close(self, seconds: float = 5.0) -> None:
        """Write what waits, or put it into the spill, and close the store; after :meth:`run`."""
        await self.flusher.close(seconds)
        with suppress(HistoryFailed):
            await self.store.close()

    async def erase_contact(self, key: SessionKey, jids: frozenset[str]) -> dict[str, int]:
        """Remove what is of these addresses, with what waits to be written; count by kind.

        What waits is written first. Raises ``HistoryFailed`` where the store refuses or cannot
        follow: nothing is erased then, or some of it, and asking again goes on.
        """
        try:
            async with asyncio.timeout(_ERASE_SECONDS):
                await self.flusher.flush()
        except TimeoutError as error:
            raise HistoryFailed(
                "What waits for the history is too much to be written now.",
                "Try again when /readyz says that history is ok.",
            ) from error
        return await self.store.erase_contact(key, jids)

    async def _retain(self) -> None:
        while True:
            older_than = self._clock.now_ms() - self._days * _DAY_MS if self._days else None
            try:
                gone = await self.store.prune(older_than, self._max_bytes or None)
            except HistoryFailed as error:
                if not self._prune_failed:
                    log.warning("old messages stay in the history for now: %s", error)
                self._prune_failed = True
            else:
                self._prune_failed = False
                if gone:
                    log.info("%d messages left the history", gone)
            await asyncio.sleep(_PRUNE_SECONDS)


async def _store(settings: Settings) -> HistoryStore:
    if settings.history == "supabase" and settings.supabase_url and settings.supabase_key:
        # By name: the client costs 0.15 s and 27 MiB, which only this needs.
        module = importlib.import_module(_SUPABASE)
        remote: HistoryStore = module.SupabaseHistory(
            settings.supabase_url, settings.supabase_key.reveal()
        )
        return remote
    store = SqliteHistory(settings.data_dir)
    try:
        async with asyncio.timeout(_OPEN_SECONDS):
            await store.ready()
    except HistoryFailed as error:
        log.error("%s %s", error, error.user_action or "")  # noqa: TRY400 - a sentence, not a bug
    except TimeoutError:
        log.warning("%s is not ready yet: zapd starts without it for now", store.path.name)
    return store
