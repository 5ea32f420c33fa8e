"""What a line's signals mean: events to tell, and when the client is to be stopped.

Sans-I/O: the provider feeds signals, tells the events and obeys the verdict.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from sessions.events import (
    AnyEvent,
    Connected,
    Connecting,
    Paired,
    PairingStarted,
    QrShown,
    Troubled,
)
from sessions.provider.neonize import failures
from sessions.provider.neonize.failures import Failure
from sessions.states import Outcome, trouble

#: WhatsApp gives six codes; the library shows the first for 60 s, each other for 20 s. How many
#: there are is not told, so fewer than six make the first one's time too long by 40 s.
FIRST_CODE_MS, CODE_MS = 60_000, 20_000
PAIRING_MS = FIRST_CODE_MS + 5 * CODE_MS


#: Seconds in which a line is healed at once but once; deaf again, it is tried slowly.
DEAF_MEMORY = 3600.0


class Next(Enum):
    """What the provider is to do after a verdict."""

    RETRY = "retry"  # stop, wait, connect again
    AT_ONCE = "at_once"  # stop, connect again without waiting
    SLOWLY = "slowly"  # stop, wait for minutes, connect again
    END = "end"  # stop, and stay so
    FORGET = "forget"  # stop, delete the keys, and stay so


class Stage(Enum):
    """What is awaited of the line now; the provider has a patience for each."""

    BEGUN = "begun"  # the neighbours' starts, then a first sign
    ENTERED = "entered"  # Go's first sign
    PAIRING = "pairing"  # a person
    LOGIN = "login"  # WhatsApp's yes
    UP = "up"  # nothing
    LOST = "lost"  # the library's own reconnect


class Device(NamedTuple):
    """The account's own addresses (canonical) and push name."""

    jid: str
    lid: str | None
    name: str | None


class Line:
    """One session's line, over all its connects."""

    def __init__(self) -> None:
        self.verdict: Next | None = None
        self.device: Device | None = None
        self.pairing_ends: int | None = None
        self.stage = Stage.BEGUN
        self._trouble: str | None = None
        self._codes = 0
        self._stumbles = 0
        self._deaf_at: float | None = None

    @property
    def is_connected(self) -> bool:
        """Whether WhatsApp has accepted the login and answers."""
        return self.stage is Stage.UP

    def begin(self) -> None:
        """A client is started."""
        self.stage = Stage.BEGUN
        self.verdict = None
        self.device = None
        self._codes = 0

    def entered(self) -> None:
        """Go has the client now."""
        self.stage = Stage.ENTERED

    def qr(self, code: str, now: int) -> list[AnyEvent]:
        """Take a code to scan; the first says that there are no keys yet."""
        self._codes += 1
        self.stage = Stage.PAIRING
        lasts = FIRST_CODE_MS if self._codes == 1 else CODE_MS
        shown = QrShown(qr=code, expires_at=now + lasts)
        if self._codes > 1:
            return [shown]
        self.pairing_ends = now + PAIRING_MS
        return [PairingStarted(), shown]

    def pairing_status(self, status: str) -> list[AnyEvent]:
        """Take a status of the QR phase."""
        failure = failures.pairing_status(status)
        return [] if failure is None else self.failed(failure)

    def identified(self, device: Device) -> list[AnyEvent]:
        """Take the account's addresses: they come when the connection stands, before the login."""
        was_pairing = self.pairing_ends is not None
        self.device, self.pairing_ends = device, None
        self.stage = Stage.LOGIN
        paired: list[AnyEvent] = [Paired(jid=device.jid, lid=device.lid)] if was_pairing else []
        return [*paired, Connecting()]

    def connected(self) -> list[AnyEvent]:
        """Take that WhatsApp has accepted the login, or that a silent line answers again."""
        if self.is_connected or self.device is None:
            return []
        self.stage, self._trouble = Stage.UP, None
        return [Connected(jid=self.device.jid, lid=self.device.lid, name=self.device.name)]

    def failed(self, failure: Failure) -> list[AnyEvent]:
        """Take a trouble; the same one again is not told again while it lasts."""
        self.stage = Stage.LOST
        if failure.ends:
            self.verdict = self.verdict or _verdict(failure)
        if self._trouble == failure.code and not failure.ends:
            return []
        self._trouble = failure.code
        return [Troubled(code=failure.code, detail=failure.detail)]

    def deaf(self, now: float) -> list[AnyEvent]:
        """Take that the line stands but nothing answers; ``now`` in seconds."""
        is_again = self._deaf_at is not None and now - self._deaf_at < DEAF_MEMORY
        self._deaf_at = now
        self.verdict = self.verdict or (Next.SLOWLY if is_again else Next.AT_ONCE)
        return self.failed(failures.DEAF)

    def ended(self, error: str) -> list[AnyEvent]:
        """Take that the client's thread came back, wanted or not."""
        if self.verdict is not None:
            return []
        if failures.is_stumble(error):
            events = self.failed(failures.stumble(error))
            self._stumbles += 1
            # The client lives on and acknowledges what nobody reads: be quick, but only once.
            if self.verdict is Next.RETRY and self._stumbles == 1:
                self.verdict = Next.AT_ONCE
            return events
        return self.failed(failures.connect_error(error))

    def forgive(self) -> None:
        """Forget stumbles: the line has stood long enough since."""
        self._stumbles = 0


def _verdict(failure: Failure) -> Next:
    if failure.forgets:
        return Next.FORGET
    return Next.RETRY if trouble(failure.code).outcome is Outcome.RETRY else Next.END


def retry_delay(failures_in_a_row: int, chance: float) -> float:
    """Return the seconds before a connect: 1, 2, 4 … 60, of which the half is left to ``chance``."""
    ceiling = min(60.0, 2.0 ** min(failures_in_a_row - 1, 6))
    return ceiling / 2 + chance * ceiling / 2
