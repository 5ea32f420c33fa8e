from __future__ import annotations

from sessions.provider.attempts import Attempts


def test_so_many_tries_are_free_and_the_next_waits_for_the_window() -> None:
    """The wait ends when the oldest try leaves the window, not earlier."""
    attempts = Attempts(most=3, window=600)
    for now in (0.0, 10.0, 20.0):
        assert attempts.wait(now) == 0.0
        attempts.note(now)
    assert attempts.wait(30.0) == 570.0
    assert attempts.wait(599.0) == 1.0
    assert attempts.wait(600.0) == 0.0


def test_no_window_ever_holds_more_than_allowed() -> None:
    """Whoever obeys makes three tries in ten minutes, for ever."""
    attempts, now, times = Attempts(most=3, window=600), 0.0, []
    for _ in range(30):
        now += attempts.wait(now)
        attempts.note(now)
        times.append(now)
    assert all(later - earlier >= 600 for earlier, later in zip(times, times[3:], strict=False))


def test_what_is_long_past_may_be_forgotten() -> None:
    """Idle before the first try and once the last has left the window."""
    attempts = Attempts(most=3, window=600)
    assert attempts.idle(0.0)
    attempts.note(5.0)
    assert not attempts.idle(604.0)
    assert attempts.idle(605.0)
