"""The real clock. Everything else takes a :class:`sessions.ports.Clock`."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """Wall-clock time of this machine."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970, UTC."""
        return round(datetime.now(UTC).timestamp() * 1000)
