from __future__ import annotations

import asyncio
from typing import cast

import pytest

from daemon import runtime
from daemon.storage.failures import StorageFull
from daemon.storage.sends import SqliteSendJournal


class Journal:
    """A journal on a disk that is full at first."""

    def __init__(self) -> None:
        self.asked = 0
        self.enough = asyncio.Event()

    async def prune(self, keep_ms: int) -> int:
        """Fail twice."""
        self.asked += 1
        if self.asked <= 2:
            raise StorageFull("The server's disk is full.")
        self.enough.set()
        return keep_ms


async def test_a_full_disk_does_not_end_the_daemon(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What is forgotten each hour is forgotten the next hour; the log says why."""
    monkeypatch.setattr(runtime, "PRUNE_SECONDS", 0)
    journal = Journal()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(runtime.forget_sends(cast("SqliteSendJournal", journal), 7))
        await journal.enough.wait()
        task.cancel()
    assert caplog.text.count("disk is full") == 2
