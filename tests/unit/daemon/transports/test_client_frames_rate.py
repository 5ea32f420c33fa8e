from __future__ import annotations

from daemon.transports.client_frames import FrameRate


class Clock:
    """A clock that is set."""

    now = 0

    def now_ms(self) -> int:
        """Return what was set."""
        return self.now


def test_a_burst_and_then_a_rate() -> None:
    """Sixty at once, then twenty a second."""
    clock = Clock()
    rate = FrameRate(clock)
    assert sum(rate.take() for _ in range(100)) == 60
    clock.now += 1000
    assert sum(rate.take() for _ in range(100)) == 20
    clock.now += 1_000_000
    assert sum(rate.take() for _ in range(100)) == 60


def test_a_clock_that_is_set_back_takes_nothing_away() -> None:
    """Else no frame would be allowed until it is where it was."""
    clock = Clock()
    rate = FrameRate(clock)
    assert rate.take()
    clock.now -= 3_600_000
    assert sum(rate.take() for _ in range(100)) == 59
