"""Workers are looked at while the daemon runs, not only when somebody asks."""

from __future__ import annotations

from pathlib import Path

from sessions.manager import TEND_SECONDS
from sessions.worker import recycling
from tests.support.engine import plan, running, until


async def test_a_worker_that_has_grown_is_renewed_by_the_daemons_clock(tmp_path: Path) -> None:
    """Every few seconds; its session comes back in another process."""
    worn = recycling.Bounds(rss=1, rest=0.0)
    async with running(tmp_path, plan(recycling=worn)) as engine:
        live = await engine.connected()
        before = engine.pid()
        for _ in range(TEND_SECONDS):
            engine.manager.tick()
        await until(lambda: engine.pid() not in (0, before) and live.is_connected, "renewed")
