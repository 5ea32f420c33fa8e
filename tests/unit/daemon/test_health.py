from __future__ import annotations

from dataclasses import dataclass

import httpx
import pytest
from starlette.applications import Starlette

from daemon import health
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
        (Daemon(), 200, "ready"),
        (Daemon(ready=False), 503, "starting"),
        (Daemon(stopping=True), 503, "stopping"),
    ],
)
async def test_it_says_whether_it_serves(daemon: Daemon, status: int, said: str) -> None:
    """Without Supabase there is nothing more to say."""
    answer = await asked(daemon)
    assert (answer.status_code, answer.json()) == (status, {"status": said})


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
