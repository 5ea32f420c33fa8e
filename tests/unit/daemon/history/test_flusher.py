"""What is handed over reaches the store: in order, in batches, and is confirmed then."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from daemon.history.flusher import Bounds, Flusher
from daemon.history.models import StoredMessage
from daemon.history.port import HistoryFailed
from daemon.history.spill import FOLDER, Spill
from sessions.ids import ChatRef, SessionKey
from tests.support.waiting import eventually
from tests.unit.daemon.history.samples import CHAT, NOON, chat, contact, message
from tests.unit.daemon.history.stores import FULL, Governed

KEY = SessionKey("acme", "main")
LID = ChatRef("acme", "main", "200000000000001@lid")
QUICK = Bounds(interval=0.001, retry=0.01, retry_most=0.02)


class Scene:
    """A flusher that runs, with its store, its spill and what it confirmed."""

    def __init__(self, data: Path, bounds: Bounds = QUICK, most: int = 64 << 20) -> None:
        self.store = Governed(data)
        self.spill = Spill(data, most)
        self.confirmed: list[tuple[SessionKey, int]] = []
        self.flusher = Flusher(self.store, self.spill, self._confirm, bounds)

    def _confirm(self, key: SessionKey, mark: int) -> None:
        self.confirmed.append((key, mark))

    def put(self, id: str, text: str = "hello", at: int = NOON, nbytes: int = 500) -> None:
        """Hand a message over."""
        self.flusher.message(CHAT, id, lambda: message(id, text, at=at), nbytes)

    async def until(self, look: Callable[[], bool]) -> None:
        """Wait for something to be so."""

        async def found() -> bool | None:
            return look() or None

        await eventually(found)


@asynccontextmanager
async def scene(data: Path, bounds: Bounds = QUICK, most: int = 64 << 20) -> AsyncIterator[Scene]:
    """Give a scene while it runs; it is closed in the end."""
    made = Scene(data, bounds, most)
    await made.store.ready()
    made.spill.open()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(made.flusher.run())
        try:
            yield made
        finally:
            running.cancel()
    await made.flusher.close(5)
    await made.store.close()


async def test_what_is_handed_over_is_written(tmp_path: Path) -> None:
    """In the order in which it came."""
    async with scene(tmp_path / "data") as it:
        for n in range(100):
            it.put(f"m{n}", at=NOON - n)
        it.flusher.chat(CHAT, chat)
        it.flusher.contact(contact())
        await it.flusher.flush()
        assert it.store.written == [f"m{n}" for n in range(100)]
        assert await it.store.chat(CHAT) == chat()
        assert [each async for batch in it.store.contacts() for each in batch] == [contact()]
        health = it.flusher.health()
        assert (health.state, health.written, health.backlog, health.lost) == ("ok", 102, 0, 0)
        assert health.backlog_bytes == 0


async def test_it_comes_to_the_store_unasked(tmp_path: Path) -> None:
    """Within its interval, many in one batch."""
    async with scene(tmp_path / "data", Bounds(interval=0.05)) as it:
        for n in range(50):
            it.put(f"m{n}")
        await it.until(lambda: len(it.store.written) == 50)
        assert len(it.store.batches) == 1


async def test_what_changes_before_it_is_written_is_written_once(tmp_path: Path) -> None:
    """As it is when its batch is taken; what changes while it is written is written again."""
    async with scene(tmp_path / "data") as it:
        it.store.gate.clear()
        it.put("m1", "one")
        await it.store.arrived.wait()
        for text in ("two", "three", "four"):
            it.put("m1", text)
        it.store.gate.set()
        await it.flusher.flush()
        texts = [
            each.text for batch in it.store.batches for each in batch if type(each) is StoredMessage
        ]
        assert texts == ["one", "four"]


async def test_a_mark_is_told_after_what_came_before(tmp_path: Path) -> None:
    """And not while it is being written; what was never followed by a record is told too."""
    async with scene(tmp_path / "data") as it:
        it.flusher.mark(KEY, 1)
        await it.until(lambda: it.confirmed == [(KEY, 1)])
        it.store.gate.clear()
        it.put("m1")
        it.flusher.mark(KEY, 2)
        await it.store.arrived.wait()
        it.put("m2")
        it.flusher.mark(KEY, 3)
        it.flusher.mark(SessionKey("acme", "other"), 9)
        assert it.confirmed == [(KEY, 1)]
        it.store.gate.set()
        await it.flusher.flush()
        assert it.confirmed[1:] == [(KEY, 2), (KEY, 3), (SessionKey("acme", "other"), 9)]


async def test_a_deletion_and_a_merge_keep_their_place(tmp_path: Path) -> None:
    """What came before a deletion goes, what came after stays."""
    async with scene(tmp_path / "data") as it:
        it.put("m1", "old")
        it.flusher.dropped(KEY)
        it.flusher.message(LID, "m2", lambda: message("m2", chat=LID), 100)
        it.flusher.moved(LID, CHAT)
        it.put("m3")
        await it.flusher.flush()
        assert [m.id for _, m in await it.store.before(CHAT, None, 9)] == ["m3", "m2"]


async def test_it_says_what_may_not_be_in_the_store_yet(tmp_path: Path) -> None:
    """Of a chat; while a batch is under way of any."""
    async with scene(tmp_path / "data", Bounds(interval=30)) as it:
        assert not it.flusher.pending(CHAT)
        it.put("m1")
        assert it.flusher.pending(CHAT)
        assert not it.flusher.pending(LID)
        await it.flusher.flush()
        assert not it.flusher.pending(CHAT)


async def test_while_the_store_refuses_it_waits_on_disk(tmp_path: Path) -> None:
    """Marks are told, since a kill loses nothing of it; then all reaches the store in order."""
    async with scene(tmp_path / "data") as it:
        it.store.refusal = FULL
        for n in range(30):
            it.put(f"m{n}")
            it.flusher.mark(KEY, n)
            await asyncio.sleep(0.002)
        await it.until(lambda: it.spill.records == 30)
        await it.until(lambda: it.confirmed[-1:] == [(KEY, 29)])
        health = it.flusher.health()
        assert (health.state, health.sentence) == ("failing", "The disk is full.")
        assert (health.user_action, health.backlog, health.lost) == ("Free some space.", 0, 0)
        assert it.flusher.pending(CHAT)
        it.store.refusal = None
        await it.until(lambda: it.flusher.health().state == "ok")
        assert it.store.written == [f"m{n}" for n in range(30)]
        assert list((tmp_path / "data" / FOLDER).iterdir()) == []


async def test_what_was_in_hand_when_the_store_refused_comes_first(tmp_path: Path) -> None:
    """The newest state is what stays."""
    async with scene(tmp_path / "data") as it:
        it.store.gate.clear()
        it.put("m1", "one")
        it.flusher.mark(KEY, 1)
        await it.store.arrived.wait()
        it.put("m1", "two")
        it.flusher.mark(KEY, 2)
        it.store.refusal = FULL
        it.store.gate.set()
        await it.until(lambda: it.spill.records == 2)
        assert it.confirmed == [(KEY, 1), (KEY, 2)]
        it.store.refusal = None
        await it.flusher.flush()
        found = await it.store.message("acme", "m1")
        assert found is not None
        assert found.text == "two"


async def test_a_flush_fails_with_the_store_and_the_next_one_tries(tmp_path: Path) -> None:
    """Whoever waits is told why."""
    async with scene(tmp_path / "data", QUICK._replace(retry=30, retry_most=30)) as it:
        it.store.refusal = FULL
        it.put("m1")
        with pytest.raises(HistoryFailed, match="full"):
            await it.flusher.flush()
        it.store.refusal = None
        await it.flusher.flush()
        assert it.store.written == ["m1"]


async def test_a_slow_store_does_not_fill_the_ram(tmp_path: Path) -> None:
    """From half of the bound on it waits on disk; nothing is lost, order is kept."""
    bounds = QUICK._replace(backlog=100_000)
    async with scene(tmp_path / "data", bounds) as it:
        it.store.gate.clear()
        most = 0
        for n in range(2000):
            it.put(f"m{n}", str(n))
            most = max(most, it.flusher.health().backlog_bytes)
            if n % 20 == 0:
                await it.until(lambda: it.flusher.health().backlog_bytes < 80_000)
        assert most <= 100_000
        health = it.flusher.health()
        assert (health.state, health.lost) == ("behind", 0)
        assert health.spilled > 1500
        for n in range(1950, 2000):
            it.put(f"m{n}", "changed")
        it.store.gate.set()
        await it.flusher.flush()
        assert list(dict.fromkeys(it.store.written)) == [f"m{n}" for n in range(2000)]
        last = await it.store.message("acme", "m1999")
        assert last is not None
        assert last.text == "changed"


async def test_a_mark_waits_for_what_is_in_hand(tmp_path: Path) -> None:
    """Although what stands between them is safe on disk already."""
    bounds = QUICK._replace(backlog=20_000)
    async with scene(tmp_path / "data", bounds) as it:
        it.store.gate.clear()
        it.put("m0")
        await it.store.arrived.wait()
        for n in range(1, 20):
            it.put(f"m{n}")
        it.flusher.mark(KEY, 7)
        await it.until(lambda: it.spill.records == 19)
        assert it.confirmed == []
        it.store.gate.set()
        await it.until(lambda: it.confirmed == [(KEY, 7)])


async def test_what_has_no_room_anywhere_is_counted_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """RAM holds its bound, the log says it once, and all that was held is written in the end."""
    bounds = QUICK._replace(backlog=20_000)
    async with scene(tmp_path / "data", bounds, most=0) as it:
        it.store.refusal = FULL
        with caplog.at_level(logging.ERROR, "zapd.history"):
            for n in range(100):
                it.put(f"m{n}")
            await it.until(lambda: it.flusher.health().state == "failing")
        held = it.flusher.health().backlog
        health = it.flusher.health()
        assert 20 < held < 40
        assert health.lost == 100 - held
        assert health.sentence is not None
        assert "lost" in health.sentence
        assert len([line for line in caplog.messages if "lost so far" in line]) == 1
        it.store.refusal = None
        await it.until(lambda: it.flusher.health().state == "ok")
        assert it.store.written == [f"m{n}" for n in range(held)]
        it.put("later")
        await it.flusher.flush()
        assert it.store.written[-1] == "later"


async def test_a_record_that_cannot_be_stored_holds_nothing_up(tmp_path: Path) -> None:
    """It is found by halving, counted and left out; so is one that cannot even be made."""
    async with scene(tmp_path / "data") as it:
        for n in range(50):
            it.put(f"m{n}")
        broken = message("bad")._replace(at=2**70)
        it.flusher.message(CHAT, "bad", lambda: broken, 100)
        it.flusher.message(CHAT, "worse", lambda: 1 // 0, 100)  # type: ignore[arg-type,return-value]  # it raises
        it.put("last")
        it.flusher.mark(KEY, 5)
        await it.flusher.flush()
        assert it.store.written == [*(f"m{n}" for n in range(50)), "last"]
        assert it.flusher.health().refused == 2
        assert it.confirmed == [(KEY, 5)]


async def test_a_store_that_breaks_in_an_unknown_way_is_tried_again(tmp_path: Path) -> None:
    """It says so, and nothing is lost."""
    async with scene(tmp_path / "data") as it:
        it.store.refusal = RuntimeError("a bug")
        it.put("m1")
        await it.until(lambda: it.flusher.health().state == "failing")
        it.store.refusal = None
        await it.until(lambda: it.store.written == ["m1"])


async def test_the_end_writes_what_waits(tmp_path: Path) -> None:
    """Although its interval had not passed."""
    async with scene(tmp_path / "data", Bounds(interval=30)) as it:
        it.put("m1")
        it.flusher.mark(KEY, 3)
    assert it.store.written == ["m1"]
    assert it.confirmed == [(KEY, 3)]


@pytest.mark.parametrize("hangs", [False, True])
async def test_what_the_end_cannot_write_is_there_at_the_next_start(
    tmp_path: Path, hangs: bool
) -> None:
    """A store that refuses, or that does not answer, holds the end up for its bound only."""
    data = tmp_path / "data"
    it = Scene(data)
    await it.store.ready()
    it.put("m1", "one")
    it.flusher.mark(KEY, 3)
    if hangs:
        it.store.gate.clear()
    it.store.refusal = FULL
    await it.flusher.close(0.05)
    await it.store.close()
    assert it.confirmed == [(KEY, 3)]
    async with scene(data) as again:
        await again.flusher.flush()
        assert again.store.written == ["m1"]


async def test_an_earlier_life_comes_before_this_one(tmp_path: Path) -> None:
    """What it left on disk is older."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    left = Spill(data, 1 << 20)
    left.append([message("m1", "old"), message("m2")])
    async with scene(data) as it:
        it.put("m1", "new")
        await it.flusher.flush()
        assert it.store.written == ["m1", "m2", "m1"]
        found = await it.store.message("acme", "m1")
        assert found is not None
        assert found.text == "new"
