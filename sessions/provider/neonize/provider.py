"""The provider ``whatsapp``: one session's life, from connect to connect, and what it is asked to do."""

from __future__ import annotations

import asyncio
import logging
import random

from sessions import commands as c
from sessions.events import AnyEvent, Troubled
from sessions.ids import SessionKey
from sessions.models import ProviderName
from sessions.provider.attempts import Attempts
from sessions.provider.capabilities import CAPABILITIES
from sessions.provider.neonize import probe
from sessions.provider.neonize.actions import NOT_CONNECTED, Actions
from sessions.provider.neonize.calls import Calls
from sessions.provider.neonize.connection import Connection
from sessions.provider.neonize.core import Core, forget
from sessions.provider.neonize.decode import Decoder
from sessions.provider.neonize.failures import Failure
from sessions.provider.neonize.inbox import Inbox
from sessions.provider.neonize.kept import Kept
from sessions.provider.neonize.line import Line, Next, Stage, retry_delay
from sessions.provider.neonize.telling import Teller, parse_undecryptable
from sessions.provider.optional import Counts
from sessions.provider.port import Emit

log = logging.getLogger(__name__)

#: Seconds.
STOP_DEADLINE = 11.0
#: A worker whose daemon is gone has the journal until it has drained.
KEPT_PATIENCE = 15.0
#: What is not confirmed by then at a stop is told again at the next start.
CONFIRM_PATIENCE = 0.5
HEALTHY_AFTER = 60.0
#: Logins that we begin, in any so many seconds; a line that is deaf again waits so long.
MOST_LOGINS, LOGINS_WINDOW = 6, 600.0
SLOW_DELAY = 300.0


class NeonizeProvider:
    """One session's line to WhatsApp (``sessions.provider.port.Provider``)."""

    capabilities = CAPABILITIES[ProviderName.WHATSAPP]

    def __init__(self, key: SessionKey, store: str, emit: Emit) -> None:
        """Prepare session ``key`` with the keys in ``store``; nothing is opened yet."""
        self._store = store
        self._emit = emit
        self._decoder = Decoder(key.session)
        self._line = line = Line()
        self._kept = Kept(store, parse_undecryptable)
        self._inbox = inbox = Inbox(asyncio.get_running_loop(), self._kept.keep)
        self._core = core = Core(key, store, inbox.put)
        self._calls = calls = Calls()
        self._actions = Actions(core, line, self._decoder.addresses, calls=calls, emit=emit)
        self._teller = teller = Teller(self._decoder, self._kept, core, calls, emit)
        self._connection = Connection(
            core, line, inbox, calls, teller, tell=self._tell, on_stage=self._entered
        )
        self._life: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._last_words: list[AnyEvent] = []
        self._logins = Attempts(MOST_LOGINS, LOGINS_WINDOW)

    # --- the port ---------------------------------------------------------------------------

    @property
    def disposable(self) -> bool:
        """Whether the process must end for this session to end."""
        return self._connection.is_hung or self._core.is_pairing

    async def start(self) -> None:
        """Begin to log in, or to pair where the store has no keys."""
        if self._life is None:
            self._life = asyncio.get_running_loop().create_task(self._live())

    async def stop(self) -> None:
        """Disconnect, wait until Go is quiet, stop. What cannot be ended is ``disposable``."""
        self._is_stopping = True
        self._line.verdict = self._line.verdict or Next.END
        self._teller.flow.free()
        self._inbox.nudge()
        if self._life is not None and not self._core.is_pairing:
            _, late = await asyncio.wait({self._life}, timeout=STOP_DEADLINE)
            self._connection.is_hung = self._connection.is_hung or bool(late)
        self._connection.cancel()
        if self._life is not None:
            self._life.cancel()
        self._teller.close()
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
        self._connection.enter_stage(Stage.LOST)
        self._inbox.nudge()
        return c.Refused(kind="command_failed", message="WhatsApp does not answer.", reason="deaf")

    # --- what it may be able to do besides (``sessions.provider.optional``) -------------------

    @property
    def counts(self) -> Counts:
        """How often it fell short."""
        return Counts(
            unkept=self._kept.unkept,
            overflowed=self._inbox.overflowed,
            undecrypted=self._teller.undecrypted,
        )

    def pause(self) -> None:
        """Decode nothing more for now; the journal and the inbox hold what comes."""
        self._teller.flow.pause()

    def resume(self) -> None:
        """Go on."""
        self._teller.flow.resume()

    # --- the life of the line ---------------------------------------------------------------

    async def _live(self) -> None:
        """Connect again and again, as the verdicts say."""
        loop = asyncio.get_running_loop()
        in_a_row = 0
        await self._teller.replay(await self._kept.open(KEPT_PATIENCE, lambda: self._is_stopping))
        while not self._is_stopping:
            began = loop.time()
            verdict = await self._connection.run()
            if self._line.device is not None:  # WhatsApp saw it: what failed before is free
                self._logins.note(loop.time())
            if not await self._ends(verdict):
                is_healthy = loop.time() - began >= HEALTHY_AFTER
                in_a_row = 1 if is_healthy else in_a_row + 1
                if is_healthy:
                    self._line.forgive()
                if await self._pause(self._delay(verdict, in_a_row)):
                    continue
            return

    async def _ends(self, verdict: Next | None) -> bool:
        """Do what a verdict wants of a client that has ended; tell whether it was the last."""
        is_hung = self._connection.is_hung
        if verdict is Next.FORGET and not is_hung:
            self._teller.give_up_all()
            await self._kept.settled(CONFIRM_PATIENCE)
            self._kept.discard()
            await self._calls.make(forget, self._store)
        for event in self._last_words:
            self._emit(event)
        if is_hung:
            self._emit(Troubled(code="worker_hung"))  # only its process can be ended
        return is_hung or verdict in (Next.END, Next.FORGET)

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

    def _entered(self, stage: Stage) -> None:
        """Take what a new stage of the line says of the account, or of what comes."""
        device = self._line.device
        if stage is Stage.LOGIN and device is not None:
            self._decoder.addresses.own(device.jid, device.lid)
            self._kept.people.own(device.jid, device.lid)
        elif stage is Stage.UP:
            self._teller.line_is_up()
        elif stage is Stage.LOST:
            self._decoder.line_lost()

    def _tell(self, events: list[AnyEvent]) -> None:
        """Emit; what a final verdict says is kept until the client has ended."""
        if self._line.verdict in (Next.END, Next.FORGET):
            self._last_words = events
            return
        for event in events:
            self._emit(event)


def open_session(key: SessionKey, store: str, emit: Emit) -> NeonizeProvider:
    """Make the WhatsApp line of a session (a ``ProviderFactory``)."""
    return NeonizeProvider(key, store, emit)
