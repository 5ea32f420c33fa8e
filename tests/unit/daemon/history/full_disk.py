"""A life on a disk that gets full and has room again: ``python -m …full_disk``, in a namespace.

Prints ``ok`` when all of it was as it should be.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from daemon.history.history import History
from tests.support.recorders import SetClock
from tests.unit.daemon.history.disks import small_disk
from tests.unit.daemon.history.lives import confirmations, holds, put, settings, until


def fill(disk: Path) -> Path:
    """Take all the room that there is; return what took it."""
    other = disk / "other"
    with other.open("wb", buffering=0) as stream, suppress(OSError):
        while stream.write(b"x" * 4096):
            pass
    assert other.stat().st_size > 1 << 20
    return other


async def life(disk: Path) -> None:
    """Fill the disk with something else while messages come; then make room."""
    confirmed = confirmations()
    data = disk / "data"
    history = await History.open(settings(data), SetClock(), confirmed.take)
    async with history.running():
        await put(history, range(100))
        await history.flusher.flush()
        assert history.health().state == "ok"

        other = fill(disk)
        await put(history, range(100, 6000))
        health = history.health()
        assert health.state == "failing", health
        assert "full" in str(health.sentence), health
        assert health.user_action, health
        assert health.backlog_bytes <= settings(data).history_backlog
        # Reading goes on, and so does the loop.
        assert len(await history.store.before(confirmed.chat, None, 1000)) >= 100

        other.unlink()
        kept = 6000 - history.health().lost
        await until(lambda: history.health().state == "ok" and not history.health().backlog)
        await put(history, range(6000, 6010))
        await history.flusher.flush()
        assert history.health().written >= kept, history.health()
    await history.close()
    await holds(data, range(100))
    await holds(data, range(6000, 6010))


def main() -> None:
    """Live it."""
    with small_disk("8m") as disk:
        asyncio.run(asyncio.wait_for(life(disk), 50))
    print("ok")  # noqa: T201 - what the test looks for


if __name__ == "__main__":
    main()
