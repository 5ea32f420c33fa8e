"""What the real core's line really is: quiet, deaf, lost, or in a loop that does not end."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sessions import commands as c, events as e
from tests.loopback.phone import Phone
from tests.loopback.server import LoopbackWhatsApp
from tests.support.engine import UNIT
from tests.unit.sessions.provider.neonize.worker import Worker

_PATIENCE = f"probe.PROBE_PATIENCE={10 * UNIT}"


@pytest.fixture
async def whatsapp() -> AsyncIterator[LoopbackWhatsApp]:
    """A started server."""
    async with LoopbackWhatsApp() as server:
        yield server


@pytest.fixture
def phone(whatsapp: LoopbackWhatsApp) -> Phone:
    """The account's phone, nothing linked."""
    return whatsapp.phone("5511900000001", lid="100000000000001")


@asynccontextmanager
async def connected(
    whatsapp: LoopbackWhatsApp, phone: Phone, store: Path, *tuned: str
) -> AsyncIterator[Worker]:
    """Yield a worker with other patience, whose session is paired and connected."""
    module = "tests.unit.sessions.provider.neonize.hasty_worker"
    options = [part for setting in tuned for part in ("--tune", setting)]
    where = whatsapp.worker_command()[2:]
    async with Worker.running([sys.executable, "-m", module, *options, *where]) as worker:
        await worker.start(store)
        await phone.scan((await worker.event(e.QrShown)).qr)
        await phone.connected()
        await worker.event(e.Connected)
        yield worker
        assert await worker.end() == 0


async def found_deaf(worker: Worker) -> c.Refused:
    """Probe a silenced line; what was under way before the silence still counts as an answer."""
    for _ in range(4):
        answer = await worker.ask(c.Probe())
        if isinstance(answer, c.Refused):
            return answer
    raise AssertionError("the line is not deaf")


async def test_a_quiet_line_answers(
    whatsapp: LoopbackWhatsApp, phone: Phone, tmp_path: Path
) -> None:
    """It is asked whether its own number is on WhatsApp, and nothing is told of that."""
    async with connected(whatsapp, phone, tmp_path, _PATIENCE) as worker:
        worker.events["s1"].clear()
        assert c.Done() == await worker.ask(c.Probe())
        assert worker.take(e.Troubled) is None


async def test_a_deaf_line_is_opened_anew_in_its_process(
    whatsapp: LoopbackWhatsApp, phone: Phone, tmp_path: Path
) -> None:
    """The socket lives and nothing answers: told as deaf, healed at once, by the same worker."""
    async with connected(whatsapp, phone, tmp_path, _PATIENCE) as worker:
        phone.silence()
        assert (await found_deaf(worker)).reason == "deaf"
        assert (await worker.event(e.Troubled)).code == "deaf"
        await worker.event(e.Connected)
        assert c.Done() == await worker.ask(c.Probe())


async def test_a_line_that_is_deaf_again_is_tried_slowly(
    whatsapp: LoopbackWhatsApp, phone: Phone, tmp_path: Path
) -> None:
    """One healing an hour is at once; afterwards it waits, and still comes back by itself."""
    slow = 30 * UNIT
    tuned = (_PATIENCE, f"provider.SLOW_DELAY={slow}")
    async with connected(whatsapp, phone, tmp_path, *tuned) as worker:
        loop = asyncio.get_running_loop()
        took = []
        for _ in range(2):
            phone.silence()
            await found_deaf(worker)
            begun = loop.time()
            assert (await worker.event(e.Troubled)).code == "deaf"
            await worker.event(e.Connected)
            took.append(loop.time() - begun)
        assert took[1] >= slow


async def test_who_is_not_connected_is_not_probed(
    whatsapp: LoopbackWhatsApp, phone: Phone, tmp_path: Path
) -> None:
    """No question reaches the core, whose answer would be an abort."""
    async with Worker.running(whatsapp.worker_command()) as worker:
        await worker.start(tmp_path)
        await worker.event(e.QrShown)
        answer = await worker.ask(c.Probe())
        assert isinstance(answer, c.Refused)
        assert answer.kind == "session_not_connected"


async def test_a_reconnect_loop_that_does_not_end_is_one_trouble_and_broken(
    whatsapp: LoopbackWhatsApp, phone: Phone, tmp_path: Path
) -> None:
    """However often the core tries, one `line_lost`; at the deadline the line is begun anew."""
    tuned = (f"connection.RECONNECT_DEADLINE={30 * UNIT}",)
    async with connected(whatsapp, phone, tmp_path, *tuned) as worker:
        whatsapp.accepting = False
        worker.events["s1"].clear()
        assert phone.companion.connection
        phone.companion.connection.drop()
        told = [(await worker.event(e.Troubled)).code for _ in range(3)]
        assert told == ["line_lost", "connect_timeout", "connect_failed"]
        whatsapp.accepting = True
        await worker.event(e.Connected)


async def test_logins_are_capped(whatsapp: LoopbackWhatsApp, phone: Phone, tmp_path: Path) -> None:
    """A line that stands and goes deaf again and again is paused, and that is told."""
    tuned = (_PATIENCE, "provider.SLOW_DELAY=0", f"provider.LOGINS_WINDOW={1000 * UNIT}")
    async with connected(whatsapp, phone, tmp_path, *tuned, "provider.MOST_LOGINS=2") as worker:
        for after in ("Connected", "paused"):
            phone.silence()
            await found_deaf(worker)
            assert (await worker.event(e.Troubled)).code == "deaf"
            if after == "Connected":
                await worker.event(e.Connected)
        assert (await worker.event(e.Troubled)).code == "starts_paused"
