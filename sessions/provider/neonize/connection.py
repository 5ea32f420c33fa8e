"""One client of the core from its start to its end: signals, deadlines, and the drain before a stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from google.protobuf.message import DecodeError
from neonize.exc import NeonizeError

from sessions.events import AnyEvent
from sessions.provider.neonize import codes, failures, signals
from sessions.provider.neonize.calls import Calls
from sessions.provider.neonize.core import Core, CoreNotReady
from sessions.provider.neonize.decode import parse
from sessions.provider.neonize.inbox import Inbox, Received
from sessions.provider.neonize.line import Line, Next, Stage
from sessions.provider.neonize.telling import SLICE, Teller, now_ms

log = logging.getLogger(__name__)

#: Seconds. A client that has shown nothing by then hangs (TCP accepted, then silence).
CONNECT_DEADLINE = 30.0
LOGIN_DEADLINE = 60.0
#: The library reconnects by itself, ever more slowly and without an end; and a server that
#: closes right after the handshake leaves it deaf, without a try. Then it is begun anew.
RECONNECT_DEADLINE = 60.0
#: A start's writes to Go's maps are done within milliseconds of opening its database.
RELAX_AFTER = 2.0
QUIET, QUIET_AT_MOST = 0.5, 7.0
CALL_PATIENCE, LOCK_PATIENCE = 3.0, 6.0
#: After a callback loop ended by itself. What ended it came from WhatsApp, and comes again at
#: every login unless its acknowledgement has left; the engine's channel loses no more meanwhile.
ACK_PAUSE = 0.1
#: WhatsApp refuses presence until the push name has come, which is told nowhere.
AVAILABLE_TRIES = (0.0, 2.0, 10.0, 60.0, 300.0)


class Connection:
    """Runs one session's client, again and again; ``on_stage`` hears of each new stage."""

    def __init__(  # noqa: PLR0913 - the parts that it drives
        self,
        core: Core,
        line: Line,
        inbox: Inbox,
        calls: Calls,
        teller: Teller,
        *,
        tell: Callable[[list[AnyEvent]], None],
        on_stage: Callable[[Stage], None],
    ) -> None:
        """``tell`` takes what the line's signals mean."""
        self._core = core
        self._line = line
        self._inbox = inbox
        self._calls = calls
        self._teller = teller
        self._tell = tell
        self._on_stage = on_stage
        self._available: asyncio.Task[None] | None = None
        self._relaxing: asyncio.TimerHandle | None = None
        self._due: float | None = None
        #: Whether the client's thread came back unasked. Not `core.is_running`: the thread tells
        #: of its end a moment before that.
        self._has_ended = False
        #: Whether Go hangs: only the process's end can end it.
        self.is_hung = False

    async def run(self) -> Next | None:
        """Run one client to its end; None when it cannot be ended."""
        self._line.begin()
        self._due, self._has_ended = None, False
        try:
            self._core.start()
        except CoreNotReady:
            self.is_hung = True
            return None
        await self._watch()
        if self._has_ended:  # its connection lives on, and still acknowledges
            await asyncio.sleep(ACK_PAUSE)
        verdict = self._line.verdict
        if not self.is_hung and not self._core.is_pairing:
            self.is_hung = not await self._close()
        return verdict

    def cancel(self) -> None:
        """Try no more to be available."""
        if self._available is not None:
            self._available.cancel()

    async def _watch(self) -> None:
        """Handle what comes until there is a verdict, or a deadline passes."""
        loop = asyncio.get_running_loop()
        slice_end = loop.time() + SLICE
        while self._line.verdict is None and not self.is_hung:
            await self._teller.flow.wait()
            left = None if self._due is None else max(0.0, self._due - loop.time())
            raw = await self._inbox.next(left)
            if raw is not None:
                await self._handle(raw)
            elif self._due is not None and loop.time() >= self._due:
                self._overdue()
            if loop.time() > slice_end:
                await asyncio.sleep(0)
                slice_end = loop.time() + SLICE

    def _overdue(self) -> None:
        """Nothing came in time: begin anew, or give the process up where Go hangs."""
        self._tell(self._line.failed(failures.CONNECT_TIMEOUT))
        if self._line.device is None:
            self.is_hung = True
            self._core.abandon()

    async def _close(self) -> bool:
        """Drain and stop the client; False where it does not end."""
        if self._relaxing is not None:
            self._relaxing.cancel()
        if not await self._drain():
            return False
        self._line.stage = Stage.LOST
        patience = LOCK_PATIENCE + CALL_PATIENCE
        stopped = await self._calls.make_within(patience, self._core.stop, LOCK_PATIENCE)
        ended = stopped and await self._calls.make_within(patience, self._core.join, CALL_PATIENCE)
        await self._flush()
        return bool(ended)

    async def _drain(self) -> bool:
        """Disconnect and let Go hand over what it has acknowledged: a plain stop loses it.

        False where the line hangs: a stop would hang too, and with it all the neighbours.
        """
        if await self._calls.make_within(CALL_PATIENCE, self._core.disconnect) is None:
            return False
        # The core's word, not the line's: what came with the login may flow before we took that.
        if not self._core.is_up:
            return True
        loop = asyncio.get_running_loop()
        end = loop.time() + QUIET_AT_MOST
        taken = -1
        while taken != self._inbox.taken and loop.time() < end:
            taken = self._inbox.taken
            await self._flush()
            await asyncio.sleep(QUIET)
        return True

    async def _flush(self) -> None:
        while (raw := self._inbox.pop()) is not None:
            await self._handle(raw)

    async def _handle(self, raw: Received) -> None:
        if raw.code in codes.CONTENT:
            await self._teller.take(raw)
        elif self._line.verdict is None:  # else it is the echo of our own stop
            before = self._line.stage
            self._tell(self._signal(raw))
            if self._line.stage is not before:
                self.enter_stage(self._line.stage)

    def _signal(self, raw: Received) -> list[AnyEvent]:
        text = raw.data.decode(errors="replace") if raw.code < 0 else ""
        match raw.code:
            case codes.ENTERED:
                self._line.entered()
                return []
            case codes.QR_CODE:
                return self._line.qr(text, now_ms())
            case codes.PAIRING_STATUS:
                return self._line.pairing_status(text)
            case codes.ENDED:
                log.warning("the core ended by itself: %s", text[:300])
                self._has_ended = True
                return self._line.ended(text)
            case _:
                return self._event_signal(raw)

    def _event_signal(self, raw: Received) -> list[AnyEvent]:
        try:
            return signals.take(self._line, raw.code, parse(raw.code, raw.data), now_ms())
        except (DecodeError, KeyError) as error:
            log.warning("signal %d cannot be taken: %s", raw.code, type(error).__name__)
            return []

    def enter_stage(self, stage: Stage) -> None:
        """Start the patience of a stage, and do what it allows."""
        loop = asyncio.get_running_loop()
        seconds = {
            Stage.ENTERED: CONNECT_DEADLINE,
            Stage.LOGIN: LOGIN_DEADLINE,
            Stage.LOST: RECONNECT_DEADLINE,
        }.get(stage)
        self._due = None if seconds is None else loop.time() + seconds
        if stage is Stage.ENTERED:
            self._relaxing = loop.call_later(RELAX_AFTER, self._core.relax)
        elif stage is Stage.UP and (self._available is None or self._available.done()):
            self._available = loop.create_task(self._be_available())
        self._on_stage(stage)

    async def _be_available(self) -> None:
        for seconds in AVAILABLE_TRIES:
            await asyncio.sleep(seconds)
            with contextlib.suppress(NeonizeError, CoreNotReady):
                await self._calls.make(self._core.show_available)
                return
