"""The real clock. Everything else takes a :class:`sessions.ports.Clock`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sessions.ports import Clock


class SystemClock:
    """Wall-clock time of this machine."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970, UTC."""
        return round(datetime.now(UTC).timestamp() * 1000)


class Steady:
    """Milliseconds that go on when the wall clock is set back: for spans, never for times of day.

    A clock that is an hour back would else keep what may be kept for half a second, and hold
    back what is due in twenty, for that hour.
    """

    def __init__(self, clock: Clock) -> None:
        """Count what passes on ``clock``, from here on."""
        self._clock = clock
        self._last = clock.now_ms()
        self._passed = 0

    def __call__(self) -> int:
        """Return how much has passed; a step back counts as nothing."""
        now = self._clock.now_ms()
        self._passed += max(0, now - self._last)
        self._last = now
        return self._passed
