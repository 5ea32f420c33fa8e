"""The inside of a worker process: providers on one end, frames to the daemon on the other.

The host ends by itself when the daemon is gone (EOF), so that two daemons never hold one
number. Before it ends it drains: every provider disconnects, gets quiet, stops.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import threading
from collections import defaultdict
from collections.abc import Coroutine
from typing import Any

from sessions.commands import AnyAnswer, AnyCommand, Done, Refused, Start, Stop
from sessions.errors import WireError
from sessions.events import AnyEvent
from sessions.ids import SessionKey
from sessions.models import ProviderName
from sessions.provider.optional import NONE, Counting, Counts, Pausable
from sessions.provider.port import Emit, Provider, ProviderFactory
from sessions.worker import wire

log = logging.getLogger("zapd.worker")

#: Bytes that may wait for a daemon that reads slowly; then the providers are paused until no
#: more than ``LEAST_UNSENT`` are left. Some 5,000 messages; a drain may go over it.
MOST_UNSENT, LEAST_UNSENT = 4 * 1024 * 1024, 512 * 1024
#: Imported when first needed: a sandbox worker never loads the core.
_FACTORIES = {
    ProviderName.SANDBOX: "sessions.provider.sandbox",
    ProviderName.WHATSAPP: "sessions.provider.neonize.provider",
}
_NOT_HOSTED = Refused(
    kind="session_not_connected", message="The worker does not host this session."
)


def load_factory(provider: ProviderName) -> ProviderFactory:
    """Return the provider's factory; raise ``ImportError`` where the machine lacks a part of it."""
    factory: ProviderFactory = importlib.import_module(_FACTORIES[provider]).open_session
    return factory


class WorkerHost:
    """Holds the providers of one process."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk to the daemon over the given pair of streams."""
        self._reader = reader
        self._writer = writer
        self._providers: dict[SessionKey, Provider] = {}
        self._sequences: dict[SessionKey, int] = {}
        self._confirmed: dict[SessionKey, int] = {}  # of sessions that are not open yet
        self._counted: dict[SessionKey, Counts] = {}  # what the daemon was told of open ones
        self._is_full = False
        writer.transport.set_write_buffer_limits(MOST_UNSENT, LEAST_UNSENT)
        #: A session is started and stopped one after the other: its store has one owner.
        self._turns: dict[SessionKey, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending = asyncio.Event()
        #: The same, for a thread: a hung core may hold the loop.
        self.ending_seen = threading.Event()

    def end(self) -> None:
        """Make ``run`` drain and return."""
        self._ending.set()
        self.ending_seen.set()

    async def run(self, pid: int) -> None:
        """Say that the worker is ready; serve until shutdown, EOF or ``end``."""
        self._send(wire.Ready(pid=pid))
        reading = self._own(self._read())
        await self._ending.wait()
        await self.drain()
        reading.cancel()

    async def drain(self) -> None:
        """Stop all providers at once, and let the last frames leave."""
        providers = list(self._providers.values())
        ends = await asyncio.gather(*(p.stop() for p in providers), return_exceptions=True)
        self._report()
        self._providers.clear()
        for end in ends:
            if isinstance(end, BaseException):
                log.error("a provider did not stop cleanly: %r", end)
        if not self._writer.is_closing():
            self._writer.transport.set_write_buffer_limits(0)  # now ``drain`` waits for all of it
            await asyncio.gather(self._writer.drain(), return_exceptions=True)

    async def _read(self) -> None:
        frames = wire.worker_side()
        try:
            while data := await self._reader.read(65536):
                for frame in frames.feed(data):
                    # Nothing is opened any more, but the daemon still has to confirm.
                    if not self._ending.is_set() or isinstance(frame, wire.Confirm):
                        self._handle(frame)
        except (WireError, ConnectionError) as error:
            log.warning("the daemon cannot be heard any more: %r", error)
        finally:
            self.end()

    def _handle(self, frame: wire.ToWorker) -> None:
        match frame:
            case wire.Ping(number=number):
                self._report()
                self._send(wire.Pong(number=number))
            case wire.Confirm(workspace=workspace, session=session, mark=mark):
                self._confirm(SessionKey(workspace, session), mark)
            case wire.Shutdown():
                self.end()
            case wire.Request():
                self._own(self._answer(frame))

    def _confirm(self, key: SessionKey, mark: int) -> None:
        provider = self._providers.get(key)
        if provider is None:
            self._confirmed[key] = mark
        else:
            provider.confirm(mark)

    async def _answer(self, request: wire.Request) -> None:
        key = SessionKey(request.workspace, request.session)
        try:
            answer = await self._execute(key, request.command)
        except Exception:
            log.exception("command %s of session %s failed", type(request.command).__name__, key)
            answer = Refused(kind="command_failed", message="The provider failed; see the log.")
        self._send(wire.Reply(number=request.number, answer=answer))

    async def _execute(self, key: SessionKey, command: AnyCommand) -> AnyAnswer:
        if isinstance(command, Start):
            return await self._start(key, command)
        if isinstance(command, Stop):
            return await self._stop(key)
        provider = self._providers.get(key)
        return _NOT_HOSTED if provider is None else await provider.execute(command)

    async def _start(self, key: SessionKey, command: Start) -> AnyAnswer:
        async with self._turns[key]:
            if key not in self._providers:
                factory = load_factory(command.provider)
                provider = factory(key, command.store, self._emitter(key))
                self._providers[key] = provider
                if self._is_full and isinstance(provider, Pausable):
                    provider.pause()
                provider.confirm(self._confirmed.pop(key, 0))
                try:
                    await provider.start()
                except BaseException:
                    self._providers.pop(key, None)  # so that it can be tried again
                    raise
        return Done()

    async def _stop(self, key: SessionKey) -> AnyAnswer:
        async with self._turns[key]:
            provider = self._providers.get(key)
            if provider is not None:
                try:
                    await provider.stop()
                finally:
                    self._report()
                    self._providers.pop(key, None)
                    self._counted.pop(key, None)
                if provider.disposable:
                    log.warning("session %s ends only with its process", key)
                    self.end()
        return Done()

    def _emitter(self, key: SessionKey) -> Emit:
        def emit(event: AnyEvent, mark: int = 0) -> None:
            sequence = self._sequences[key] = self._sequences.get(key, 0) + 1
            self._send(
                wire.Emitted(
                    workspace=key.workspace,
                    session=key.session,
                    sequence=sequence,
                    mark=mark,
                    body=event,
                )
            )

        return emit

    def _send(self, frame: wire.FromWorker) -> None:
        if self._writer.is_closing():
            return
        try:
            self._writer.write(wire.encode(frame))
        except WireError as error:  # whoever emits it is not to blame
            log.error("a frame was dropped: %s", error)  # noqa: TRY400 - its stack says nothing
        if not self._is_full and self._unsent() > MOST_UNSENT:
            self._hold_back()

    def _unsent(self) -> int:
        return self._writer.transport.get_write_buffer_size()

    def _hold_back(self) -> None:
        """Let the providers wait until the daemon has taken most of what was told."""
        log.warning("the daemon reads slowly: %d bytes wait, events are held back", self._unsent())
        self._is_full = True
        for provider in self._pausable():
            provider.pause()
        self._own(self._go_on())

    async def _go_on(self) -> None:
        await asyncio.gather(self._writer.drain(), return_exceptions=True)  # it may be gone
        self._is_full = False
        for provider in self._pausable():
            provider.resume()

    def _pausable(self) -> list[Pausable]:
        return [p for p in self._providers.values() if isinstance(p, Pausable)]

    def _report(self) -> None:
        """Tell what the providers counted since this was told last."""
        for key, provider in self._providers.items():
            if not isinstance(provider, Counting):
                continue
            counts = provider.counts
            news = counts.minus(self._counted.get(key, NONE))
            if news != NONE:
                self._counted[key] = counts
                where = {"workspace": key.workspace, "session": key.session}
                self._send(wire.Health(**where, counts=news))

    def _own(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
