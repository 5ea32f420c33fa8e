from __future__ import annotations

from dataclasses import dataclass

import httpx
import pytest
from starlette.applications import Starlette

from daemon import health
from daemon.history.models import Health as HistoryHealth
from daemon.metadata.health import Health
from daemon.metadata.trouble import of_answer
from daemon.storage.outbox import Counts
from tests.unit.daemon.manual_clock import ManualClock


@dataclass
class Daemon:
    """One that serves or does not."""

    ready: bool = True
    stopping: bool = False


async def asked(daemon: Daemon, supabase: Health | None = None) -> httpx.Response:
    """Return the answer of ``/readyz``."""
    transport = httpx.ASGITransport(Starlette(routes=health.routes(daemon, supabase)))
    async with httpx.AsyncClient(transport=transport, base_url="http://zapd") as client:
        return await client.get("/readyz")


@pytest.mark.parametrize(
    ("daemon", "status", "said"),
    [
        (Daemon(), 200, {"status": "ready", "alarms": []}),
        (Daemon(ready=False), 503, {"status": "starting"}),
        (Daemon(stopping=True), 503, {"status": "stopping"}),
    ],
)
async def test_it_says_whether_it_serves(
    daemon: Daemon, status: int, said: dict[str, object]
) -> None:
    """Without Supabase there is nothing more to say."""
    answer = await asked(daemon)
    assert (answer.status_code, answer.json()) == (status, said)


async def test_it_serves_although_supabase_is_blocked(clock: ManualClock) -> None:
    """The alarm is shown with what waits and what to do."""
    supabase = Health(clock)
    supabase.well("reading")
    supabase.counts = Counts(0, None, 0)
    fine = (await asked(Daemon(), supabase)).json()
    assert (fine["alarms"], fine["supabase"]["status"]) == ([], "ok")

    supabase.met("sending", of_answer(401, b""))
    supabase.counts = Counts(3, clock.now_ms() - 5000, 0)
    answer = await asked(Daemon(), supabase)
    assert answer.status_code == 200
    assert answer.json()["alarms"] == ["supabase_blocked"]
    shown = answer.json()["supabase"]
    assert (shown["status"], shown["pending"], shown["oldest_age_seconds"]) == ("blocked", 3, 5)
    assert "ZAPD_SUPABASE_KEY" in shown["user_action"]


async def test_it_serves_although_the_history_cannot_be_written() -> None:
    """The alarm is shown with what waits and what to do; mended, it is gone."""
    now = HistoryHealth("failing", "The disk is full.", "Free some space.", backlog=7, lost=2)
    routes = health.routes(Daemon(), None, lambda: now)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(Starlette(routes=routes)), base_url="http://zapd"
    ) as client:
        answer = await client.get("/readyz")
        assert answer.status_code == 200
        assert answer.json()["alarms"] == ["history_failing", "history_lost"]
        assert answer.json()["history"] == {
            "status": "failing",
            "waiting": 7,
            "spilled": 0,
            "lost": 2,
            "reason": "The disk is full.",
            "user_action": "Free some space.",
        }
        now = HistoryHealth("ok")
        assert (await client.get("/readyz")).json()["alarms"] == []
