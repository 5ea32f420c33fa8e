from __future__ import annotations

from datetime import UTC, datetime

from daemon.clock import Steady, SystemClock
from tests.unit.daemon.manual_clock import ManualClock


def test_it_tells_milliseconds_since_1970() -> None:
    """The clock agrees with the system's, in milliseconds."""
    assert abs(SystemClock().now_ms() / 1000 - datetime.now(UTC).timestamp()) < 5


def test_a_step_back_is_no_time_at_all() -> None:
    """What passed before it stays, and what passes after it counts."""
    clock = ManualClock()
    passed = Steady(clock)
    clock.forward(2)
    assert passed() == 2000
    clock.forward(-3600)
    assert passed() == 2000
    clock.forward(1)
    assert passed() == 3000
