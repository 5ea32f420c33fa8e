"""A daemon with a Supabase project that comes and goes. The Data API is a stand-in on loopback."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from tests.acceptance.test_metrics import TOKEN, figures, scrape
from tests.supabase.fakes.data_api import KEY, Served, data_api
from tests.support.daemon import Daemon, User
from tests.support.waiting import eventually

KEYS, ROUNDS = 200, 3
pytestmark = pytest.mark.timeout(150)  # the pause before the next try grows with an outage


@pytest_asyncio.fixture
async def project() -> AsyncIterator[Served]:
    """Yield a Data API that listens."""
    async with data_api() as served:
        yield served


@pytest_asyncio.fixture
async def daemon(tmp_path: Path, project: Served) -> AsyncIterator[Daemon]:
    """Yield a daemon that writes to it."""
    settings = {
        "ZAPD_SUPABASE_URL": project.api.url,
        "ZAPD_SUPABASE_KEY": KEY,
        "ZAPD_SUPABASE_POLL_SECONDS": "1",
        "ZAPD_METRICS_TOKEN": TOKEN,
        "ZAPD_RATE_LIMIT": "10000",
        "ZAPD_RATE_BURST": "10000",
    }
    daemon = await Daemon(tmp_path / "data", settings=settings).start()
    yield daemon
    await daemon.end()


async def readiness(daemon: Daemon) -> Any:  # noqa: ANN401 - JSON
    """Return what /readyz says."""
    async with httpx.AsyncClient(base_url=daemon.base) as client:
        answer = await client.get("/readyz")
        assert answer.status_code == 200
        return answer.json()


async def until_drained(daemon: Daemon) -> None:
    """Wait until all that was written is in Supabase, without an alarm."""

    async def drained() -> bool:
        shown = await readiness(daemon)
        return shown["supabase"].get("pending") == 0 and not shown["alarms"]

    await eventually(drained, 90)


def settings_of(project: Served) -> dict[str, Any]:
    """Return the settings that Supabase has, by their names."""
    rows = project.api.tables.rows["settings"].values()
    return {str(row["key"]): row["value"] for row in rows if row["deleted_at"] is None}


async def write(user: User, turn: int) -> None:
    """Write each key once."""
    for key in range(KEYS):
        await user.put(f"/v1/settings/workspace/key-{key}", {"value": {"turn": turn, "key": key}})


async def test_an_outage_and_a_kill_lose_nothing(daemon: Daemon, project: Served) -> None:
    """600 writes to 200 keys, the daemon killed between: the last values arrive, once it is back.

    What the CRM wrote there meanwhile, later than we, stays.
    """
    async with daemon.user() as user:
        await user.put("/v1/settings/workspace/first", {"value": 1})
    await until_drained(daemon)
    await project.down()
    for turn in range(ROUNDS):
        async with daemon.user() as user:
            await write(user, turn)
        await daemon.end(signal.SIGKILL)
        await daemon.start()
    shown = await readiness(daemon)
    assert shown["supabase"]["pending"] >= KEYS
    await project.up()
    await until_drained(daemon)
    want = {f"key-{key}": {"turn": ROUNDS - 1, "key": key} for key in range(KEYS)}
    assert settings_of(project) == {**want, "first": 1}
    async with daemon.user() as user:
        items = (await user.get("/v1/settings", scope="workspace"))["items"]
    assert {item["name"]: item["value"] for item in items} == {**want, "first": 1}


async def test_a_wrong_key_is_told_and_loses_nothing(daemon: Daemon, project: Served) -> None:
    """In /readyz, in a metric and in the log, with what to do; mended, it drains by itself."""
    project.api.key = "sb_secret_another_key"
    async with daemon.user() as user:
        await user.put("/v1/settings/workspace/kept", {"value": "safe"})

    async def told() -> bool:
        shown = await readiness(daemon)  # its numbers may be some seconds old
        return "supabase_blocked" in shown["alarms"] and shown["supabase"]["pending"] >= 1

    async def logged() -> bool:
        return any("ERROR" in line and "supabase" in line for line in daemon.log)

    await eventually(told, 30)
    shown = (await readiness(daemon))["supabase"]
    assert shown["status"] == "blocked"
    assert shown["user_action"]
    assert KEY not in str(shown)
    after = figures((await scrape(daemon, TOKEN)).text)
    assert after["zapd_supabase_alarm", "supabase_blocked"] == 1
    assert after["zapd_supabase_pending", None] >= 1
    await eventually(logged)
    assert not any(KEY in line for line in daemon.log)
    project.api.key = KEY
    await until_drained(daemon)
    assert settings_of(project) == {"kept": "safe"}
    assert (
        figures((await scrape(daemon, TOKEN)).text)["zapd_supabase_alarm", "supabase_blocked"] == 0
    )


async def test_a_claim_needs_supabase(daemon: Daemon, project: Served) -> None:
    """Whoever else claims does it there: unreachable it is refused, and nothing is half-claimed."""
    async with daemon.user(scopes="admin") as user:
        session = await user.paired()
        await user.receive(session, "who takes this?")
        chat = (await user.get("/v1/chats"))["items"][0]["id"]
        await until_drained(daemon)
        await project.down()
        member = str(uuid4())
        await user.put(f"/v1/members/{member}", {"role": "agent", "name": "Ana"})
        async with daemon.agents(member) as (agent,):
            refused = await agent.refused("POST", f"/v1/chats/{chat}/claim", {})
        assert refused["status"] == 503
        assert refused["code"] == "supabase_unreachable"
        assert refused["user_action"]
        assert (await user.get(f"/v1/chats/{chat}"))["assignment"] is None
        messages = await user.get(f"/v1/chats/{chat}/messages")
        assert len(messages["items"]) == 1  # WhatsApp goes on
