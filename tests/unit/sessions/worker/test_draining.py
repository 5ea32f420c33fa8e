"""Whatever ends a worker or moves a session: what it had still to say is heard."""

from __future__ import annotations

import sys
from pathlib import Path

from sessions import events as e
from sessions.worker import recycling
from sessions.worker.process import Death
from tests.support.engine import plan, until
from tests.unit.sessions.worker.draining_worker import LAST_WORDS
from tests.unit.sessions.worker.test_supervisor import Scene, scene

COMMAND = (sys.executable, str(Path(__file__).with_name("draining_worker.py")))


def last_words(it: Scene, name: str = "a") -> int:
    """Return how many of a session's last words were heard."""
    key = it.key(name)
    return sum(k == key and isinstance(event, e.HistoryProgress) for k, event in it.heard.events)


async def opened(it: Scene, *names: str) -> None:
    """Wait until these sessions are open."""
    await until(lambda: set(names) <= set(it.heard.starting), "the start")
    workers = it.supervisor.workers
    await until(lambda: not any(worker.is_starting for worker in workers), "its answer")


async def test_a_stop_drains(tmp_path: Path) -> None:
    """The session is forgotten only when its worker has answered."""
    async with scene(tmp_path, plan(COMMAND)) as it:
        it.host("a")
        await opened(it, "a")
        await it.supervisor.release(it.key("a"))
        assert last_words(it) == LAST_WORDS


async def test_the_end_of_the_daemon_drains(tmp_path: Path) -> None:
    """All workers, with all that they have."""
    async with scene(tmp_path, plan(COMMAND)) as it:
        it.host("a")
        it.host("b")
        await opened(it, "a", "b")
        await it.supervisor.close()
        assert last_words(it, "a") == last_words(it, "b") == LAST_WORDS


async def test_a_renewal_drains(tmp_path: Path) -> None:
    """The next process begins when the last one has said everything."""
    worn = recycling.Bounds(rss=1, rest=0.0)
    async with scene(tmp_path, plan(COMMAND, recycling=worn)) as it:
        it.host("a")
        await opened(it, "a")
        it.supervisor.tend()
        await until(lambda: it.heard.starting == ["a", "a"], "the next start")
        assert last_words(it) == LAST_WORDS


async def test_a_move_to_the_pool_drains(tmp_path: Path) -> None:
    """Before another worker opens the session with the same keys."""
    async with scene(tmp_path, plan(COMMAND)) as it:
        it.host("pooled")
        it.host("a", alone=True)
        await opened(it, "pooled", "a")
        await it.supervisor.settle(it.key("a"))
        assert it.heard.lost == [("a", Death.MOVED)]
        assert last_words(it) == LAST_WORDS
        await until(lambda: it.heard.starting.count("a") == 2, "the next start")
