"""The provider ``whatsapp``: one session's client, its life, and what it is asked to do."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import DecodeError
from neonize.exc import NeonizeError

from sessions import commands as c
from sessions.events import AnyEvent, CallChanged, LidLearned, Troubled
from sessions.ids import SessionKey
from sessions.models import ProviderName
from sessions.provider.attempts import Attempts
from sessions.provider.capabilities import CAPABILITIES
from sessions.provider.neonize import codes, failures, probe, signals
from sessions.provider.neonize.actions import NOT_CONNECTED, Actions
from sessions.provider.neonize.addresses import plain
from sessions.provider.neonize.calls import Calls
from sessions.provider.neonize.core import Core, CoreNotReady, forget
from sessions.provider.neonize.decode import Decoder, parse
from sessions.provider.neonize.failures import Failure
from sessions.provider.neonize.inbox import Inbox, Received
from sessions.provider.neonize.kept import Kept
from sessions.provider.neonize.line import Line, Next, Stage, retry_delay
from sessions.provider.port import Emit

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
CALL_PATIENCE, LOCK_PATIENCE, STOP_DEADLINE = 3.0, 6.0, 11.0
LOOKUP_PATIENCE = 2.0
#: A worker whose daemon is gone has the journal until it has drained.
KEPT_PATIENCE = 15.0
#: What is not confirmed by then at a stop is told again at the next start.
CONFIRM_PATIENCE = 0.5
#: After a callback loop ended by itself. What ended it came from WhatsApp, and comes again at
#: every login unless its acknowledgement has left; the engine's channel loses no more meanwhile.
ACK_PAUSE = 0.1
#: Milliseconds: what a replay tells of an older call is no news to anybody.
CALL_LASTS = 60_000
#: The loop is left to others after so long a slice of decoding.
SLICE = 0.005
HEALTHY_AFTER = 60.0
#: Logins that we begin, in any so many seconds; a line that is deaf again waits so long.
MOST_LOGINS, LOGINS_WINDOW = 6, 600.0
SLOW_DELAY = 300.0
#: WhatsApp refuses presence until the push name has come, which is told nowhere.
AVAILABLE_TRIES = (0.0, 2.0, 10.0, 60.0, 300.0)


class NeonizeProvider:
    """One session's line to WhatsApp (``sessions.provider.port.Provider``)."""

    capabilities = CAPABILITIES[ProviderName.WHATSAPP]

    def __init__(self, key: SessionKey, store: str, emit: Emit) -> None:
        """Prepare session ``key`` with the keys in ``store``; nothing is opened yet."""
        self._store = store
        self._emit = emit
        self._decoder = Decoder(key.session)
        self._line = Line()
        self._kept = Kept(store)
        self._inbox = Inbox(asyncio.get_running_loop(), self._kept.keep)
        self._core = Core(key, store, self._inbox.put)
        self._calls = Calls()
        addresses = self._decoder.addresses
        self._actions = Actions(self._core, self._line, addresses, calls=self._calls, emit=emit)
        self._life: asyncio.Task[None] | None = None
        self._available: asyncio.Task[None] | None = None
        self._is_hung = self._is_stopping = False
        self._relaxing: asyncio.TimerHandle | None = None
        self._due: float | None = None
        self._last_words: list[AnyEvent] = []
        self._logins = Attempts(MOST_LOGINS, LOGINS_WINDOW)

    # --- the port ---------------------------------------------------------------------------

    @property
    def disposable(self) -> bool:
        """Whether the process must end for this session to end."""
        return self._is_hung or self._core.is_pairing

    async def start(self) -> None:
        """Begin to log in, or to pair where the store has no keys."""
        if self._life is None:
            self._life = asyncio.get_running_loop().create_task(self._live())

    async def stop(self) -> None:
        """Disconnect, wait until Go is quiet, stop. What cannot be ended is ``disposable``."""
        self._is_stopping = True
        self._line.verdict = self._line.verdict or Next.END
        self._inbox.nudge()
        if self._life is not None and not self._core.is_pairing:
            _, late = await asyncio.wait({self._life}, timeout=STOP_DEADLINE)
            self._is_hung = self._is_hung or bool(late)
        for task in (self._available, self._life):
            if task is not None:
                task.cancel()
        self._calls.close()
        await self._kept.settled(CONFIRM_PATIENCE)
        if not self.disposable:  # else Go may still hand over, until the process ends
            self._kept.close()

    def confirm(self, mark: int) -> None:
        """Take that the daemon has all up to ``mark``."""
        self._kept.confirm(mark)

    async def execute(self, command: c.AnyCommand) -> c.AnyAnswer:
        """Do it and answer."""
        if isinstance(command, c.Probe):
            return await self._probe()
        answer = await self._actions.execute(command)
        if isinstance(command, c.Logout) and isinstance(answer, c.Done) and self._life:
            self._tell(self._line.failed(Failure("logged_out", forgets=True)))
            self._inbox.nudge()
            await asyncio.wait({self._life}, timeout=STOP_DEADLINE)
        return answer

    async def _probe(self) -> c.AnyAnswer:
        """Ask WhatsApp something; a line that stands and gives no answer is opened anew."""
        before, device = self._inbox.taken, self._line.device
        if not self._line.is_connected or device is None:
            return NOT_CONNECTED
        if await probe.answers(self._core, self._calls, device.jid) or before != self._inbox.taken:
            return c.Done()
        if self._line.stage is not Stage.UP:  # it went meanwhile, and that is told
            return NOT_CONNECTED
        self._tell(self._line.deaf(asyncio.get_running_loop().time()))
        self._enter_stage(Stage.LOST)
        self._inbox.nudge()
        return c.Refused(kind="command_failed", message="WhatsApp does not answer.", reason="deaf")

    # --- the life of the line ---------------------------------------------------------------

    async def _live(self) -> None:
        """Connect again and again, as the verdicts say."""
        loop = asyncio.get_running_loop()
        in_a_row = 0
        await self._replay()
        while not self._is_stopping:
            began = loop.time()
            verdict = await self._connect_once()
            if verdict is Next.FORGET and not self._is_hung:
                await self._kept.settled(CONFIRM_PATIENCE)
                self._kept.discard()
                await self._calls.make(forget, self._store)
            for event in self._last_words:
                self._emit(event)
            if self._is_hung:
                self._emit(Troubled(code="worker_hung"))  # only its process can be ended
                return
            if verdict in (Next.END, Next.FORGET):
                return
            is_healthy = loop.time() - began >= HEALTHY_AFTER
            in_a_row = 1 if is_healthy else in_a_row + 1
            if is_healthy:
                self._line.forgive()
            if not await self._pause(self._delay(verdict, in_a_row)):
                return

    def _delay(self, verdict: Next | None, in_a_row: int) -> float:
        """Return the seconds before the next connect; told where they are many."""
        wait = self._logins.wait(asyncio.get_running_loop().time())
        if wait > 0:
            self._emit(Troubled(code="starts_paused"))
            return wait
        match verdict:
            case Next.AT_ONCE:
                return 0.0
            case Next.SLOWLY:
                return SLOW_DELAY
            case _:
                return retry_delay(in_a_row, random.random())  # noqa: S311 - jitter, not a secret

    async def _replay(self) -> None:
        """Open what is kept, and tell what the daemon may not have. The core is not asked."""
        records = await self._kept.open(KEPT_PATIENCE, lambda: self._is_stopping)
        self._kept.introduce(self._decoder.addresses)
        if records:
            log.info("%d events are told again or for the first time", len(records))
        since = _now_ms() - CALL_LASTS
        for record in records:
            event = self._parsed(Received(record.code, record.data, record.sequence))
            if event is not None:
                told = self._decoder.read(record.code, event)
                fresh = (e for e in told if not isinstance(e, CallChanged) or e.at >= since)
                await self._tell_content(fresh, record.sequence)
        self._decoder.line_lost()

    async def _connect_once(self) -> Next | None:
        """Run one client to its end; None when it cannot be ended."""
        self._line.begin()
        self._due = None
        try:
            self._core.start()
        except CoreNotReady:
            self._is_hung = True
            return None
        await self._watch()
        if not self._core.is_running:  # its connection lives on, and still acknowledges
            await asyncio.sleep(ACK_PAUSE)
        if self._line.device is not None:  # WhatsApp saw it: what failed before is free
            self._logins.note(asyncio.get_running_loop().time())
        verdict = self._line.verdict
        if not self._is_hung and not self._core.is_pairing:
            self._is_hung = not await self._close()
        return verdict

    async def _pause(self, seconds: float) -> bool:
        """Wait before the next connect; False if the provider is stopped meanwhile."""
        self._line.verdict = None
        if self._is_stopping:
            return False
        end = asyncio.get_running_loop().time() + seconds
        while (left := end - asyncio.get_running_loop().time()) > 0:
            await self._inbox.next(left)
            if self._line.verdict is not None:
                return False
        return True

    async def _watch(self) -> None:
        """Handle what comes until there is a verdict, or a deadline passes."""
        loop = asyncio.get_running_loop()
        slice_end = loop.time() + SLICE
        while self._line.verdict is None and not self._is_hung:
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
            self._is_hung = True
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
        if not self._line.is_connected:  # nothing comes over a line that is down
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

    # --- what comes -------------------------------------------------------------------------

    async def _handle(self, raw: Received) -> None:
        if raw.code in codes.CONTENT:
            await self._content(raw)
        elif self._line.verdict is None:  # else it is the echo of our own stop
            before = self._line.stage
            self._tell(self._signal(raw))
            if self._line.stage is not before:
                self._enter_stage(self._line.stage)

    def _signal(self, raw: Received) -> list[AnyEvent]:
        text = raw.data.decode(errors="replace") if raw.code < 0 else ""
        match raw.code:
            case codes.ENTERED:
                self._line.entered()
                return []
            case codes.QR_CODE:
                return self._line.qr(text, _now_ms())
            case codes.PAIRING_STATUS:
                return self._line.pairing_status(text)
            case codes.ENDED:
                log.warning("the core ended by itself: %s", text[:300])
                return self._line.ended(text)
            case _:
                return self._event_signal(raw)

    def _event_signal(self, raw: Received) -> list[AnyEvent]:
        try:
            return signals.take(self._line, raw.code, parse(raw.code, raw.data), _now_ms())
        except (DecodeError, KeyError) as error:
            log.warning("signal %d cannot be taken: %s", raw.code, type(error).__name__)
            return []

    def _enter_stage(self, stage: Stage) -> None:
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
        elif stage is Stage.LOGIN and self._line.device is not None:
            self._decoder.addresses.own(self._line.device.jid, self._line.device.lid)
            self._kept.people.own(self._line.device.jid, self._line.device.lid)
        elif stage is Stage.LOST:
            self._decoder.line_lost()
        elif stage is Stage.UP and (self._available is None or self._available.done()):
            self._available = loop.create_task(self._be_available())

    async def _content(self, raw: Received) -> None:
        self._kept.note(raw)
        event = self._parsed(raw)
        if event is None:
            return
        for lid in self._decoder.unnamed_lids(event):
            await self._look_up(lid)
        await self._tell_content(self._decoder.read(raw.code, event), raw.mark)

    def _parsed(self, raw: Received) -> Any:
        try:
            return parse(raw.code, raw.data)
        except (DecodeError, KeyError) as error:
            log.warning("event %d cannot be parsed: %s", raw.code, type(error).__name__)
            self._kept.silent(raw.mark)
            return None

    async def _tell_content(self, events: Iterable[AnyEvent], mark: int) -> None:
        """Tell what one raw event means; a large one (history) leaves the loop to others.

        The last carries the mark: whoever confirms it has them all.
        """
        loop = asyncio.get_running_loop()
        slice_end = loop.time() + SLICE
        last: AnyEvent | None = None
        for event in events:
            if last is not None:
                self._emit(last)
            last = event
            if isinstance(event, LidLearned):
                self._kept.people.learned(event.lid, event.pn)
            if loop.time() > slice_end:
                await asyncio.sleep(0)
                slice_end = loop.time() + SLICE
        if last is None:
            self._kept.silent(mark)
        else:
            self._kept.told(mark)
            self._emit(last, mark)

    async def _look_up(self, lid: str) -> None:
        """Ask the core for a LID's number: its store knows more than one process has seen."""
        addresses = self._decoder.addresses
        jid = await self._calls.make_within(LOOKUP_PATIENCE, self._core.pn_from_lid, lid)
        if jid is None:  # no answer is no knowledge
            return
        pn = plain(jid)
        if not pn:
            addresses.lids.give_up(lid)
        for told in addresses.learn(lid, pn):
            self._kept.people.learned(told.lid, told.pn)
            self._emit(told)

    def _tell(self, events: list[AnyEvent]) -> None:
        """Emit; what a final verdict says is kept until the client has ended."""
        if self._line.verdict in (Next.END, Next.FORGET):
            self._last_words = events
            return
        for event in events:
            self._emit(event)

    async def _be_available(self) -> None:
        for seconds in AVAILABLE_TRIES:
            await asyncio.sleep(seconds)
            with contextlib.suppress(NeonizeError, CoreNotReady):
                await self._calls.make(self._core.show_available)
                return


def _now_ms() -> int:
    return round(datetime.now(UTC).timestamp() * 1000)


def open_session(key: SessionKey, store: str, emit: Emit) -> NeonizeProvider:
    """Make the WhatsApp line of a session (a ``ProviderFactory``)."""
    return NeonizeProvider(key, store, emit)
