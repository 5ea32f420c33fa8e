"""When to try again: exponential, capped, with full jitter; values in, value out.

stamina retries a *call*; the supervisor schedules a *process* and must show when the next
try comes, so this is the formula alone (full jitter as AWS's architecture blog describes it).
"""

from __future__ import annotations

from sessions.models import Value


class Backoff(Value, frozen=True, kw_only=True):
    """Delays in seconds: between ``first`` × ½ and a ceiling that doubles up to ``longest``.

    ``forgiven_after`` seconds of health count as a fresh start.
    """

    first: float = 0.5
    longest: float = 60.0
    forgiven_after: float = 60.0

    def delay(self, failures: int, chance: float) -> float:
        """Return the seconds to wait after ``failures`` in a row (from 1); ``chance`` in [0, 1)."""
        doublings = min(failures - 1, 30)
        ceiling = min(self.longest, self.first * 2.0**doublings)
        return ceiling / 2 + chance * ceiling / 2

    def failures_after(self, failures: int, lived_seconds: float) -> int:
        """Return the count of failures in a row when a life of ``lived_seconds`` ends."""
        return 1 if lived_seconds >= self.forgiven_after else failures + 1
