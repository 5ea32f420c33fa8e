"""Lines that stand but are quiet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sessions import events as e
from sessions.ids import SessionKey
from sessions.manager import probing as module
from sessions.manager.live import LiveSession
from sessions.models import ProviderName
from tests.support.engine import UNIT, Engine, misbehaving, passes, plan, running, until

KEY = SessionKey("w", "s1")
QUIET_MS = 300_000
HOUR_MS = 3_600_000


@pytest_asyncio.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """Yield a running engine."""
    async with running(tmp_path) as made:
        yield made


def found_deaf(engine: Engine, live: LiveSession) -> str | None:
    """Let the provider report a deaf line and its healing; return the code that was told."""
    engine.manager.session_event(KEY, e.Troubled(code="deaf"))
    code = live.status.code
    engine.manager.session_event(KEY, e.Connected(jid=live.record.jid or "", lid=None, name=None))
    return code


async def test_a_quiet_line_is_asked_and_stays_connected(engine: Engine) -> None:
    """The answer counts as heard from WhatsApp, and not as a message."""
    live = await engine.connected()
    engine.clock.ms += QUIET_MS
    engine.manager.tick()
    await until(lambda: live.last_heard_at == engine.clock.ms, "an answer")
    assert live.is_connected
    assert live.view().last_received_at is None


async def test_a_line_that_is_not_quiet_is_not_asked(engine: Engine) -> None:
    """Anything that came counts: a tick, a name, a message."""
    live = await engine.connected()
    engine.clock.ms += QUIET_MS - 1
    await engine.receive("olá")
    await until(lambda: live.last_heard_at == engine.clock.ms, "the message")
    engine.clock.ms += QUIET_MS - 1
    engine.manager.tick()
    await passes(2)
    assert live.last_heard_at < engine.clock.ms


async def test_only_so_many_are_asked_at_once(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The quietest first; the others in later seconds."""
    monkeypatch.setattr(module, "AT_ONCE", 1)
    sessions = [await engine.connected(name) for name in ("s1", "s2")]
    for late, live in enumerate(sessions):
        live.last_heard_at = late
    engine.manager.tick()
    engine.manager.tick()
    await until(lambda: sessions[0].last_heard_at == engine.clock.ms, "the first")
    assert sessions[1].last_heard_at == 1
    await passes(1)  # until the first is through
    engine.manager.tick()
    await until(lambda: sessions[1].last_heard_at > 1, "the second")


async def test_deaf_once_heals_and_deaf_again_asks_a_person(engine: Engine) -> None:
    """Within an hour the state says what to look at; later it is a first time again."""
    live = await engine.connected()
    assert found_deaf(engine, live) == "deaf"
    engine.clock.ms += HOUR_MS - 1
    assert found_deaf(engine, live) == "still_deaf"
    told = engine.sink.of("connection_status")[-2]
    assert told["state"] == "disconnected"
    assert "phone" in told["user_action"]
    engine.clock.ms += HOUR_MS
    assert found_deaf(engine, live) == "deaf"
    assert live.record.wanted


async def test_a_worker_that_answers_no_probe_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its loop lives, its threads hang: it is started again."""
    monkeypatch.setattr(module, "ANSWER_SECONDS", 2 * UNIT)
    async with running(tmp_path, plan(misbehaving("ignores_probes"))) as engine:
        live = await engine.manager.lifecycle.create("w", "s1", "", ProviderName.SANDBOX)
        engine.manager.lifecycle.start(live)
        await engine.reaches("connected")
        first = engine.pid()
        engine.clock.ms += QUIET_MS
        engine.manager.tick()
        await engine.reaches("disconnected")
        await engine.reaches("connected")
        assert engine.pid() != first
        codes = [told["code"] for told in engine.sink.of("connection_status")]
        assert "worker_hung" in codes


async def test_nobody_is_asked_where_the_setting_is_zero(tmp_path: Path) -> None:
    """Silence is then no news."""
    async with running(tmp_path) as engine:
        live = await engine.connected()
        prober = module.Prober(
            engine.manager.supervisor, engine.manager.lifecycle, engine.clock, 0.0
        )
        engine.clock.ms += 10 * QUIET_MS
        prober.tick()
        await passes(2)
        assert live.last_heard_at < engine.clock.ms
