"""A clock that stands still until it is moved."""

from __future__ import annotations

START_MS = 1_800_000_000_000


class ManualClock:
    """Time as a test wants it."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self.ms = now_ms

    def now_ms(self) -> int:
        """Return the time that was set."""
        return self.ms

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.ms += round(seconds * 1000)
