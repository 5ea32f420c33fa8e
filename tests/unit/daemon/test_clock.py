from __future__ import annotations

from datetime import UTC, datetime

from daemon.clock import SystemClock


def test_it_tells_milliseconds_since_1970() -> None:
    """The clock agrees with the system's, in milliseconds."""
    assert abs(SystemClock().now_ms() / 1000 - datetime.now(UTC).timestamp()) < 5
