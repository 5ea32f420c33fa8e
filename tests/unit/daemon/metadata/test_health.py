from __future__ import annotations

import logging

import pytest

from daemon.metadata.health import Health
from daemon.metadata.trouble import no_answer, of_answer
from daemon.storage.outbox import Counts
from tests.unit.daemon.manual_clock import ManualClock

REFUSED = of_answer(401, b"")
AWAY = no_answer(ConnectionRefusedError("no"))


@pytest.fixture
def health(clock: ManualClock) -> Health:
    """Return one that knows nothing yet."""
    return Health(clock)


def test_it_starts_with_nothing_known(health: Health) -> None:
    """No alarm is raised before anything went wrong."""
    assert health.shown() == {"status": "starting", "realtime": "down"}
    assert health.alarms == []


def test_a_key_that_is_refused_is_an_alarm_with_an_action(
    health: Health, clock: ManualClock
) -> None:
    """With what waits, and for how long."""
    health.counts = Counts(7, clock.now_ms() - 90_000, 0)
    health.met("sending", REFUSED)
    clock.forward(60)
    shown = health.shown()
    assert (shown["status"], shown["code"]) == ("blocked", "401")
    assert (shown["pending"], shown["oldest_age_seconds"], shown["dead_letters"]) == (7, 150, 0)
    assert shown["since_seconds"] == 60
    assert health.alarms == ["supabase_blocked"]
    assert health.blocked is REFUSED


def test_one_part_that_works_does_not_hide_another(health: Health) -> None:
    """Reading may be allowed where writing is not."""
    health.met("sending", REFUSED)
    health.well("reading")
    assert health.alarms == ["supabase_blocked"]
    health.well("sending")
    assert (health.alarms, health.shown()["status"]) == ([], "ok")


def test_blocked_is_shown_before_unreachable(health: Health) -> None:
    """The one a person must mend."""
    health.met("reading", AWAY)
    assert (health.alarms, health.shown()["status"]) == (["supabase_unreachable"], "unreachable")
    health.met("sending", REFUSED)
    assert (health.alarms, health.shown()["status"]) == (["supabase_blocked"], "blocked")


def test_it_is_logged_once_and_again_after_an_hour(
    health: Health, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A probe every half minute must not fill the log; another trouble is told at once."""
    with caplog.at_level(logging.INFO, "zapd.supabase"):
        for _ in range(100):
            health.met("sending", REFUSED)
            clock.forward(30)
        assert len(caplog.records) == 1
        clock.forward(3600)
        health.met("sending", REFUSED)
        health.met("sending", AWAY)
        health.well("sending")
        health.well("sending")
    levels = [record.levelname for record in caplog.records]
    assert levels == ["ERROR", "ERROR", "WARNING", "INFO"]


def test_dead_letters_and_a_wrong_clock_are_alarms(
    health: Health, caplog: pytest.LogCaptureFixture
) -> None:
    """The last writer wins by the clock: a wrong one is told of, once."""
    health.well("sending")
    health.counts = Counts(0, None, 3)
    health.clock_read(-61.0)
    health.clock_read(-62.0)
    assert health.alarms == ["supabase_dead_letters", "supabase_clock"]
    assert health.shown()["clock_skew_seconds"] == -62
    assert caplog.text.count("clocks") == 1
    health.clock_read(0.4)
    assert health.alarms == ["supabase_dead_letters"]


def test_what_has_nothing_to_do_raises_no_alarm(health: Health) -> None:
    """A claim sent what the drain could not: nothing waits any more."""
    health.met("sending", AWAY)
    health.idle("sending")
    assert health.alarms == []
