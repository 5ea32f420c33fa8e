"""Keeps sessions hosted: places them in workers, moves them, renews workers that have grown.

A session that pairs gets a worker of its own. When its first history sync is in, it moves
to the pool (or its worker joins the pool, where no other has room). What happens inside a
worker's slot is in ``slot``.
"""

from __future__ import annotations

import asyncio
import logging

from sessions.commands import AnyAnswer, AnyCommand, Start
from sessions.errors import SessionNotConnected
from sessions.ids import SessionKey
from sessions.models import ProviderName
from sessions.provider.optional import Counts
from sessions.worker.governor import Governor
from sessions.worker.health import Health
from sessions.worker.process import Death
from sessions.worker.slot import Listener, Plan, Shared, Worker

__all__ = ["Listener", "Plan", "Supervisor", "Worker"]

log = logging.getLogger("zapd.supervisor")


class Supervisor:
    """All workers of the daemon."""

    def __init__(self, plan: Plan, listener: Listener) -> None:
        """Run workers by ``plan``; tell ``listener`` what happens to sessions."""
        self._plan = plan
        self._listener = listener
        self._workers: dict[Worker, asyncio.Task[None]] = {}
        self._homes: dict[SessionKey, Worker] = {}
        self._confirmed: dict[SessionKey, int] = {}  # outlives workers, so that it can be told on
        self._governor = Governor(plan.pace)
        self._health = Health()
        self._renewal: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def workers(self) -> list[Worker]:
        """The slots in use."""
        return list(self._workers)

    def hosts(self, key: SessionKey) -> bool:
        """Tell whether the session has a worker, alive or about to be."""
        return key in self._homes

    def is_alone(self, key: SessionKey) -> bool:
        """Tell whether the session still sits in the worker in which it paired."""
        home = self._homes.get(key)
        return home is not None and not home.pooled

    def host(self, key: SessionKey, start: Start, *, alone: bool) -> None:
        """Place the session: in a worker of its own to pair, else in the pool.

        A person asked for it, or the daemon began: how often it was started before is forgotten.
        """
        self._governor.forgive(key)
        self._host(key, start, alone=alone)

    def _host(self, key: SessionKey, start: Start, *, alone: bool) -> None:
        if key not in self._homes and not self._closing:
            worker = None if alone else self._with_room(start.provider)
            self._place(worker or self._open(start.provider, pooled=not alone), key, start)

    async def release(self, key: SessionKey, *, throw_away: bool = False) -> None:
        """Stop hosting the session. ``throw_away``: its worker holds nothing worth a drain."""
        worker = self._homes.pop(key, None)
        if worker is None:
            return
        throw_away = throw_away and worker.sessions.keys() == {key}  # never its neighbours
        if not throw_away:
            await worker.remove(key)
        worker.sessions.pop(key, None)
        if not worker.sessions:
            await self._close(worker, throw_away=throw_away)

    async def settle(self, key: SessionKey) -> None:
        """Bring a session whose history is in from its pairing worker to the pool."""
        worker = self._homes.get(key)
        if worker is None or worker.pooled:
            return
        if self._with_room(worker.provider) is None:
            worker.pooled = True
            return
        start = worker.sessions[key]
        self._listener.session_lost(key, Death.MOVED)
        await self.release(key)
        self._host(key, start, alone=False)  # whoever has room by now

    def confirm(self, key: SessionKey, mark: int) -> None:
        """Take that all of the session up to ``mark`` need not be told again; its worker hears."""
        self._confirmed[key] = mark
        for worker in self._workers:
            if key in worker.sessions:
                worker.confirm(key)

    def confirmed(self, key: SessionKey) -> int:
        """Return up to which mark of the session nothing need be told again; 0 for none."""
        return self._confirmed.get(key, 0)

    def forget(self, key: SessionKey) -> None:
        """Drop what was confirmed and counted of a session that is deleted."""
        self._confirmed.pop(key, None)
        self._health.forget(key)

    def counts(self, key: SessionKey) -> Counts:
        """Return how often the session's providers fell short, since the daemon began."""
        return self._health.of(key)

    @property
    def total(self) -> Counts:
        """The same of all sessions that there were: for a metric, since it never falls."""
        return self._health.total

    def tend(self) -> None:
        """Renew a worker that has grown, one at a time (called every few seconds)."""
        if self._closing or any(worker.is_renewing for worker in self._workers):
            return
        for worker in self._workers:
            reason = worker.worn(self._plan.recycling)
            if reason is not None:
                log.info("a worker with %d sessions is renewed: %s", len(worker.sessions), reason)
                self._renewal = asyncio.get_running_loop().create_task(worker.renew())
                return

    def kill(self, key: SessionKey) -> None:
        """End the session's process at once; it is started again, with its neighbours."""
        worker = self._homes.get(key)
        if worker is not None and worker.process is not None:
            worker.process.kill()

    async def request(self, key: SessionKey, command: AnyCommand, seconds: float) -> AnyAnswer:
        """Ask the session's provider; raise ``SessionNotConnected`` or ``OutcomeUnknown``."""
        worker = self._homes.get(key)
        if worker is None:
            raise SessionNotConnected("The session is not running.", user_action="Start it.")
        return await worker.request(key, command, seconds)

    async def close(self) -> None:
        """Drain and end all workers, side by side."""
        self._closing = True
        workers = list(self._workers)
        self._homes.clear()
        await asyncio.gather(*(self._close(worker) for worker in workers))
        if self._renewal is not None:
            await self._renewal

    def _with_room(self, provider: ProviderName) -> Worker | None:
        fitting = (w for w in self._workers if w.provider == provider and w.has_room())
        return next(fitting, None)

    def _place(self, worker: Worker, key: SessionKey, start: Start) -> None:
        self._homes[key] = worker
        worker.add(key, start)

    def _open(self, provider: ProviderName, *, pooled: bool) -> Worker:
        shared = Shared(self._confirmed, self._governor, self._health)
        worker = Worker(self._plan, provider, self._listener, shared, pooled=pooled)
        task = asyncio.get_running_loop().create_task(worker.run())
        task.add_done_callback(lambda _: self._forget(worker))
        self._workers[worker] = task
        return worker

    def _forget(self, worker: Worker) -> None:
        """Drop a slot that gave up; its sessions can be started again by hand."""
        self._workers.pop(worker, None)
        for key in [key for key, home in self._homes.items() if home is worker]:
            del self._homes[key]

    async def _close(self, worker: Worker, *, throw_away: bool = False) -> None:
        task = self._workers.get(worker)
        await worker.retire(throw_away=throw_away)
        if task is not None:
            await task
