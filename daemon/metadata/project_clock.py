"""The time as the Supabase project has it: what its rows are compared by.

The project takes no ``changed_at`` of the future. A machine whose clock is a minute ahead would
hold its own writes for later than they are there, and so miss what others write within that
minute. Each answer of the project tells its time; until the first one our clock must do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.metadata.health import SKEW_WARN

if TYPE_CHECKING:
    from daemon.metadata.health import Health
    from sessions.ports import Clock

BEYOND = 86_400.0  # seconds: a clock that is days off is not corrected but only told of


class ProjectClock:
    """A :class:`sessions.ports.Clock` that is right where the machine's is seconds off."""

    def __init__(self, clock: Clock, health: Health) -> None:
        self._clock = clock
        self._health = health

    def now_ms(self) -> int:
        """Return milliseconds since 1970, UTC."""
        skew = self._health.skew
        corrected = round(skew * 1000) if SKEW_WARN < abs(skew) < BEYOND else 0
        return self._clock.now_ms() + corrected
