from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sessions import commands as c, events as e
from sessions.errors import OutcomeUnknown, SessionNotConnected, WireError
from sessions.ids import SessionKey
from sessions.models import ProviderName
from sessions.provider.optional import Counts
from sessions.worker import wire
from sessions.worker.process import Death, Limits, WorkerProcess, worker_environment
from tests.support.engine import LIMITS, PATIENCE, UNIT, WORKER, environment, misbehaving, until

KEY = SessionKey("w", "s1")
SANDBOX = ("--provider", "sandbox")


class Life:
    """A process that is watched, as the supervisor watches it."""

    def __init__(self, process: WorkerProcess, limits: Limits) -> None:
        self.process = process
        self.ready = asyncio.Event()
        self.death = asyncio.get_running_loop().create_task(process.live(limits, self.ready.set))


@asynccontextmanager
async def life(
    command: Sequence[str], limits: Limits = LIMITS, events: list[wire.Emitted] | None = None
) -> AsyncIterator[Life]:
    """Yield a watched worker; end it afterwards."""
    took = events.append if events is not None else lambda _: None
    process = await WorkerProcess.spawn([*command, *SANDBOX], environment(), took)
    watched = Life(process, limits)
    try:
        yield watched
    finally:
        process.kill()
        await watched.death


async def test_a_worker_becomes_ready_answers_and_drains(tmp_path: Path) -> None:
    """The real thing: ready, a session opened, its events, a clean end with code 0."""
    events: list[wire.Emitted] = []
    async with life(WORKER, events=events) as worker:
        await asyncio.wait_for(worker.ready.wait(), PATIENCE)
        start = c.Start(provider=ProviderName.SANDBOX, store=str(tmp_path))
        assert await worker.process.request(KEY, start, PATIENCE) == c.Done()
        await until(lambda: len(events) == 2)
        assert [e.PairingStarted, e.QrShown] == [type(event.body) for event in events]
        assert [event.sequence for event in events] == [1, 2]
        await worker.process.shut_down(PATIENCE)
        assert await worker.process.wait() == 0


async def test_a_worker_sees_only_what_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment is the allow-list, its files are private, it hears nothing on stdin."""
    monkeypatch.setenv("ZAPD_JWT_SECRET", "hush")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    async with life(WORKER) as worker:
        await asyncio.wait_for(worker.ready.wait(), PATIENCE)
        proc = Path(f"/proc/{worker.process.pid}")
        environ = (proc / "environ").read_text().split("\0")  # as it was at exec, for Go
        seen = {line.partition("=")[0] for line in environ}
        assert {"NEONIZE_BOT_TAG=off", "HTTPS_PROXY=http://proxy.example:3128"} <= set(environ)
        assert "ZAPD_JWT_SECRET" not in seen
        assert "AWS_SECRET_ACCESS_KEY" not in seen
        assert "Umask:\t0077" in (proc / "status").read_text()
        assert Path("/dev/null") == (proc / "fd" / "0").readlink()
        assert not sockets(proc) & sockets(Path("/proc/self"))  # else it never saw our end close


def sockets(process: Path) -> set[str]:
    """Return the sockets that a process holds."""
    found = {str(fd.readlink()) for fd in (process / "fd").iterdir() if fd.is_symlink()}
    return {name for name in found if name.startswith("socket:")}


def test_the_environment_is_an_allow_list() -> None:
    """Certificates and proxies pass, secrets and Python's own switches do not."""
    given = {"PATH": "/bin", "HTTPS_PROXY": "p", "PYTHONPATH": "x", "SECRET": "s", "HOME": "h"}
    expected = {"PATH": "/bin", "HTTPS_PROXY": "p", "NEONIZE_BOT_TAG": "off"}
    assert expected | {"PYTHONUNBUFFERED": "1"} == worker_environment(given)


@pytest.mark.parametrize(
    ("how", "limits", "death"),
    [
        ("never_ready", LIMITS._replace(ready=5 * UNIT), Death.NOT_READY),
        ("ends_at_once", LIMITS, Death.NOT_READY),
        ("cannot_start", LIMITS, Death.CANNOT_START),
        ("deaf", LIMITS._replace(heartbeat=UNIT, hung=5 * UNIT), Death.HUNG),
        ("garbage", LIMITS, Death.CRASHED),
        ("oversized", LIMITS, Death.CRASHED),
    ],
)
async def test_kinds_of_death(how: str, limits: Limits, death: Death) -> None:
    """Each is told apart, and none leaves a process behind."""
    async with life(misbehaving(how), limits) as worker:
        assert death == await asyncio.wait_for(worker.death, PATIENCE)
        assert not Path(f"/proc/{worker.process.pid}").exists()


async def test_a_killed_worker_has_crashed() -> None:
    """By whatever signal."""
    async with life(WORKER) as worker:
        await asyncio.wait_for(worker.ready.wait(), PATIENCE)
        os.kill(worker.process.pid, signal.SIGKILL)
        assert await asyncio.wait_for(worker.death, PATIENCE) is Death.CRASHED
        with pytest.raises(SessionNotConnected):
            await worker.process.request(KEY, c.Stop(), PATIENCE)


async def test_who_was_asked_and_died_leaves_the_outcome_unknown() -> None:
    """Whoever waits for an answer is told at once."""
    async with life(misbehaving("crashes_on_command")) as worker:
        await asyncio.wait_for(worker.ready.wait(), PATIENCE)
        with pytest.raises(OutcomeUnknown):
            await worker.process.request(KEY, c.SendText(chat="1@g.us", text="x"), PATIENCE)


async def test_who_is_silent_for_too_long_leaves_the_outcome_unknown() -> None:
    """A late answer is dropped; the process lives on."""
    async with life(misbehaving("silent")) as worker:
        await asyncio.wait_for(worker.ready.wait(), PATIENCE)
        with pytest.raises(OutcomeUnknown):
            await worker.process.request(KEY, c.Stop(), UNIT)
        assert not worker.death.done()


async def test_what_no_frame_can_hold_is_refused_to_who_asks() -> None:
    """The worker never sees it, and nothing waits for its answer."""
    async with life(misbehaving("silent")) as worker:
        await asyncio.wait_for(worker.ready.wait(), PATIENCE)
        with pytest.raises(WireError):
            await worker.process.request(
                KEY, c.SendText(chat="1@g.us", text="x" * wire.MAX_FRAME), UNIT
            )


async def test_a_worker_that_does_not_drain_is_ended() -> None:
    """It has its time, not more."""
    async with life(misbehaving("slow_to_drain")) as worker:
        await asyncio.wait_for(worker.ready.wait(), PATIENCE)
        begun = asyncio.get_running_loop().time()
        await worker.process.shut_down(3 * UNIT)
        assert asyncio.get_running_loop().time() - begun >= 3 * UNIT
        assert await worker.process.wait() == -signal.SIGKILL


async def test_what_a_worker_prints_does_not_matter(caplog: pytest.LogCaptureFixture) -> None:
    """Endless lines and nonsense on stdout and stderr stop neither it nor us, and are logged."""
    caplog.set_level(logging.INFO)
    async with life(misbehaving("loud")) as worker:
        await asyncio.wait_for(worker.ready.wait(), PATIENCE)
        assert await worker.process.request(KEY, c.Stop(), PATIENCE) == c.Done()
        await until(lambda: '{"frame":"ready"}' in caplog.text)


_PRINTS = """
import os, sys
os.write(int(sys.argv[1]), b"SendMessage: Error ...\\n")
"""


@pytest.mark.parametrize("stream", ["1", "2"], ids=["stdout", "stderr"])
async def test_what_go_prints_is_in_the_log(caplog: pytest.LogCaptureFixture, stream: str) -> None:
    """It writes to the descriptors themselves, past Python, and also says why it panics there."""
    caplog.set_level(logging.INFO)
    async with life([sys.executable, "-c", _PRINTS, stream]) as worker:
        assert await asyncio.wait_for(worker.death, PATIENCE) is Death.NOT_READY
        assert f"worker {worker.process.pid}: SendMessage: Error ..." in caplog.text


async def test_a_child_that_a_worker_leaves_holds_nobody_up() -> None:
    """The pipes that it keeps open are closed from our side."""
    async with life(misbehaving("leaves_a_child")) as worker:
        try:
            assert await asyncio.wait_for(worker.death, PATIENCE) is Death.CRASHED
        finally:
            os.killpg(worker.process.pid, signal.SIGKILL)


async def test_last_words_are_heard() -> None:
    """What a worker writes right before it ends arrives, all of it."""
    events: list[wire.Emitted] = []
    async with life(misbehaving("last_words"), events=events) as worker:
        await asyncio.wait_for(worker.ready.wait(), PATIENCE)
        await worker.process.request(KEY, c.Stop(), PATIENCE)
        await worker.process.shut_down(PATIENCE)
        assert list(range(1, 501)) == [event.sequence for event in events]


_COUNTS = """
import socket, sys
from sessions.provider.optional import Counts
from sessions.worker import wire
pipe = socket.socket(fileno=int(sys.argv[sys.argv.index("--fd") + 1]))
pipe.sendall(wire.encode(wire.Ready(pid=1)))
pipe.sendall(wire.encode(wire.Health(workspace="w", session="s1", counts=Counts(unkept=2))))
pipe.recv(1)
"""


async def test_what_is_counted_is_handed_on() -> None:
    """Apart from the events."""
    heard: list[wire.Health] = []
    command = [sys.executable, "-c", _COUNTS, *SANDBOX]
    process = await WorkerProcess.spawn(command, environment(), lambda _: None, heard.append)
    watched = Life(process, LIMITS)
    await until(lambda: heard)
    assert [frame.counts for frame in heard] == [Counts(unkept=2)]
    process.kill()
    await watched.death


async def test_a_program_that_does_not_exist_is_an_os_error() -> None:
    """And no descriptor stays open for it."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(FileNotFoundError):
        await WorkerProcess.spawn(["/nowhere/python"], {}, lambda _: None)
    assert before == len(list(Path("/proc/self/fd").iterdir()))
