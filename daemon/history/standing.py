"""How history stands, as ``/readyz`` and ``/metrics`` show it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from daemon.history.models import Health
from daemon.metrics import Sample


def alarms(health: Health) -> list[str]:
    """Return what a person should look at.

    ``history_failing``, ``history_lost``, ``history_damaged``: the daemon serves all the same.
    """
    found = []
    if health.state == "failing":
        found.append("history_failing")
    elif health.sentence:
        found.append("history_damaged")
    if health.lost:
        found.append("history_lost")
    return found


def shown(health: Health) -> dict[str, Any]:
    """Return the object ``history`` of ``/readyz``; ``status`` is off, ok, behind or failing."""
    found: dict[str, Any] = {"status": health.state}
    if health.state == "off":
        return found
    found |= {"waiting": health.backlog, "spilled": health.spilled}
    if health.lost:
        found["lost"] = health.lost
    if health.sentence:
        found |= {"reason": health.sentence, "user_action": health.user_action}
    return found


def samples(health: Health) -> Iterator[Sample]:
    """Yield the figures; none where history is off."""
    if health.state == "off":
        return
    yield Sample("zapd_history_failing", health.state == "failing")
    yield Sample("zapd_history_backlog", health.backlog)
    yield Sample("zapd_history_backlog_bytes", health.backlog_bytes)
    yield Sample("zapd_history_spilled", health.spilled)
    yield Sample("zapd_history_spilled_bytes", health.spilled_bytes)
    yield Sample("zapd_history_written_total", health.written)
    yield Sample("zapd_history_lost_total", health.lost)
    yield Sample("zapd_history_refused_total", health.refused)
