"""A slot for one worker process at a time, with the sessions that it hosts.

A worker that dies takes its own sessions down and nobody's stream: it is started again with
them, after a backoff. One that cannot start on this machine is not tried again by itself.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple, Protocol

from sessions.commands import AnyAnswer, AnyCommand, Refused, Start, Stop
from sessions.errors import EngineError, SessionNotConnected
from sessions.events import AnyEvent, Connecting, HistoryProgress, PairingStarted, Troubled
from sessions.ids import SessionKey
from sessions.models import ProviderName
from sessions.worker import recycling, wire
from sessions.worker.backoff import Backoff
from sessions.worker.governor import Governor, Pace
from sessions.worker.health import Health
from sessions.worker.process import Death, Limits, WorkerProcess

log = logging.getLogger("zapd.supervisor")

#: Seconds between two confirmations of a session: what a killed worker tells again at most.
CONFIRM_PAUSE = 0.05
START_SECONDS = 30.0  # a provider's ``start`` returns at once; a hung one is the heartbeat's


def _chance() -> float:
    return random.random()  # noqa: S311 - jitter, not a secret


class Listener(Protocol):
    """Who hears of the sessions; must not wait and must not raise."""

    def session_event(self, key: SessionKey, event: AnyEvent, mark: int = 0) -> None:
        """Take an event of a hosted session.

        A ``mark`` other than 0 is to be given to ``Supervisor.confirm``, now or later, once
        this event and all before it need not be told again.
        """
        ...

    def session_lost(self, key: SessionKey, death: Death) -> None:
        """Take note that the session's worker died."""
        ...

    def session_starting(self, key: SessionKey) -> None:
        """Take note that a worker is told to open the session."""
        ...


class Plan(NamedTuple):
    """How workers are run."""

    command: Sequence[str]
    environment: Mapping[str, str]
    limits: Limits = Limits()
    backoff: Backoff = Backoff()
    sessions_per_worker: int = 10
    pace: Pace = Pace()
    recycling: recycling.Bounds = recycling.Bounds()


class Shared(NamedTuple):
    """What all slots of a supervisor have in common; it outlives each of them."""

    confirmed: dict[SessionKey, int]
    governor: Governor
    health: Health


class Worker:
    """A slot for one process at a time, alive as long as it has sessions."""

    def __init__(
        self,
        plan: Plan,
        provider: ProviderName,
        listener: Listener,
        shared: Shared,
        *,
        pooled: bool,
    ) -> None:
        """Prepare the slot; :meth:`run` is the supervisor's to own, and so is ``shared``."""
        self._plan = plan
        self._confirmed, self._governor, self._health = shared
        self._unsaid: set[SessionKey] = set()
        self._provider = provider
        self._listener = listener
        self.pooled = pooled
        self.sessions: dict[SessionKey, Start] = {}
        self.process: WorkerProcess | None = None
        self._ready = False
        self.is_renewing = False
        self._is_drained = False
        self._born = 0.0
        self._reconnects = 0
        self._syncing: set[SessionKey] = set()
        self._retired = asyncio.Event()
        self._starts: dict[asyncio.Task[None], SessionKey] = {}

    @property
    def provider(self) -> ProviderName:
        """The provider that this slot hosts."""
        return self._provider

    @property
    def is_starting(self) -> bool:
        """Whether a session waits for its moment, or for the answer to its start."""
        return bool(self._starts)

    def has_room(self) -> bool:
        """Tell whether the pool may place another session here."""
        return (
            self.pooled
            and not self._retired.is_set()
            and len(self.sessions) < self._plan.sessions_per_worker
        )

    def add(self, key: SessionKey, start: Start) -> None:
        """Host the session from now on."""
        self.sessions[key] = start
        if self._ready:
            self._begin(key, start)

    async def run(self) -> None:
        """Keep a process alive until the slot is retired."""
        loop = asyncio.get_running_loop()
        failures = 0
        await self._pause(self._governor.spawn(loop.time(), _chance()))
        while not self._retired.is_set():
            born = loop.time()
            death = await self._live()
            if self._retired.is_set():
                return
            if self._is_drained:
                failures, self._is_drained = 0, False
                continue
            self.is_renewing = False
            self._mourn(death)
            if death is Death.CANNOT_START:
                self._retired.set()
                return
            failures = self._plan.backoff.failures_after(failures, loop.time() - born)
            delay = self._plan.backoff.delay(failures, _chance())
            delay = max(delay, self._governor.spawn(loop.time(), _chance()))
            log.warning("worker died (%s); next start in %.1f s", death, delay)
            await self._pause(delay)

    async def _live(self) -> Death:
        command = [*self._plan.command, "--provider", self._provider]
        try:
            self.process = await WorkerProcess.spawn(
                command, self._plan.environment, self._on_event, self._on_health
            )
        except (FileNotFoundError, PermissionError) as error:
            log.error("no worker process can ever be started: %s", error)  # noqa: TRY400 - no stack
            return Death.CANNOT_START
        except OSError as error:
            log.warning("no worker process can be started: %s", error)
            return Death.NOT_READY
        if self._retired.is_set():  # while the system was starting it
            self.process.kill()
        try:
            return await self.process.live(self._plan.limits, self._on_ready)
        finally:
            self._ready = False
            self._cancel_starts(set(self.sessions))
            self.process.kill()

    def _on_ready(self) -> None:
        if self._retired.is_set():
            return
        self._ready, self.is_renewing = True, False
        self._born, self._reconnects = asyncio.get_running_loop().time(), 0
        for key, start in self.sessions.items():
            self._begin(key, start)

    def confirm(self, key: SessionKey) -> None:
        """Tell the process soon what is confirmed; what comes meanwhile is told with it."""
        if not self._unsaid:
            asyncio.get_running_loop().call_later(CONFIRM_PAUSE, self._say_confirmed)
        self._unsaid.add(key)

    def _say_confirmed(self) -> None:
        keys, self._unsaid = self._unsaid, set()
        for key in keys:
            if self.process is not None and key in self._confirmed:
                self.process.confirm(key, self._confirmed[key])

    def _begin(self, key: SessionKey, start: Start) -> None:
        task = asyncio.get_running_loop().create_task(self._start(key, start))
        self._starts[task] = key
        task.add_done_callback(lambda done: self._starts.pop(done, None))

    def _cancel_starts(self, keys: Container[SessionKey]) -> None:
        """Forget the starts of sessions that wait for their moment, or for an answer."""
        for task, key in self._starts.items():
            if key in keys:
                task.cancel()

    async def _start(self, key: SessionKey, start: Start) -> None:
        await self._turn(key)
        self._listener.session_starting(key)
        if self.process is not None and key in self._confirmed:
            self.process.confirm(key, self._confirmed[key])
        try:
            answer = await self.request(key, start, START_SECONDS)
        except EngineError as error:
            log.warning("session %s did not start: %s", key, error)
            return
        if isinstance(answer, Refused) and key in self.sessions:
            log.warning("session %s did not start: %s", key, answer.message)
            self._listener.session_event(key, Troubled(code="start_failed"))

    async def _turn(self, key: SessionKey) -> None:
        """Wait for the session's moment; tell where it is far away."""
        turn = self._governor.start(key, asyncio.get_running_loop().time(), _chance())
        if turn.is_paused:
            log.warning("session %s was started too often; next in %.0f s", key, turn.seconds)
            self._listener.session_event(key, Troubled(code="starts_paused"))
        if turn.seconds > 0:
            await asyncio.sleep(turn.seconds)

    def _mourn(self, death: Death) -> None:
        for key in list(self.sessions):
            self._listener.session_lost(key, death)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._retired.wait()
        except TimeoutError:
            return

    def _on_event(self, frame: wire.Emitted) -> None:
        key = SessionKey(frame.workspace, frame.session)
        if key in self.sessions:  # else: the last words of a session that was moved or stopped
            self._watch(key, frame.body)
            self._listener.session_event(key, frame.body, frame.mark)

    def _on_health(self, frame: wire.Health) -> None:
        key = SessionKey(frame.workspace, frame.session)
        if key in self.sessions:
            self._health.add(key, frame.counts)

    def _watch(self, key: SessionKey, event: AnyEvent) -> None:
        """Note what speaks for and against a renewal."""
        if isinstance(event, Connecting):
            self._reconnects += 1
            self._syncing.discard(key)
        elif isinstance(event, PairingStarted):
            self._syncing.add(key)
        elif isinstance(event, HistoryProgress):
            (self._syncing.discard if event.done else self._syncing.add)(key)

    def worn(self, bounds: recycling.Bounds) -> str | None:
        """Return why the process is to be renewed; never while a session pairs or syncs."""
        syncing = self._syncing & self.sessions.keys()
        if not self._ready or not self.pooled or syncing or self.process is None:
            return None
        age = asyncio.get_running_loop().time() - self._born
        rss, fds = recycling.measure(self.process.pid)
        return recycling.reason(recycling.Use(rss, fds, self._reconnects, age), bounds)

    async def renew(self) -> None:
        """Drain the process and let another take its sessions; what is in hand ends first."""
        process, self._ready = self.process, False
        if process is None:
            return
        self.is_renewing = self._is_drained = True
        self._cancel_starts(set(self.sessions))
        self._mourn(Death.MOVED)
        await process.answered(self._plan.limits.drain)
        await process.shut_down(self._plan.limits.drain)

    async def request(self, key: SessionKey, command: AnyCommand, seconds: float) -> AnyAnswer:
        """Ask the process; raise ``SessionNotConnected`` (not asked) or ``OutcomeUnknown``."""
        if self.process is None or not self._ready:
            raise SessionNotConnected("The session's worker is being started.")
        return await self.process.request(key, command, seconds)

    async def remove(self, key: SessionKey) -> None:
        """Stop the session; its drain may still deliver events, so it is forgotten afterwards."""
        self._cancel_starts({key})
        try:
            await self.request(key, Stop(), self._plan.limits.drain)
        except EngineError as error:
            log.info("session %s was not stopped by its worker: %s", key, error)
        self.sessions.pop(key, None)

    async def retire(self, *, throw_away: bool = False) -> None:
        """End the process for good; drained, unless it is to be thrown away."""
        self._retired.set()
        self._cancel_starts(set(self.sessions))
        if self.process is not None:
            if throw_away:
                self.process.kill()
            await self.process.shut_down(self._plan.limits.drain)
        self.sessions.clear()
