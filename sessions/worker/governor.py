"""How fast sessions may be started: each one, and all together. Sans-I/O: callers pass ``now``.

After a boot, or when the network of a whole machine comes back, hundreds of sessions want to
log in at one instant, from one address. The governor gives each start its moment. What it
cannot govern are the reconnects inside the core, which has no switch for them; the provider
coalesces those and breaks them by a deadline.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from sessions.provider.attempts import Attempts

_A_MOMENT = 1e-9  # seconds: what floats make of nothing


class Pace(NamedTuple):
    """The bounds. Times in seconds."""

    per_second: float = 10.0  # starts of sessions, over all workers
    burst: int = 10  # starts that need not wait after a quiet time
    spawns_per_second: float = 4.0  # processes: each costs half a second of a processor
    most: int = 6  # starts of one session
    window: float = 600.0  # in so many seconds


class Turn(NamedTuple):
    """What a start is told: wait so long; ``is_paused`` where the session tried too often."""

    seconds: float
    is_paused: bool = False


class Spacing:
    """A queue of moments, ``per_second`` of them after a ``burst`` (GCRA)."""

    def __init__(self, per_second: float, burst: int) -> None:
        """Begin with a full burst."""
        self._interval = 1 / per_second
        self._slack = (burst - 1) * self._interval
        self._next = 0.0

    def book(self, now: float, chance: float) -> float:
        """Take the next moment; return the seconds to it, part of an interval left to ``chance``.

        ``chance`` in [0, 1) never lets two bookings come closer to the average than the rate.
        """
        moment = max(self._next, now)
        self._next = moment + self._interval
        wait = moment - now - self._slack
        return 0.0 if wait < _A_MOMENT else wait + chance * self._interval


class Governor:
    """The starts of all sessions of the daemon."""

    def __init__(self, pace: Pace) -> None:
        """Keep to ``pace``."""
        self._pace = pace
        self._starts = Spacing(pace.per_second, pace.burst)
        self._spawns = Spacing(pace.spawns_per_second, max(1, int(pace.spawns_per_second)))
        self._sessions: dict[Hashable, Attempts] = {}

    def __len__(self) -> int:
        """Return of how many sessions starts are remembered."""
        return len(self._sessions)

    def start(self, session: Hashable, now: float, chance: float) -> Turn:
        """Give a session's start its moment, and count it."""
        attempts = self._sessions.get(session)
        if attempts is None:
            self._forget_idle(now)
            attempts = self._sessions[session] = Attempts(self._pace.most, self._pace.window)
        pause = attempts.wait(now)
        # A paused one is outside the queue: its moment would keep all others waiting.
        seconds = pause * (1 + chance / 10) if pause else self._starts.book(now, chance)
        attempts.note(now + seconds)
        return Turn(seconds, is_paused=pause > 0)

    def spawn(self, now: float, chance: float) -> float:
        """Give a worker process its moment; return the seconds to it."""
        return self._spawns.book(now, chance)

    def forgive(self, session: Hashable) -> None:
        """Forget a session's starts: a person asked for the next, or the session is gone."""
        self._sessions.pop(session, None)

    def _forget_idle(self, now: float) -> None:
        """Keep the map as small as the last window was."""
        for session in [s for s, attempts in self._sessions.items() if attempts.idle(now)]:
            del self._sessions[session]
