from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sessions import commands as c, events as e
from sessions.ids import SessionKey
from sessions.models import ProviderName
from sessions.provider.optional import Counts
from sessions.provider.port import Emit
from sessions.worker import host as module, wire
from sessions.worker.host import WorkerHost
from tests.support.engine import PATIENCE, UNIT, WORKER, environment, until

START = c.Start(provider=ProviderName.SANDBOX, store="/nowhere")


class Scripted:
    """A provider that does as the test says."""

    made: list[Scripted] = []  # noqa: RUF012 - each test empties it

    def __init__(self, key: SessionKey, store: str, emit: Emit) -> None:
        self.emit, self.disposable = emit, False
        self.calls: list[str] = []
        self.confirmed: list[int] = []
        self.stop_gate = asyncio.Event()
        self.stop_gate.set()
        self.fails_at: str | None = Scripted.made[-1].fails_next if Scripted.made else None
        self.fails_next: str | None = None
        self.counts = Counts()
        Scripted.made.append(self)

    async def start(self) -> None:
        """Start, or fail."""
        self.calls.append("start")
        if self.fails_at == "start":
            raise RuntimeError("no")

    def confirm(self, mark: int) -> None:
        """Keep it."""
        self.confirmed.append(mark)

    def pause(self) -> None:
        """Keep that it was paused."""
        self.calls.append("pause")

    def resume(self) -> None:
        """Keep that it may go on."""
        self.calls.append("resume")

    async def execute(self, command: c.AnyCommand) -> c.AnyAnswer:
        """Fail."""
        raise RuntimeError("no")

    async def stop(self) -> None:
        """Stop when the gate opens, or fail."""
        self.calls.append("stop")
        await self.stop_gate.wait()
        if self.fails_next == "stop":
            raise RuntimeError("no")


class Daemon:
    """The daemon's end of the pipe, and the host at the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.frames: list[wire.FromWorker] = []
        self._cutter = wire.parent_side()
        self._numbers = 0
        self.hears = asyncio.Event()  # while it is not set nothing is read
        self.hears.set()

    async def hear(self) -> None:
        """Take what comes until the host has ended."""
        while data := await self.reader.read(65536):
            self.frames += self._cutter.feed(data)
            await self.hears.wait()

    def say(self, frame: wire.ToWorker) -> None:
        """Write a frame."""
        self.writer.write(wire.encode(frame))

    def ask(self, command: c.AnyCommand, session: str = "s1") -> int:
        """Write a command; return its number."""
        self._numbers += 1
        number = self._numbers
        self.say(wire.Request(number=number, workspace="w", session=session, command=command))
        return number

    async def beats(self) -> list[wire.Health]:
        """Ask for a sign of life; return what was told with it."""
        before = len(self.frames)
        self.say(wire.Ping(number=1))
        await until(lambda: wire.Pong(number=1) in self.frames[before:])
        return [frame for frame in self.frames[before:] if isinstance(frame, wire.Health)]

    def answers(self) -> dict[int, c.AnyAnswer]:
        """Return the answers by number."""
        return {f.number: f.answer for f in self.frames if isinstance(f, wire.Reply)}

    async def answer(self, command: c.AnyCommand) -> c.AnyAnswer:
        """Ask and return the answer."""
        number = self.ask(command)
        await until(lambda: number in self.answers())
        return self.answers()[number]


@pytest_asyncio.fixture
async def pipe(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Daemon, asyncio.Task[None]]]:
    """Yield the daemon's end and the running host."""
    Scripted.made = []
    monkeypatch.setattr(module, "load_factory", lambda _: Scripted)
    ours, theirs = socket.socketpair()
    daemon = Daemon(*await asyncio.open_connection(sock=ours))
    reader, writer = await asyncio.open_connection(sock=theirs)
    host = WorkerHost(reader, writer)
    running = asyncio.get_running_loop().create_task(host.run(7))
    hearing = asyncio.get_running_loop().create_task(daemon.hear())
    yield daemon, running
    daemon.hears.set()
    host.end()
    await running
    for each in (writer, daemon.writer):
        each.close()
    await asyncio.gather(hearing, return_exceptions=True)


Pipe = tuple[Daemon, "asyncio.Task[None]"]


async def test_a_host_is_ready_and_has_a_pulse(pipe: Pipe) -> None:
    """It says so first, and answers each ping."""
    daemon, _ = pipe
    daemon.say(wire.Ping(number=3))
    await until(lambda: len(daemon.frames) == 2)
    assert [wire.Ready(pid=7), wire.Pong(number=3)] == daemon.frames


async def test_a_session_is_opened_once(pipe: Pipe) -> None:
    """A second start finds it open; after a stop it is opened anew."""
    daemon, _ = pipe
    assert await daemon.answer(START) == await daemon.answer(START) == c.Done()
    assert len(Scripted.made) == 1
    assert await daemon.answer(c.Stop()) == await daemon.answer(c.Stop()) == c.Done()
    await daemon.answer(START)
    assert [p.calls for p in Scripted.made] == [["start", "stop"], ["start"]]


async def test_a_start_waits_for_the_stop_before_it(pipe: Pipe) -> None:
    """Two providers never hold one store."""
    daemon, _ = pipe
    await daemon.answer(START)
    Scripted.made[0].stop_gate.clear()
    daemon.ask(c.Stop())
    last = daemon.ask(START)
    await until(lambda: "stop" in Scripted.made[0].calls)
    assert len(Scripted.made) == 1
    Scripted.made[0].stop_gate.set()
    await until(lambda: last in daemon.answers())
    assert len(Scripted.made) == 2


async def test_who_failed_to_start_can_be_started_again(pipe: Pipe) -> None:
    """A failed start is refused, and leaves nothing behind."""
    daemon, _ = pipe
    await daemon.answer(START)
    Scripted.made[0].fails_next = "start"
    await daemon.answer(c.Stop())
    assert isinstance(await daemon.answer(START), c.Refused)
    assert await daemon.answer(START) == c.Done()
    assert len(Scripted.made) == 3


async def test_who_failed_to_stop_is_gone_all_the_same(pipe: Pipe) -> None:
    """It cannot be in the way of the next start."""
    daemon, _ = pipe
    await daemon.answer(START)
    Scripted.made[0].fails_next = "stop"
    assert isinstance(await daemon.answer(c.Stop()), c.Refused)
    await daemon.answer(START)
    assert len(Scripted.made) == 2


async def test_a_command_that_fails_is_refused(pipe: Pipe) -> None:
    """With a sentence, not with the exception; of a session that is not there, too."""
    daemon, _ = pipe
    unknown = await daemon.answer(c.SendText(chat="c", text="t"))
    assert isinstance(unknown, c.Refused)
    assert unknown.kind == "session_not_connected"
    await daemon.answer(START)
    failed = await daemon.answer(c.SendText(chat="c", text="t"))
    assert isinstance(failed, c.Refused)
    assert failed.kind == "command_failed"


async def test_what_ends_only_with_its_process_ends_it(pipe: Pipe) -> None:
    """The neighbours drain, and the supervisor starts them again."""
    daemon, running = pipe
    await daemon.answer(START)
    Scripted.made[0].disposable = True
    daemon.ask(c.Stop())
    await asyncio.wait_for(running, PATIENCE)


async def test_all_that_was_said_has_left_before_the_end(pipe: Pipe) -> None:
    """A drain waits until the daemon has taken the last frame, however slow it reads."""
    daemon, running = pipe
    await daemon.answer(START)
    for percent in range(20_000):
        Scripted.made[0].emit(e.HistoryProgress(percent=percent, done=False))
    daemon.say(wire.Shutdown())
    await asyncio.wait_for(running, PATIENCE)
    await until(lambda: len(daemon.frames) == 20_002)
    last = daemon.frames[-1]
    assert isinstance(last, wire.Emitted)
    assert last.sequence == 20_000


def overfill(provider: Scripted) -> None:
    """Emit until the provider is paused, for which twice the bound must be enough."""
    for _ in range(2 * module.MOST_UNSENT // 65536):
        if "pause" not in provider.calls:
            provider.emit(e.Troubled(code="x", detail="x" * 65536))
    assert "pause" in provider.calls


async def test_a_daemon_that_reads_slowly_is_not_buried(pipe: Pipe) -> None:
    """The providers are paused, also one that is opened then, until most of it is taken."""
    daemon, _ = pipe
    await daemon.answer(START)
    first = Scripted.made[0]
    daemon.hears.clear()
    overfill(first)
    daemon.ask(START, "s2")
    await until(lambda: len(Scripted.made) == 2)
    assert Scripted.made[1].calls == ["pause", "start"]
    assert first.calls == ["start", "pause"]
    daemon.hears.set()
    await until(lambda: first.calls[-1] == Scripted.made[1].calls[-1] == "resume")
    told = [frame for frame in daemon.frames if isinstance(frame, wire.Emitted)]
    assert len(told) * 65536 >= module.MOST_UNSENT - module.LEAST_UNSENT
    first.emit(e.Connecting())
    await until(lambda: isinstance(daemon.frames[-1], wire.Emitted))
    assert first.calls.count("pause") == 1


async def test_a_daemon_that_dies_while_it_is_waited_for(pipe: Pipe) -> None:
    """The host drains and ends; nobody stays paused."""
    daemon, running = pipe
    await daemon.answer(START)
    first = Scripted.made[0]
    daemon.hears.clear()
    overfill(first)
    daemon.writer.transport.abort()
    await asyncio.wait_for(running, PATIENCE)
    assert "stop" in first.calls


async def test_what_is_counted_comes_with_the_pulse(pipe: Pipe) -> None:
    """What is new since the last time; who has nothing to say says nothing."""
    daemon, running = pipe
    await daemon.answer(START)
    assert await daemon.beats() == []
    Scripted.made[0].counts = Counts(unkept=3)
    assert [frame.counts for frame in await daemon.beats()] == [Counts(unkept=3)]
    assert await daemon.beats() == []
    Scripted.made[0].counts = Counts(unkept=4, overflowed=1)
    told = wire.Health(workspace="w", session="s1", counts=Counts(unkept=1, overflowed=1))
    assert await daemon.beats() == [told]
    Scripted.made[0].counts = Counts(unkept=4, overflowed=1, undecrypted=2)
    await daemon.answer(c.Stop())
    await daemon.answer(START)
    Scripted.made[1].counts = Counts(unkept=1)
    daemon.say(wire.Shutdown())
    await asyncio.wait_for(running, PATIENCE)
    await until(lambda: len([f for f in daemon.frames if isinstance(f, wire.Health)]) == 4)
    last = [frame.counts for frame in daemon.frames if isinstance(frame, wire.Health)][-2:]
    assert last == [Counts(undecrypted=2), Counts(unkept=1)]


async def test_a_frame_that_is_too_large_is_dropped(pipe: Pipe) -> None:
    """Whoever emits it is not to blame, and what follows arrives."""
    daemon, _ = pipe
    await daemon.answer(START)
    Scripted.made[0].emit(e.Troubled(code="x", detail="x" * wire.MAX_FRAME))
    Scripted.made[0].emit(e.HistoryProgress(percent=2**70, done=False))
    Scripted.made[0].emit(e.Connecting())
    await until(lambda: isinstance(daemon.frames[-1], wire.Emitted))
    assert isinstance(daemon.frames[-1], wire.Emitted)
    assert daemon.frames[-1].body == e.Connecting()


async def test_marks_go_out_and_confirmations_come_back(pipe: Pipe) -> None:
    """The provider's own numbers, as they are; before it is open the daemon's newest is kept."""
    daemon, _ = pipe
    for mark in (7, 8):
        daemon.say(wire.Confirm(workspace="w", session="s1", mark=mark))
    await daemon.answer(START)
    Scripted.made[0].emit(e.Connecting(), 9)
    Scripted.made[0].emit(e.Connecting())
    daemon.say(wire.Confirm(workspace="w", session="s1", mark=9))
    await until(lambda: Scripted.made[0].confirmed == [8, 9])
    emitted = [f for f in daemon.frames if isinstance(f, wire.Emitted)]
    assert [(frame.sequence, frame.mark) for frame in emitted] == [(1, 9), (2, 0)]


async def test_confirmations_are_heard_while_it_drains(pipe: Pipe) -> None:
    """Else what was told last would be told again after a clean restart."""
    daemon, running = pipe
    await daemon.answer(START)
    provider = Scripted.made[0]
    provider.stop_gate.clear()
    daemon.say(wire.Shutdown())
    await until(lambda: "stop" in provider.calls)
    daemon.say(wire.Confirm(workspace="w", session="s1", mark=5))
    await until(lambda: 5 in provider.confirmed)
    provider.stop_gate.set()
    await asyncio.wait_for(running, PATIENCE)


async def test_after_shutdown_nothing_is_opened(pipe: Pipe) -> None:
    """A start that comes right behind it is not heard."""
    daemon, running = pipe
    daemon.say(wire.Shutdown())
    daemon.ask(START)
    await asyncio.wait_for(running, PATIENCE)
    assert Scripted.made == []


@pytest.mark.parametrize("nonsense", [b"\x00\x00\x00\x01\xc1", b"\xff\xff\xff\xff"])
async def test_nonsense_from_the_daemon_ends_the_host(pipe: Pipe, nonsense: bytes) -> None:
    """After it nothing can be understood; it drains and ends."""
    daemon, running = pipe
    await daemon.answer(START)
    daemon.writer.write(nonsense)
    await asyncio.wait_for(running, PATIENCE)
    assert Scripted.made[0].calls == ["start", "stop"]


async def test_a_provider_that_fails_to_stop_costs_no_neighbour(
    pipe: Pipe, caplog: pytest.LogCaptureFixture
) -> None:
    """The drain goes on, and says so."""
    daemon, running = pipe
    await daemon.answer(START)
    Scripted.made[0].fails_next = "stop"
    daemon.say(wire.Shutdown())
    await asyncio.wait_for(running, PATIENCE)
    assert "did not stop cleanly" in caplog.text


_WITHOUT_CORE = """
import sys
sys.modules["sessions.provider.neonize.provider"] = None
from sessions.worker.__main__ import main
main(["--fd", "0", "--provider", "whatsapp"])
"""
_HELD_UP = """
import os, sys, threading, time
import sessions.worker.__main__ as worker
worker.DRAIN_DEADLINE = worker.PARENT_SECONDS = float(sys.argv[1])
ending = threading.Event()
if sys.argv[2] == "ending":
    ending.set()
parent = os.getppid() if sys.argv[2] == "ending" else -1
threading.Thread(target=worker._end_late, args=(ending, parent)).start()
time.sleep(3600)
"""


def test_a_machine_without_the_core_is_told_by_the_exit_code() -> None:
    """78: it is of no use to try again."""
    ended = subprocess.run([sys.executable, "-c", _WITHOUT_CORE], capture_output=True, check=False)
    assert ended.returncode == 78
    assert b"cannot start" in ended.stderr


@pytest.mark.parametrize("why", ["ending", "parent gone"])
def test_a_worker_that_is_held_up_ends_all_the_same(why: str) -> None:
    """A thread sees to it, when the core holds the loop: in its drain, and when the daemon dies."""
    command = [sys.executable, "-c", _HELD_UP, str(UNIT), why]
    assert subprocess.run(command, check=False).returncode == 70


_PARENT = """
import os, socket, subprocess, sys, time
ours, theirs = socket.socketpair()
fd = str(theirs.fileno())
child = subprocess.Popen([*sys.argv[1:], "--fd", fd, "--provider", "sandbox"],
    pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL, start_new_session=True)
theirs.close()
ours.recv(4096)
print(child.pid, flush=True)
time.sleep(3600)
"""


def is_alive(pid: int) -> bool:
    """Tell whether a process runs (and is no zombie of somebody's)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_worker_whose_parent_is_gone_ends_by_itself() -> None:
    """By EOF, so that two daemons never hold one number."""
    command = [sys.executable, "-c", _PARENT, *WORKER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert is_alive(worker)
        parent.kill()
        await until(lambda: not is_alive(worker))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_signals_to_a_worker(how: signal.Signals) -> None:
    """SIGTERM drains and ends it; SIGINT is for the daemon alone."""
    ours, theirs = socket.socketpair()
    with theirs, ours:
        worker = await asyncio.create_subprocess_exec(
            *WORKER,
            *("--fd", str(theirs.fileno()), "--provider", "sandbox"),
            pass_fds=(theirs.fileno(),),
            env=environment(),
        )
        await asyncio.get_running_loop().run_in_executor(None, ours.recv, 4096)
        os.kill(worker.pid, how)
        if how is signal.SIGTERM:
            assert await asyncio.wait_for(worker.wait(), PATIENCE) == 0
        else:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(worker.wait(), 3 * UNIT)
            worker.kill()
            await worker.wait()
