"""When starts are allowed: no clock, no tasks."""

from __future__ import annotations

import pytest

from sessions.worker.governor import Governor, Pace, Spacing, Turn

PACE = Pace(per_second=10, burst=10, spawns_per_second=4, most=6, window=600)


def test_two_hundred_sessions_do_not_start_in_one_instant() -> None:
    """A burst at once, the others ten a second: the last nineteen seconds later."""
    governor = Governor(PACE)
    waits = [governor.start(number, 0.0, 0.5).seconds for number in range(200)]
    assert waits[:10] == [0.0] * 10
    assert waits == sorted(waits)
    assert 18.9 < waits[-1] < 19.2
    for second in range(1, 19):
        assert sum(second <= wait < second + 1 for wait in waits) <= 11


@pytest.mark.parametrize("chance", [0.0, 0.999])
def test_jitter_stays_within_its_interval(chance: float) -> None:
    """Two starts that chance draws together still keep the rate on average."""
    spacing = Spacing(per_second=10, burst=1)
    assert spacing.book(0.0, chance) == 0.0
    waits = [spacing.book(0.0, chance) for _ in range(5)]
    assert waits == pytest.approx([n * 0.1 + chance * 0.1 for n in range(1, 6)])


def test_after_a_quiet_time_the_burst_is_free_again() -> None:
    """What was not used is not saved up beyond it."""
    spacing = Spacing(per_second=10, burst=3)
    for _ in range(3):
        assert spacing.book(0.0, 0.0) == 0.0
    assert spacing.book(0.0, 0.0) > 0
    assert [spacing.book(1000.0, 0.0) for _ in range(3)] == [0.0] * 3
    assert spacing.book(1000.0, 0.0) > 0


def test_a_session_that_starts_too_often_is_paused() -> None:
    """Six starts in ten minutes; the seventh waits until the first is ten minutes old."""
    governor = Governor(PACE)
    for now in range(6):
        assert Turn(0.0) == governor.start("a", float(now), 0.0)
    paused = governor.start("a", 6.0, 0.0)
    assert paused == Turn(594.0, is_paused=True)


def test_a_paused_session_keeps_nobody_waiting() -> None:
    """The neighbours' queue does not stand behind it."""
    governor = Governor(PACE)
    for _ in range(7):
        governor.start("a", 0.0, 0.0)
    assert Turn(0.0) == governor.start("b", 1.0, 0.0)


def test_a_persons_order_forgives() -> None:
    """Who was stopped and is started by hand begins anew."""
    governor = Governor(PACE)
    for _ in range(6):
        governor.start("a", 0.0, 0.0)
    governor.forgive("a")
    governor.forgive("nobody")
    assert not governor.start("a", 1.0, 0.0).is_paused


def test_sessions_that_are_quiet_are_forgotten() -> None:
    """The governor holds those of the last window only."""
    governor = Governor(PACE)
    for number in range(100):
        governor.start(number, 0.0, 0.0)
    governor.start("later", 10_000.0, 0.0)
    assert len(governor) == 1


def test_processes_are_spawned_one_after_the_other() -> None:
    """Four at once, then four a second: each costs half a second of a processor."""
    governor = Governor(PACE)
    waits = [governor.spawn(0.0, 0.0) for _ in range(40)]
    assert waits[:4] == [0.0] * 4
    assert waits[-1] == pytest.approx(9.0)
