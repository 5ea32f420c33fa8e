from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from daemon.errors import ApiError
from daemon.services.metadata import chores as module
from daemon.services.metadata.chores import Chores
from daemon.storage.failures import StorageBusy
from sessions.ids import ChatRef

REFS = [ChatRef("w", "s1", f"551199999000{number}@s.whatsapp.net") for number in range(5)]


class Doer:
    """Does chores; fails with what is queued in ``errors``, and waits at ``gate``."""

    def __init__(self) -> None:
        self.done: list[ChatRef] = []
        self.errors: list[Exception] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def do(self, ref: ChatRef) -> None:
        """Do one."""
        await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.done.append(ref)


@asynccontextmanager
async def working(do: Callable[..., Awaitable[None]]) -> AsyncIterator[Chores]:
    """Yield chores that are done."""
    chores = Chores(retry_seconds=0.01)
    running = asyncio.ensure_future(chores.run({"do": do}))
    yield chores
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def settled(chores: Chores) -> None:
    """Wait until all is done."""
    async with asyncio.timeout(5):
        await chores.settled()


async def test_chores_are_done_in_order_each_once() -> None:
    """One that waits already is not added; one that is being done is done again."""
    doer = Doer()
    doer.gate.clear()
    async with working(doer.do) as chores:
        chores.put("do", REFS[0])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for ref in (REFS[1], REFS[0], REFS[1]):
            chores.put("do", ref)
        assert len(chores) == 2
        doer.gate.set()
        await settled(chores)
    assert doer.done == [REFS[0], REFS[1], REFS[0]]


@pytest.mark.parametrize("error", [StorageBusy("held"), ApiError("supabase_unreachable")])
async def test_what_the_disk_refuses_is_tried_again_before_the_rest(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """In the order that it had."""
    doer = Doer()
    doer.errors = [error, error]
    async with working(doer.do) as chores:
        for ref in REFS:
            chores.put("do", ref)
        await settled(chores)
    assert doer.done == REFS
    assert caplog.text.count("is tried again") == 2


@pytest.mark.parametrize("error", [ValueError("a bug"), ApiError("unknown_member")])
async def test_what_cannot_be_done_is_left_and_logged(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """The rest is done."""
    doer = Doer()
    doer.errors = [error]
    async with working(doer.do) as chores:
        for ref in REFS[:2]:
            chores.put("do", ref)
        await settled(chores)
    assert doer.done == [REFS[1]]
    assert len(caplog.records) == 1


async def test_what_waits_is_bounded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What is over the bound is left undone, and logged."""
    monkeypatch.setattr(module, "MOST", 2)
    doer = Doer()
    doer.gate.clear()
    async with working(doer.do) as chores:
        for ref in (*REFS[:3], REFS[0]):
            chores.put("do", ref)
        assert len(chores) == 2
        doer.gate.set()
        await settled(chores)
    assert doer.done == REFS[:2]
    assert "left undone" in caplog.text


async def test_nothing_to_do_is_settled() -> None:
    """From the start."""
    async with working(Doer().do) as chores:
        await settled(chores)
