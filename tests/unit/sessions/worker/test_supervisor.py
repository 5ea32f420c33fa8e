from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sessions import commands as c, events as e
from sessions.errors import OutcomeUnknown, SessionNotConnected
from sessions.ids import SessionKey
from sessions.models import ProviderName
from sessions.provider.optional import Counts
from sessions.worker import wire
from sessions.worker.process import Death
from sessions.worker.supervisor import Plan, Supervisor, Worker
from tests.support.engine import LIMITS, PATIENCE, QUICK, UNIT, misbehaving, passes, plan, until


class RecordingListener:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.events: list[tuple[SessionKey, e.AnyEvent]] = []
        self.marks: list[int] = []
        self.lost: list[tuple[str, Death]] = []
        self.starting: list[str] = []

    def session_event(self, key: SessionKey, event: e.AnyEvent, mark: int = 0) -> None:
        """Keep an event."""
        self.events.append((key, event))
        self.marks.append(mark)

    def session_lost(self, key: SessionKey, death: Death) -> None:
        """Keep a death."""
        self.lost.append((key.session, death))

    def session_starting(self, key: SessionKey) -> None:
        """Keep a start."""
        self.starting.append(key.session)

    def qr(self, session: str) -> int:
        """Return how many codes the session showed."""
        shown = [k.session for k, event in self.events if isinstance(event, e.QrShown)]
        return shown.count(session)


class Scene:
    """A supervisor, what it tells, and a place for stores."""

    def __init__(self, a_plan: Plan, stores: Path) -> None:
        self.heard = RecordingListener()
        self.supervisor = Supervisor(a_plan, self.heard)
        self._stores = stores

    def key(self, name: str) -> SessionKey:
        """Return a session's name."""
        return SessionKey("w", name)

    def host(self, name: str, *, alone: bool = False) -> None:
        """Host a sandbox session."""
        store = self._stores / name
        store.mkdir(exist_ok=True)
        start = c.Start(provider=ProviderName.SANDBOX, store=str(store))
        self.supervisor.host(self.key(name), start, alone=alone)

    def feed(self, name: str, event: e.AnyEvent) -> None:
        """Let the session's worker report an event."""
        frame = wire.Emitted(workspace="w", session=name, sequence=1, body=event)
        self._worker(name)._on_event(frame)  # noqa: SLF001 - as its process does

    def count(self, name: str, counts: Counts) -> None:
        """Let the session's worker report what its provider counted."""
        frame = wire.Health(workspace="w", session=name, counts=counts)
        self._worker(name)._on_health(frame)  # noqa: SLF001 - as its process does

    def _worker(self, name: str) -> Worker:
        return next(w for w in self.supervisor.workers if self.key(name) in w.sessions)

    def pids(self) -> list[int]:
        """Return the process ids of the workers."""
        return [w.process.pid for w in self.supervisor.workers if w.process]

    async def opened(self, *names: str) -> None:
        """Wait until these sessions show a code."""
        await until(lambda: all(self.heard.qr(name) for name in names), f"{names} open")


Opener = Callable[..., "asyncio.Future[Scene]"]


@asynccontextmanager
async def scene(stores: Path, a_plan: Plan | None = None) -> AsyncIterator[Scene]:
    """Yield a supervisor; close it afterwards, and see that nothing is left."""
    made = Scene(a_plan or plan(), stores)
    try:
        yield made
    finally:
        await made.supervisor.close()
        assert made.supervisor.workers == []


async def test_the_pool_fills_workers_up(tmp_path: Path) -> None:
    """As many sessions to a worker as the plan says, then another; a host twice is once."""
    async with scene(tmp_path, plan(sessions_per_worker=2)) as it:
        for name in ("a", "b", "b", "c"):
            it.host(name)
        await it.opened("a", "b", "c")
        assert [len(w.sessions) for w in it.supervisor.workers] == [2, 1]
        await it.supervisor.release(it.key("a"))
        it.host("d")
        assert [len(w.sessions) for w in it.supervisor.workers] == [2, 1]


async def test_a_session_that_pairs_is_alone(tmp_path: Path) -> None:
    """Nobody is placed beside it."""
    async with scene(tmp_path) as it:
        it.host("a", alone=True)
        it.host("b")
        it.host("c", alone=True)
        assert [len(w.sessions) for w in it.supervisor.workers] == [1, 1, 1]
        assert it.supervisor.is_alone(it.key("a"))
        assert not it.supervisor.is_alone(it.key("b"))
        assert not it.supervisor.is_alone(it.key("nobody"))


async def test_a_killed_worker_comes_back_with_its_sessions(tmp_path: Path) -> None:
    """Its sessions are told lost, then started; the neighbours of other workers notice nothing."""
    async with scene(tmp_path, plan(sessions_per_worker=2)) as it:
        for name in ("a", "b", "c"):
            it.host(name)
        await it.opened("a", "b", "c")
        first, other = it.pids()
        os.kill(first, signal.SIGKILL)
        await until(lambda: it.heard.qr("a") == it.heard.qr("b") == 2)
        assert it.heard.lost == [("a", Death.CRASHED), ("b", Death.CRASHED)]
        assert it.heard.starting[3:] == ["a", "b"]
        assert it.heard.qr("c") == 1
        assert other in it.pids()


@pytest.mark.parametrize(
    ("how", "limits", "death"),
    [
        ("never_ready", LIMITS._replace(ready=2 * UNIT), Death.NOT_READY),
        ("deaf", LIMITS._replace(heartbeat=UNIT, hung=3 * UNIT), Death.HUNG),
        ("garbage", LIMITS, Death.CRASHED),
    ],
)
async def test_who_dies_is_started_again_and_again(
    tmp_path: Path, how: str, limits: object, death: Death
) -> None:
    """After a backoff each time, as long as it has sessions."""
    async with scene(tmp_path, plan(misbehaving(how), limits=limits)) as it:
        it.host("a")
        await until(lambda: len(it.heard.lost) >= 3)
        assert {("a", death)} == set(it.heard.lost)
        await it.supervisor.release(it.key("a"))
        assert it.supervisor.workers == []


async def test_restarts_wait_longer_each_time(tmp_path: Path) -> None:
    """The pauses grow with the failures in a row."""
    backoff = QUICK.__class__(first=2 * UNIT, longest=16 * UNIT, forgiven_after=1000 * UNIT)
    async with scene(tmp_path, plan(misbehaving("ends_at_once"), backoff=backoff)) as it:
        loop = asyncio.get_running_loop()
        times: list[float] = []
        it.host("a")
        for count in range(1, 5):
            await until(lambda count=count: len(it.heard.lost) >= count)  # type: ignore[misc]  # a default binds it
            times.append(loop.time())
        assert times[3] - times[2] >= 4 * UNIT
        assert times[1] - times[0] >= UNIT


@pytest.mark.parametrize("command", [misbehaving("cannot_start"), ["/nowhere/python"]])
async def test_a_worker_that_cannot_start_is_not_tried_again(
    tmp_path: Path, command: list[str]
) -> None:
    """It is told once; the session can be hosted again by hand."""
    async with scene(tmp_path, plan(command)) as it:
        it.host("a")
        await until(lambda: not it.supervisor.workers)
        await passes(3)
        assert it.heard.lost == [("a", Death.CANNOT_START)]
        assert not it.supervisor.hosts(it.key("a"))
        it.host("a")
        await until(lambda: len(it.heard.lost) == 2)


async def test_a_system_that_refuses_now_is_asked_again(tmp_path: Path) -> None:
    """Want of memory or of processes passes."""
    async with scene(tmp_path, plan([sys.executable, "x" * 3_000_000])) as it:
        it.host("a")
        await until(lambda: len(it.heard.lost) >= 2)
        assert set(it.heard.lost) == {("a", Death.NOT_READY)}


async def test_a_session_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    """A refused start is trouble of the session, and of no other."""
    async with scene(tmp_path, plan(misbehaving("refuses_start"))) as it:
        it.host("a")
        await until(lambda: it.heard.events)
        assert [(it.key("a"), e.Troubled(code="start_failed"))] == it.heard.events
        assert it.heard.lost == []


async def test_requests_are_not_connected_until_the_worker_is_ready(tmp_path: Path) -> None:
    """Who is not hosted, or whose worker is being started, was not asked."""
    async with scene(tmp_path, plan(misbehaving("never_ready"))) as it:
        with pytest.raises(SessionNotConnected):
            await it.supervisor.request(it.key("a"), c.Stop(), UNIT)
        it.host("a")
        with pytest.raises(SessionNotConnected):
            await it.supervisor.request(it.key("a"), c.Stop(), UNIT)


async def test_requests_in_the_hand_of_a_worker_that_dies_are_unknown(tmp_path: Path) -> None:
    """It was asked, and nobody can say what it did."""
    async with scene(tmp_path, plan(misbehaving("crashes_on_command"))) as it:
        it.host("a")
        await until(lambda: it.heard.starting)
        send = c.SendText(chat="1@g.us", text="x")
        with pytest.raises(OutcomeUnknown):
            await it.supervisor.request(it.key("a"), send, PATIENCE)


async def test_killing_a_session_restarts_its_worker(tmp_path: Path) -> None:
    """The neighbours come back with it; who is not hosted is not killed."""
    async with scene(tmp_path) as it:
        it.host("a")
        it.host("b")
        await it.opened("a", "b")
        it.supervisor.kill(it.key("nobody"))
        it.supervisor.kill(it.key("a"))
        await until(lambda: it.heard.qr("a") == it.heard.qr("b") == 2)


async def test_releasing_the_last_session_ends_the_worker(tmp_path: Path) -> None:
    """Stopped in order; releasing nobody does nothing."""
    async with scene(tmp_path) as it:
        it.host("a")
        await it.opened("a")
        (pid,) = it.pids()
        await it.supervisor.release(it.key("nobody"))
        await it.supervisor.release(it.key("a"))
        assert it.supervisor.workers == []
        assert not Path(f"/proc/{pid}").exists()
        assert it.heard.lost == []


async def test_throwing_away_does_not_wait_for_a_drain(tmp_path: Path) -> None:
    """A pairing worker that would not end is killed."""
    async with scene(tmp_path, plan(misbehaving("slow_to_drain"))) as it:
        it.host("a", alone=True)
        await until(lambda: it.heard.starting)
        async with asyncio.timeout(PATIENCE / 3):
            await it.supervisor.release(it.key("a"), throw_away=True)
        assert it.supervisor.workers == []


async def test_throwing_away_spares_the_neighbours(tmp_path: Path) -> None:
    """In a shared worker the session is stopped, so that it can be opened there again."""
    async with scene(tmp_path) as it:
        it.host("a")
        it.host("b")
        await it.opened("a", "b")
        before = it.pids()
        await it.supervisor.release(it.key("a"), throw_away=True)
        it.host("a")
        await until(lambda: it.heard.qr("a") == 2)
        assert before == it.pids()
        assert it.heard.qr("b") == 1


async def test_a_settled_session_moves_to_a_worker_with_room(tmp_path: Path) -> None:
    """Its pairing worker ends, and it is opened where there is room."""
    async with scene(tmp_path) as it:
        it.host("pool")
        it.host("a", alone=True)
        await it.opened("pool", "a")
        await it.supervisor.settle(it.key("a"))
        await until(lambda: it.heard.qr("a") == 2)
        assert it.heard.lost == [("a", Death.MOVED)]
        assert [len(w.sessions) for w in it.supervisor.workers] == [2]
        await it.supervisor.settle(it.key("a"))
        await it.supervisor.settle(it.key("nobody"))
        assert len(it.heard.lost) == 1


async def test_without_room_the_pairing_worker_joins_the_pool(tmp_path: Path) -> None:
    """Nothing is stopped, and others may come beside it."""
    async with scene(tmp_path, plan(sessions_per_worker=1)) as it:
        it.host("pool")
        it.host("a", alone=True)
        await it.opened("pool", "a")
        await it.supervisor.settle(it.key("a"))
        assert it.heard.lost == []
        assert not it.supervisor.is_alone(it.key("a"))


async def test_a_session_settles_also_when_the_room_went_meanwhile(tmp_path: Path) -> None:
    """The worker it was to move to may end while the session is stopped in its own."""
    async with scene(tmp_path) as it:
        it.host("pool")
        it.host("a", alone=True)
        await it.opened("pool", "a")
        await asyncio.gather(
            it.supervisor.settle(it.key("a")), it.supervisor.release(it.key("pool"))
        )
        await until(lambda: it.heard.qr("a") == 2)
        assert [len(w.sessions) for w in it.supervisor.workers] == [1]


async def test_closing_while_a_worker_is_being_spawned_leaves_none(tmp_path: Path) -> None:
    """Neither a process nor a session that is told to start."""
    async with scene(tmp_path) as it:
        it.host("a")
        await asyncio.sleep(0)
        await it.supervisor.close()
        assert it.supervisor.workers == []
        assert it.heard.starting == []
        it.host("b")
        assert not it.supervisor.hosts(it.key("b"))


async def test_releasing_while_a_worker_is_being_spawned_leaves_none(tmp_path: Path) -> None:
    """As if it had never been hosted."""
    async with scene(tmp_path) as it:
        it.host("a")
        await asyncio.sleep(0)
        await it.supervisor.release(it.key("a"))
        assert it.supervisor.workers == []
        assert it.heard.starting == []


async def test_closing_ends_workers_side_by_side_within_the_drain_limit(tmp_path: Path) -> None:
    """Three that do not drain cost the limit once."""
    limits = LIMITS._replace(drain=5 * UNIT)
    async with scene(tmp_path, plan(misbehaving("slow_to_drain"), limits=limits)) as it:
        for name in "abc":
            it.host(name, alone=True)
        await until(lambda: len(it.heard.starting) == 3)
        pids = it.pids()
        begun = asyncio.get_running_loop().time()
        await it.supervisor.close()
        assert asyncio.get_running_loop().time() - begun < 10 * UNIT
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


async def test_a_worker_in_its_backoff_is_closed_at_once(tmp_path: Path) -> None:
    """Nobody waits for the next try."""
    backoff = QUICK.__class__(first=1000 * UNIT, longest=1000 * UNIT)
    async with scene(tmp_path, plan(misbehaving("ends_at_once"), backoff=backoff)) as it:
        it.host("a")
        await until(lambda: it.heard.lost)
        async with asyncio.timeout(PATIENCE):
            await it.supervisor.close()
