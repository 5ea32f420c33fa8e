"""A real worker process with the real core, driven over the wire as the daemon drives it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self, TypeVar

from sessions import commands as c
from sessions.commands import AnyAnswer, AnyCommand
from sessions.events import AnyEvent
from sessions.models import ProviderName
from sessions.worker import wire

_REPOSITORY = Path(__file__).parents[5]
_PATIENCE = 20.0
_A_WHILE = 0.5  # seconds; a process that has work uses some of its time within them
EventT = TypeVar("EventT")


class Worker:
    """One process; ``session`` names which of its sessions is meant."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Made by ``running``."""
        self._process = process
        self._reader = reader
        self._writer = writer
        self._numbers = 0
        self._answers: dict[int, asyncio.Future[AnyAnswer]] = {}
        self._arrived = asyncio.Event()
        self.events: dict[str, list[AnyEvent]] = {}
        self.marks: dict[str, int] = {}  # what was told; confirmed at once, unless told not to
        self.confirms = True
        self.health: list[wire.Health] = []
        self.told = 0  # events ever
        self.pongs: list[int] = []  # how many events had been told before each
        self.hears = asyncio.Event()  # while it is not set nothing is read
        self.hears.set()
        self.has_ended = False

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, command: list[str]) -> AsyncIterator[Self]:
        """A worker started by ``command``; killed on leaving if it still lives."""
        ours, theirs = socket.socketpair()
        with theirs:
            fd = theirs.fileno()
            process = await asyncio.create_subprocess_exec(
                *command,
                *("--fd", str(fd), "--provider", "whatsapp"),
                cwd=_REPOSITORY,
                env={**os.environ, "NEONIZE_BOT_TAG": "off"},
                stdout=asyncio.subprocess.DEVNULL,
                pass_fds=(fd,),
            )
        reader, writer = await asyncio.open_connection(sock=ours)
        worker = cls(process, reader, writer)
        reading = asyncio.get_running_loop().create_task(worker.read())
        try:
            yield worker
        finally:
            reading.cancel()
            writer.close()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def read(self) -> None:
        """Take frames until the worker ends."""
        frames = wire.parent_side()
        with contextlib.suppress(ConnectionError):
            while data := await self._reader.read(65536):
                for frame in frames.feed(data):
                    self._handle(frame)
                self._arrived.set()
                await self.hears.wait()
        self.has_ended = True
        self._arrived.set()

    def _handle(self, frame: wire.FromWorker) -> None:
        match frame:
            case wire.Reply():
                self._answers.pop(frame.number).set_result(frame.answer)
            case wire.Emitted():
                self._take(frame)
            case wire.Health():
                self.health.append(frame)
            case wire.Pong():
                self.pongs.append(self.told)
            case wire.Ready():
                pass

    def ping(self) -> None:
        """Ask for a sign of life, with which comes what was counted."""
        self._writer.write(wire.encode(wire.Ping(number=1)))

    def children(self) -> list[str]:
        """Return the process ids of its own processes, those that ended and were not waited for too."""
        threads = Path(f"/proc/{self._process.pid}/task").iterdir()
        return [pid for one in threads for pid in (one / "children").read_text().split()]

    async def is_idle(self) -> None:
        """Wait until the process has used no processor time for a while."""
        used, before = -1.0, -2.0
        while used != before:
            await asyncio.sleep(_A_WHILE)
            stat = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
            before, used = used, float(stat[11]) + float(stat[12])

    def _take(self, frame: wire.Emitted) -> None:
        self.told += 1
        self.events.setdefault(frame.session, []).append(frame.body)
        if frame.mark:
            self.marks[frame.session] = frame.mark
            if self.confirms:
                self.confirm(frame.mark, frame.session)

    def confirm(self, mark: int, session: str = "s1") -> None:
        """Say that all up to ``mark`` is taken."""
        if not self._writer.is_closing():
            self._writer.write(wire.encode(wire.Confirm(workspace="w", session=session, mark=mark)))

    async def kill(self) -> None:
        """End the worker by SIGKILL; return when all that it had written is taken."""
        self._process.kill()
        async with asyncio.timeout(_PATIENCE):
            await self._process.wait()
            while not self.has_ended:
                self._arrived.clear()
                await self._arrived.wait()

    async def ask(self, command: AnyCommand, session: str = "s1") -> AnyAnswer:
        """Return the answer to a command."""
        self._numbers += 1
        request = wire.Request(
            number=self._numbers, workspace="w", session=session, command=command
        )
        answer: asyncio.Future[AnyAnswer] = asyncio.get_running_loop().create_future()
        self._answers[self._numbers] = answer
        self._writer.write(wire.encode(request))
        async with asyncio.timeout(_PATIENCE):
            return await answer

    async def start(self, store: Path, session: str = "s1") -> None:
        """Open a session with the keys in ``store``."""
        await self.ask(c.Start(provider=ProviderName.WHATSAPP, store=str(store)), session)

    async def event(self, kind: type[EventT], session: str = "s1") -> EventT:
        """Return the next event of this kind, and forget it; others wait for later calls."""
        try:
            async with asyncio.timeout(_PATIENCE):
                while (found := self.take(kind, session)) is None:
                    assert not self.has_ended, f"the worker ended; before: {self.events}"
                    self._arrived.clear()
                    await self._arrived.wait()
                return found
        except TimeoutError:
            raise AssertionError(f"no {kind.__name__}, but {self.events.get(session)}") from None

    def take(self, kind: type[EventT], session: str = "s1") -> EventT | None:
        """Return the first event of this kind that has come, and forget it."""
        events = self.events.get(session, [])
        for event in events:
            if isinstance(event, kind):
                events.remove(event)
                return event
        return None

    async def end(self) -> int:
        """Ask the worker to drain and end; return its exit code."""
        self._writer.write(wire.encode(wire.Shutdown()))
        return await self.ended()

    async def ended(self) -> int:
        """Wait until the worker has ended; return its exit code."""
        async with asyncio.timeout(_PATIENCE):
            return await self._process.wait()
