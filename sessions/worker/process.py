"""One worker process, seen from the daemon: spawn, ask, listen, feel its pulse, end it.

After uvicorn's ``supervisors/multiprocess.py``: a ping that the child's loop must answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, cast

from sessions.commands import AnyAnswer, AnyCommand
from sessions.errors import OutcomeUnknown, SessionNotConnected, WireError
from sessions.ids import SessionKey
from sessions.worker import wire

log = logging.getLogger("zapd.worker")

EXIT_CANNOT_START = 78
LAST_WORDS_SECONDS = 2.0  # for what a process that has ended left in its pipes
_INHERITED = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
)


class Death(StrEnum):
    """How a worker ended; the values are codes of ``sessions.states.TROUBLES``."""

    NOT_READY = "worker_not_ready"
    HUNG = "worker_hung"
    CRASHED = "worker_crashed"
    CANNOT_START = "worker_cannot_start"
    MOVED = "rehosting"  # no death: the supervisor moves the session


class Limits(NamedTuple):
    """Seconds that a worker is given."""

    ready: float = 30.0
    heartbeat: float = 5.0
    hung: float = 20.0
    drain: float = 15.0


def worker_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a worker may see: an allow-list, so that no secret of the daemon leaks.

    Go reads its environment once, at exec, so certificates and proxies must be here;
    ``NEONIZE_BOT_TAG=off`` keeps neonize from marking every 1:1 message as a bot's.
    """
    inherited = {name: environment[name] for name in _INHERITED if name in environment}
    return inherited | {"NEONIZE_BOT_TAG": "off", "PYTHONUNBUFFERED": "1"}


class WorkerProcess(asyncio.Protocol):
    """A running worker. Made by :meth:`spawn`; gone when :meth:`wait` returns."""

    def __init__(
        self,
        on_event: Callable[[wire.Emitted], None],
        on_health: Callable[[wire.Health], None] = lambda _: None,
    ) -> None:
        """Hand every event to ``on_event``, on the loop, in the order in which they came.

        ``on_health`` takes what the worker's providers counted, at each heartbeat.
        """
        self._on_event = on_event
        self._on_health = on_health
        self._frames = wire.parent_side()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[AnyAnswer]] = {}
        self._ready = asyncio.Event()
        self._last_pong = 0.0
        self._transport: asyncio.WriteTransport | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._output: asyncio.StreamWriter | None = None
        self._logging: asyncio.Task[None] | None = None
        self._lost = asyncio.Event()

    @classmethod
    async def spawn(
        cls,
        command: Sequence[str],
        environment: Mapping[str, str],
        on_event: Callable[[wire.Emitted], None],
        on_health: Callable[[wire.Health], None] = lambda _: None,
    ) -> WorkerProcess:
        """Start the process; raise ``OSError`` where the system refuses."""
        self = cls(on_event, on_health)
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        # Not asyncio's pipes: it takes a process for alive as long as anybody holds them open.
        output, prints = socket.socketpair()
        with theirs, prints:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *command,
                    "--fd",
                    str(theirs.fileno()),
                    pass_fds=(theirs.fileno(),),
                    env=dict(environment),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=prints.fileno(),
                    stderr=prints.fileno(),
                    start_new_session=True,
                )
            except BaseException:
                ours.close()
                output.close()
                raise
        self._last_pong = loop.time()
        await loop.create_connection(lambda: self, sock=ours)
        reader, self._output = await asyncio.open_connection(sock=output)
        self._logging = loop.create_task(self._log_lines(reader))
        return self

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid if self._process else 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the pipe (asyncio calls this)."""
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Handle frames (asyncio calls this); nonsense on the pipe ends the process."""
        try:
            for frame in self._frames.feed(data):
                self._handle(frame)
        except WireError as error:
            log.warning("worker %d: %s", self.pid, error)
            self.kill()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what waits for an answer (asyncio calls this)."""
        self._lost.set()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(OutcomeUnknown("The worker ended before it answered."))
        self._waiting.clear()

    def _handle(self, frame: wire.FromWorker) -> None:
        match frame:
            case wire.Emitted():
                self._on_event(frame)
            case wire.Reply(number=number, answer=answer):
                future = self._waiting.pop(number, None)
                if future is not None and not future.done():
                    future.set_result(answer)
            case wire.Health():
                self._on_health(frame)
            case wire.Pong():
                self._last_pong = asyncio.get_running_loop().time()
            case wire.Ready():
                self._ready.set()

    async def request(self, key: SessionKey, command: AnyCommand, seconds: float) -> AnyAnswer:
        """Ask and return the answer.

        Raises ``SessionNotConnected`` when it cannot be asked, ``OutcomeUnknown`` when it was
        and no answer came in time.
        """
        if self._lost.is_set() or self._transport is None:
            raise SessionNotConnected("The session's worker is gone.")
        number = next(self._numbers)
        future = asyncio.get_running_loop().create_future()
        self._write(wire.Request(number=number, workspace=key[0], session=key[1], command=command))
        self._waiting[number] = future
        try:
            async with asyncio.timeout(seconds):
                answer: AnyAnswer = await future
        except TimeoutError:
            raise OutcomeUnknown(f"The worker gave no answer within {seconds:g} s.") from None
        finally:
            self._waiting.pop(number, None)
        return answer

    def confirm(self, key: SessionKey, mark: int) -> None:
        """Tell it that all of the session up to ``mark`` is taken; nothing if it has ended."""
        self._write(wire.Confirm(workspace=key.workspace, session=key.session, mark=mark))

    async def answered(self, seconds: float) -> None:
        """Wait until everything that was asked is answered, at most ``seconds``."""
        if self._waiting:
            await asyncio.wait(set(self._waiting.values()), timeout=seconds)

    async def live(self, limits: Limits, on_ready: Callable[[], None]) -> Death:
        """Watch the process until it ends; call ``on_ready`` once; kill it when it hangs."""
        if not await self._becomes_ready(limits.ready):
            code = await self._reap()
            return Death.CANNOT_START if code == EXIT_CANNOT_START else Death.NOT_READY
        on_ready()
        hung = await self._pulse_stops(limits)
        code = await self._reap()
        log.info("worker %d ended with %s", self.pid, code)
        return Death.HUNG if hung else Death.CRASHED

    async def _becomes_ready(self, seconds: float) -> bool:
        ready = asyncio.ensure_future(self._ready.wait())
        ended = asyncio.ensure_future(self.wait())
        try:
            await asyncio.wait({ready, ended}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            return self._ready.is_set()
        finally:
            ready.cancel()
            ended.cancel()

    async def _pulse_stops(self, limits: Limits) -> bool:
        """Return False when the process ended, True when it lives but does not answer."""
        loop = asyncio.get_running_loop()
        ended = asyncio.ensure_future(self.wait())
        try:
            while not ended.done():
                self._write(wire.Ping(number=0))
                asked = loop.time()
                await asyncio.wait({ended}, timeout=limits.heartbeat)
                # what the daemon itself stood still is not the worker's silence
                self._last_pong += max(0.0, loop.time() - asked - limits.heartbeat)
                if loop.time() - self._last_pong > limits.hung:
                    return not ended.done()
            return False
        finally:
            ended.cancel()

    async def _reap(self) -> int:
        """Make sure that it has ended; take what it still said, then close the pipe."""
        self.kill()
        code = await self.wait()
        heard = asyncio.ensure_future(self._lost.wait())
        last_words = [heard, self._logging] if self._logging else [heard]
        _, late = await asyncio.wait(last_words, timeout=LAST_WORDS_SECONDS)
        for task in late:  # something that it started holds its pipes open
            task.cancel()
        for pipe in (self._transport, self._output):
            if pipe is not None:
                pipe.close()
        return code

    async def wait(self) -> int:
        """Wait until the process has ended; return its code (negative: a signal)."""
        return await self._process.wait() if self._process else 0

    async def shut_down(self, seconds: float) -> None:
        """Let it drain and end; after ``seconds`` end it by SIGKILL."""
        self._write(wire.Shutdown())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.wait()
        await self._reap()

    def kill(self) -> None:
        """End it at once, if it has not ended."""
        if self._process and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)

    def _write(self, frame: wire.ToWorker) -> None:
        if self._transport is not None and not self._lost.is_set():
            self._transport.write(wire.encode(frame))

    async def _log_lines(self, stream: asyncio.StreamReader) -> None:
        """Log what it prints; a pipe that nobody reads would fill up and stop it."""
        while True:
            try:
                line = await stream.readline()
            except ValueError:  # over the reader's limit of 64 KiB: it was thrown away
                continue
            if not line:
                return
            log.info("worker %d: %s", self.pid, line.decode(errors="replace").rstrip()[:2000])
