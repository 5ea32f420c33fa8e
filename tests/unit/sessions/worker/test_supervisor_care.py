"""A supervisor that paces starts and renews workers that have grown."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sessions import commands as c, events as e
from sessions.provider.optional import Counts
from sessions.worker import recycling
from sessions.worker.governor import Pace
from sessions.worker.process import Death
from tests.support.engine import PATIENCE, UNIT, misbehaving, passes, plan, until
from tests.unit.sessions.worker.test_supervisor import scene


async def test_starts_are_spread_over_all_workers(tmp_path: Path) -> None:
    """Beyond the burst each session waits for its moment, whichever worker it is in."""
    pace = Pace(per_second=1 / UNIT, burst=1, spawns_per_second=1000)
    async with scene(tmp_path, plan(sessions_per_worker=2, pace=pace)) as it:
        loop = asyncio.get_running_loop()
        for name in "abcdef":
            it.host(name)
        await until(lambda: it.heard.starting, "the first start")
        begun = loop.time()
        await it.opened(*"abcdef")
        assert loop.time() - begun >= 4 * UNIT
        assert sorted(it.heard.starting) == list("abcdef")


async def test_a_session_that_crashes_its_worker_again_and_again_is_paused(tmp_path: Path) -> None:
    """After so many starts it is told, and not started; a person's restart tries at once."""
    pace = Pace(most=2, window=1000 * UNIT)
    async with scene(tmp_path, plan(pace=pace)) as it:
        it.host("a")
        for count in (1, 2):
            await until(lambda count=count: it.heard.qr("a") == count)  # type: ignore[misc]  # a default binds it
            it.supervisor.kill(it.key("a"))
        paused = (it.key("a"), e.Troubled(code="starts_paused"))
        await until(lambda: paused in it.heard.events, "the pause told")
        await passes(3)
        assert it.heard.qr("a") == 2
        await it.supervisor.release(it.key("a"))
        it.host("a")
        await until(lambda: it.heard.qr("a") == 3)


async def test_a_session_that_waits_for_its_moment_can_be_released(tmp_path: Path) -> None:
    """It is never started, and its worker ends."""
    pace = Pace(per_second=0.001, burst=1)
    async with scene(tmp_path, plan(pace=pace)) as it:
        it.host("a")
        it.host("b")
        await it.opened("a")
        await it.supervisor.release(it.key("b"))
        await passes(2)
        assert it.heard.starting == ["a"]


WORN = recycling.Bounds(rss=1, rest=0.0)


async def test_a_worker_that_has_grown_is_renewed_with_its_sessions(tmp_path: Path) -> None:
    """Drained, ended, started again; told as moving, and the other workers notice nothing."""
    bounds = WORN._replace(rest=2 * UNIT)
    async with scene(tmp_path, plan(sessions_per_worker=2, recycling=bounds)) as it:
        for name in "ab":
            it.host(name)
        await it.opened("a", "b")
        for name in "ab":  # a pairing is never interrupted; the line opens
            it.feed(name, e.Connecting())
        before = it.pids()
        await passes(3)
        it.supervisor.tend()
        await until(lambda: it.heard.qr("a") == it.heard.qr("b") == 2, "both open again")
        assert it.heard.lost == [("a", Death.MOVED), ("b", Death.MOVED)]
        assert it.pids() != before
        assert len(it.pids()) == 1


async def test_only_one_worker_is_renewed_at_a_time(tmp_path: Path) -> None:
    """The next waits until the first is ready again."""
    async with scene(tmp_path, plan(sessions_per_worker=1, recycling=WORN)) as it:
        for name in "ab":
            it.host(name)
        await it.opened("a", "b")
        for name in "ab":
            it.feed(name, e.Connecting())
        it.supervisor.tend()
        await asyncio.sleep(0)
        it.supervisor.tend()
        await until(lambda: it.heard.qr("a") == 2, "the first back")
        assert it.heard.lost == [("a", Death.MOVED)]
        assert it.heard.qr("b") == 1


@pytest.mark.parametrize("event", [e.PairingStarted(), e.HistoryProgress(percent=3, done=False)])
async def test_no_worker_is_renewed_while_a_session_pairs_or_syncs(
    tmp_path: Path, event: e.AnyEvent
) -> None:
    """What comes once only is not interrupted, in the pool neither."""
    async with scene(tmp_path, plan(recycling=WORN)) as it:
        it.host("alone", alone=True)
        it.host("a")
        await it.opened("alone", "a")
        it.feed("a", e.Connecting())
        it.feed("a", event)
        it.supervisor.tend()
        await passes(2)
        assert it.heard.lost == []


async def test_closing_while_a_worker_is_renewed_leaves_none(tmp_path: Path) -> None:
    """The renewal ends with the supervisor."""
    async with scene(tmp_path, plan(recycling=WORN)) as it:
        it.host("a")
        await it.opened("a")
        it.feed("a", e.Connecting())
        it.supervisor.tend()
        await asyncio.sleep(0)


async def test_a_worker_is_renewed_after_so_many_reconnects(tmp_path: Path) -> None:
    """The core's own are counted too: they leave memory behind."""
    bounds = recycling.Bounds(rss=0, fds=0, reconnects=3, rest=0.0)
    async with scene(tmp_path, plan(recycling=bounds)) as it:
        it.host("a")
        await it.opened("a")
        for _ in range(3):
            it.feed("a", e.Connecting())
        it.supervisor.tend()
        await asyncio.sleep(0)
        assert it.heard.lost == []
        it.feed("a", e.Connecting())
        it.supervisor.tend()
        await until(lambda: it.heard.qr("a") == 2)


async def test_confirmations_are_gathered_and_told_to_the_next_worker(tmp_path: Path) -> None:
    """Many make one frame; whoever opens the session next is told before it is started."""
    async with scene(tmp_path, plan(misbehaving("marks"))) as it:
        it.host("a")
        key = it.key("a")

        def told() -> list[int]:
            seen = zip(it.heard.events, it.heard.marks, strict=True)
            bodies = [event for (_, event), mark in seen if not mark]
            return [event.percent for event in bodies if isinstance(event, e.HistoryProgress)]

        await until(lambda: 130 in it.heard.marks)
        for mark in it.heard.marks:
            it.supervisor.confirm(key, mark)
        await until(told)
        assert told() == [130]
        it.supervisor.kill(key)
        await until(lambda: it.heard.marks.count(130) == 2, "the next worker")
        assert told() == [130, 130]
        assert it.heard.marks.index(0, 31) < it.heard.marks.index(101, 31)
        it.supervisor.forget(key)
        it.supervisor.kill(key)
        await until(lambda: it.heard.marks.count(130) == 3)
        assert told() == [130, 130]


async def test_what_is_counted_adds_up_over_the_lives_of_a_session(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whichever worker had it; said in the log; forgotten with the session."""
    async with scene(tmp_path) as it:
        it.host("a")
        await it.opened("a")
        it.count("a", Counts(unkept=2))
        it.supervisor.kill(it.key("a"))
        await until(lambda: it.heard.qr("a") == 2, "the next worker")
        it.count("a", Counts(unkept=1, overflowed=3, undecrypted=4))
        sums = Counts(unkept=3, overflowed=3, undecrypted=4)
        assert it.supervisor.counts(it.key("a")) == sums
        assert "1 events unjournaled, 3 queued over the bound, 4 messages" in caplog.text
        assert it.supervisor.counts(it.key("b")) == Counts()
        it.supervisor.forget(it.key("a"))
        assert (it.supervisor.counts(it.key("a")), it.supervisor.total) == (Counts(), sums)


async def test_a_send_in_hand_ends_before_its_worker_is_renewed(tmp_path: Path) -> None:
    """It is answered, not unknown; what comes after it is not asked."""
    async with scene(tmp_path, plan(misbehaving("answers_late"), recycling=WORN)) as it:
        it.host("a")
        await until(lambda: it.heard.starting, "the start")
        await passes(2)
        send = c.SendText(chat="1@g.us", text="x")
        sending = asyncio.ensure_future(it.supervisor.request(it.key("a"), send, PATIENCE))
        await passes(1)
        it.supervisor.tend()
        assert c.Done() == await sending
        await until(lambda: len(it.heard.starting) == 2, "the next start")
        assert it.heard.lost == [("a", Death.MOVED)]
