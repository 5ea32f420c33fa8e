from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec.structs import replace

from sessions import commands as c, events as e
from sessions.errors import (
    InvalidId,
    InvalidJid,
    NotASandbox,
    NotPairing,
    SessionExists,
    SessionNotConnected,
    SessionNotFound,
)
from sessions.ids import SessionKey
from sessions.manager import standing
from sessions.manager.folders import Folders
from sessions.manager.live import LiveSession
from sessions.models import ProviderName
from sessions.ports import SessionRecord
from sessions.states import SessionState
from sessions.worker.process import Death
from tests.support.engine import (
    LIMITS,
    PATIENCE,
    UNIT,
    Engine,
    misbehaving,
    plan,
    running,
    until,
)
from tests.support.recorders import START_MS

KEY = SessionKey("w", "s1")
FUTURE = 4_000_000_000_000


@pytest_asyncio.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """Yield a running engine."""
    async with running(tmp_path) as made:
        yield made


def states(engine: Engine) -> list[str]:
    """Return the states that were told of a session, in order."""
    return [told["state"] for told in engine.sink.of("connection_status")]


def record(**values: object) -> SessionRecord:
    """Return what was remembered of a session."""
    made = SessionRecord(
        workspace="w", id="s1", label="", provider=ProviderName.SANDBOX, created_at=1
    )
    return replace(made, **values)


async def test_a_session_is_made_paired_and_connected(engine: Engine) -> None:
    """Each state is told once, in the table's order; the record knows what a restart must."""
    live = await engine.connected()
    assert states(engine) == ["created", "starting", "pairing", "connecting", "connected"]
    assert [
        event.extra["connected"]
        for event in engine.sink.events[-20:]
        if event.type == "connection_status" and event.extra
    ][-2:] == [False, True]
    await until(lambda: engine.sessions.records[KEY].synced)
    saved = engine.sessions.records[KEY]
    assert (saved.wanted, saved.paired, saved.state) == (True, True, "connected")
    view = live.view()
    assert view.phone == f"+{(view.jid or '').partition('@')[0]}"
    assert (view.code, view.last_received_at) == (None, None)
    assert len(engine.sink.of("qr")) == 1
    assert engine.sink.of("history_progress") == [{"session": "s1", "percent": 100}]


async def test_a_session_is_made_once(engine: Engine) -> None:
    """By workspace; and only under a name that can be one."""
    create = engine.manager.lifecycle.create
    await create("w", "s1", "one", ProviderName.SANDBOX)
    with pytest.raises(SessionExists):
        await create("w", "s1", "two", ProviderName.SANDBOX)
    await create("v", "s1", "", ProviderName.WHATSAPP)
    with pytest.raises(InvalidId):
        await create("w", "../s1", "", ProviderName.SANDBOX)
    assert [live.record.id for live in engine.manager.lifecycle.of_workspace("v")] == ["s1"]
    assert [event.at for event in engine.manager.status_events("v")] == [START_MS]
    assert len(engine.manager.lifecycle.all()) == 2


async def test_a_session_that_cannot_be_written_is_not_made(engine: Engine) -> None:
    """Who asked hears why, and may ask again."""
    engine.sessions.is_broken = True
    with pytest.raises(Exception, match="disk"):
        await engine.manager.lifecycle.create("w", "s1", "", ProviderName.SANDBOX)
    with pytest.raises(SessionNotFound):
        engine.live()
    assert engine.sink.types == []


async def test_records_that_cannot_be_written_are_written_later(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they are by then; the session itself goes on."""
    monkeypatch.setattr(standing, "STORE_PAUSE", UNIT)
    live = await engine.manager.lifecycle.create("w", "s1", "", ProviderName.SANDBOX)
    engine.sessions.is_broken = True
    engine.manager.lifecycle.start(live)
    await until(lambda: live.qr)
    assert not engine.sessions.records[KEY].wanted
    engine.sessions.is_broken = False
    await until(lambda: engine.sessions.records[KEY].state == "pairing")
    assert engine.sessions.records[KEY].wanted


async def test_the_code_is_there_while_it_is_good(engine: Engine) -> None:
    """Before, afterwards and when it is too old there is none."""
    live = await engine.manager.lifecycle.create("w", "s1", "", ProviderName.SANDBOX)
    with pytest.raises(NotPairing):
        engine.manager.qr(KEY)
    with pytest.raises(NotPairing):
        await engine.manager.pairing_code(KEY, "+5511999990000")
    engine.clock.ms = 0
    engine.manager.lifecycle.start(live)
    await until(lambda: live.qr)
    assert engine.manager.qr(KEY).qr.startswith("SANDBOX,1,")
    with pytest.raises(InvalidJid):
        await engine.manager.pairing_code(KEY, "ana")
    code = await engine.manager.pairing_code(KEY, "+55 11 99999-0000")
    assert [code.code] == [told["code"] for told in engine.sink.of("pairing_code")]
    engine.clock.ms = FUTURE
    with pytest.raises(NotPairing) as refusal:
        engine.manager.qr(KEY)
    assert refusal.value.user_action


async def test_orders_given_rapidly_are_carried_out_in_order(engine: Engine) -> None:
    """One at a time; the last one counts, and repeating one changes nothing."""
    live = await engine.connected()
    lifecycle = engine.manager.lifecycle
    for order in ("stop", "start", "stop", "stop", "restart", "start", "start"):
        getattr(lifecycle, order)(live)
    await engine.orders_done()
    await engine.reaches("connected")
    told = states(engine)
    assert told.count("disconnected") == 2
    lifecycle.restart(live)
    lifecycle.stop(live)
    await engine.orders_done()
    await engine.reaches("disconnected", code="stopped")
    assert not engine.manager.supervisor.hosts(KEY)
    assert live.record.paired
    lifecycle.stop(live)
    await engine.orders_done()
    assert live.status.state == "disconnected"


async def test_a_stopped_session_starts_without_pairing_again(engine: Engine) -> None:
    """As the same number; starting it twice is once."""
    live = await engine.connected()
    jid = live.record.jid
    engine.manager.lifecycle.stop(live)
    await engine.reaches("disconnected", code="stopped")
    engine.sink.clear()
    engine.manager.lifecycle.start(live)
    engine.manager.lifecycle.start(live)
    await engine.reaches("connected")
    assert states(engine) == ["starting", "connecting", "connected"]
    assert jid == live.record.jid


async def test_a_dropped_line_comes_back(engine: Engine) -> None:
    """It says what happened, and that nothing is to be done."""
    live = await engine.connected()
    engine.sink.clear()
    await engine.manager.sandbox(KEY, c.SandboxDrop())
    engine.manager.lifecycle.start(live)  # it is coming back by itself: nothing
    await engine.orders_done()
    await engine.reaches("connected")
    assert states(engine) == ["disconnected", "connecting", "connected"]
    assert engine.sink.of("connection_status")[0]["code"] == "line_lost"


@pytest.mark.parametrize("by_phone", [True, False])
async def test_a_logout_forgets_the_keys(engine: Engine, by_phone: bool) -> None:
    """Whoever does it; the session can be paired again."""
    live = await engine.connected()
    store = next(engine.settings.stores.iterdir())
    if by_phone:
        await engine.manager.sandbox(KEY, c.SandboxLogout())
    else:
        engine.manager.lifecycle.logout(live)
    code = "unlinked_by_phone" if by_phone else "logged_out"
    await engine.reaches("logged_out", code=code)
    await until(lambda: not store.exists() and not engine.manager.supervisor.hosts(KEY))
    assert (live.record.paired, live.record.wanted) == (False, False)
    engine.manager.lifecycle.logout(live)
    engine.manager.lifecycle.start(live)
    await engine.reaches("pairing")


async def test_a_logout_of_a_stopped_session_is_local(engine: Engine) -> None:
    """WhatsApp cannot be told, the keys go all the same."""
    live = await engine.connected()
    engine.manager.lifecycle.stop(live)
    engine.manager.lifecycle.logout(live)
    await engine.reaches("logged_out")
    assert list(engine.settings.stores.iterdir()) == []


async def test_a_session_in_failure_can_be_logged_out(tmp_path: Path) -> None:
    """So that it can be paired anew."""
    async with running(tmp_path) as engine:
        await engine.manager.close()
        engine.sessions.records[KEY] = record(paired=True, state="failed", code="store_damaged")
        engine.manager = engine.fresh()
        await engine.manager.start()
        engine.manager.lifecycle.logout(engine.live())
        await engine.reaches("logged_out")


async def test_a_deleted_session_leaves_nothing(engine: Engine) -> None:
    """No record, no keys, no chats, no worker; its name is free again at once."""
    live = await engine.connected()
    await engine.receive("hi")
    await asyncio.gather(
        engine.manager.delete(KEY), engine.manager.delete(KEY), return_exceptions=True
    )
    assert engine.sink.of("connection_status")[-1]["code"] == "deleted"
    assert list(engine.settings.stores.iterdir()) == []
    assert engine.sessions.records == {}
    assert sum(usage.entries for usage in engine.manager.memory.usage().values()) == 0
    assert engine.manager.supervisor.workers == []
    with pytest.raises(SessionNotFound):
        engine.live()
    with pytest.raises(SessionNotFound):
        await engine.manager.delete(KEY)
    with pytest.raises(SessionNotConnected):
        live.require_connected()
    engine.manager.session_event(KEY, e.Connecting())
    again = await engine.manager.lifecycle.create("w", "s1", "", ProviderName.SANDBOX)
    assert again.status.state == "created"
    await until(lambda: engine.sessions.records)


async def test_deleting_twice_at_once_is_once(engine: Engine) -> None:
    """The second finds no session."""
    await engine.connected()
    ends = await asyncio.gather(
        engine.manager.delete(KEY), engine.manager.delete(KEY), return_exceptions=True
    )
    assert [type(None), SessionNotFound] == [type(end) for end in ends]


async def test_a_killed_worker_costs_a_moment(engine: Engine) -> None:
    """The session says what happened and is back by itself, with its chats in memory."""
    live = await engine.connected()
    await engine.receive("hi")
    engine.sink.clear()
    os.kill(engine.pid(), signal.SIGKILL)
    await until(lambda: "disconnected" in states(engine))
    await engine.reaches("connected")
    assert states(engine) == ["disconnected", "starting", "connecting", "connected"]
    told = engine.sink.of("connection_status")[0]
    assert (told["code"], bool(told["user_action"])) == ("worker_crashed", True)
    assert len(engine.manager.memory.chats.of_session(*KEY)) == 1
    assert live.record.paired


async def test_a_daemon_that_comes_back_starts_what_ran(engine: Engine) -> None:
    """Paired sessions connect without pairing; stopped ones stay so."""
    await engine.connected("s1")
    await engine.connected("s2")
    engine.manager.lifecycle.stop(engine.live("s2"))
    await engine.reaches("disconnected", "s2")
    await engine.manager.close()
    engine.sink.clear()
    engine.manager = engine.fresh()
    await engine.manager.start()
    await engine.reaches("connected", "s1")
    assert engine.live("s2").status.code == "stopped"
    assert engine.sink.of("qr") == []


async def test_a_worker_that_cannot_start_fails_its_session_once(tmp_path: Path) -> None:
    """It says what to run; a start tries once more."""
    async with running(tmp_path, plan(misbehaving("cannot_start"))) as engine:
        live = await engine.manager.lifecycle.create("w", "s1", "", ProviderName.SANDBOX)
        for _ in range(2):
            engine.manager.lifecycle.start(live)
            await engine.orders_done()
            await engine.reaches("failed", code="worker_cannot_start")
            await until(lambda: not engine.manager.supervisor.workers)
        assert states(engine) == ["created", "starting", "failed", "starting", "failed"]
        assert not live.record.wanted


async def test_a_session_that_cannot_be_opened_fails(tmp_path: Path) -> None:
    """It does not stay in `starting`, and can be started again."""
    async with running(tmp_path, plan(misbehaving("refuses_start"))) as engine:
        live = await engine.manager.lifecycle.create("w", "s1", "", ProviderName.SANDBOX)
        for _ in range(2):
            engine.manager.lifecycle.start(live)
            await engine.orders_done()
            await engine.reaches("failed", code="start_failed")
            await engine.orders_done()
        assert states(engine).count("failed") == 2


async def test_a_pairing_that_expires_can_be_started_again(tmp_path: Path) -> None:
    """Its worker is thrown away, however it hangs, and the state says what to do."""
    async with running(tmp_path, plan(misbehaving("slow_to_drain"))) as engine:
        live = await engine.manager.lifecycle.create("w", "s1", "", ProviderName.SANDBOX)
        engine.manager.lifecycle.start(live)
        await until(engine.pid)
        first = engine.pid()
        engine.manager.session_event(KEY, e.PairingStarted())
        engine.manager.session_event(KEY, e.Troubled(code="pairing_expired"))
        assert live.status[:2] == ("failed", "pairing_expired")
        engine.manager.lifecycle.start(live)
        await until(lambda: engine.pid() not in (0, first))
        assert live.status.state == "starting"
        engine.manager.lifecycle.stop(live)
        await engine.reaches("disconnected", code="stopped")


async def test_a_core_that_hangs_costs_its_process(engine: Engine) -> None:
    """Nothing else ends it; it is started again."""
    await engine.connected()
    first = engine.pid()
    engine.manager.session_event(KEY, e.Troubled(code="worker_hung"))
    await until(lambda: engine.pid() not in (0, first))
    await engine.reaches("connected")


async def test_a_line_that_is_slow_to_come_costs_nobody(engine: Engine) -> None:
    """The provider tries again by itself; its neighbours keep their process."""
    live = await engine.connected()
    first = engine.pid()
    engine.manager.session_event(KEY, e.Troubled(code="connect_timeout"))
    assert live.status.code == "connect_timeout"
    engine.manager.session_event(
        KEY, e.Connected(jid="5511999990000@s.whatsapp.net", lid=None, name=None)
    )
    assert live.is_connected
    assert engine.pid() == first


async def test_an_account_without_history_settles_in_time(tmp_path: Path) -> None:
    """The pairing worker is not its host for ever."""
    async with running(tmp_path, plan(misbehaving("silent"))) as engine:
        engine.manager.lifecycle.settling.seconds = UNIT
        live = await engine.manager.lifecycle.create("w", "s1", "", ProviderName.SANDBOX)
        engine.manager.lifecycle.start(live)
        await until(engine.pid)
        connected = e.Connected(jid="5500@s.whatsapp.net", lid="1@lid", name=None)
        engine.manager.session_event(KEY, connected)
        assert engine.manager.supervisor.is_alone(KEY)
        await until(lambda: live.record.synced and not engine.manager.supervisor.is_alone(KEY))
        engine.manager.supervisor.kill(KEY)


async def test_late_events_cannot_break_the_table(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """They are logged and change nothing; one that cannot be at all costs itself only."""
    live = await engine.manager.lifecycle.create("w", "s1", "", ProviderName.SANDBOX)
    engine.manager.session_event(KEY, e.Connected(jid="1@s.whatsapp.net", lid=None, name=None))
    assert live.status.state == "created"
    assert "no connected after created" in caplog.text
    with caplog.at_level(logging.CRITICAL):
        bad = e.ReceiptReceived(
            chat=e.ChatAddress(jid="1@g.us"), wa_ids=("a",), ids=("b", "c"), ack=1, at=0
        )
        engine.manager.session_event(KEY, bad)


async def test_a_ban_is_remembered_with_its_sentence(engine: Engine) -> None:
    """Over a restart, in the provider's own words."""
    live = await engine.connected()
    trouble = e.Troubled(code="temporarily_banned", detail="For 3 h.")
    engine.manager.session_event(KEY, trouble)
    assert (live.view().state, live.view().message) == ("banned", "For 3 h.")
    await until(lambda: engine.sessions.records[KEY].state == "banned")
    again = LiveSession(engine.sessions.records[KEY])
    assert live.view() == again.view()
    assert live.record.paired


@pytest.mark.parametrize(
    ("kept", "state"),
    [
        (record(), SessionState.CREATED),
        (record(state="pairing", wanted=True), SessionState.CREATED),
        (record(state="connected", wanted=True, paired=True), SessionState.DISCONNECTED),
        (record(state="disconnected", code="stopped", paired=True), SessionState.DISCONNECTED),
        (record(state="disconnected", paired=True), SessionState.DISCONNECTED),
        (record(state="logged_out", code="logged_out"), SessionState.LOGGED_OUT),
        (record(state="failed", code="gone_code"), SessionState.FAILED),
    ],
)
def test_what_is_remembered_of_a_state(kept: SessionRecord, state: SessionState) -> None:
    """Ends outlive the daemon; what ran is to be started."""
    assert state == LiveSession(kept).status.state


async def test_only_sandboxes_have_a_scripted_phone(engine: Engine) -> None:
    """And it takes phone numbers only."""
    await engine.manager.lifecycle.create("w", "real", "", ProviderName.WHATSAPP)
    with pytest.raises(NotASandbox):
        await engine.manager.sandbox(SessionKey("w", "real"), c.SandboxScan())
    await engine.connected()
    with pytest.raises(InvalidJid):
        await engine.manager.sandbox(KEY, c.SandboxReceive(phone="ana", text="x"))
    with pytest.raises(NotPairing):
        await engine.manager.sandbox(KEY, c.SandboxScan())


async def test_closing_does_not_wait_for_a_store_that_is_broken(tmp_path: Path) -> None:
    """It was told; the next life starts from what is on disk."""
    async with running(tmp_path) as engine:
        live = await engine.connected()
        engine.sessions.is_broken = True
        engine.manager.lifecycle.stop(live)
        await engine.reaches("disconnected", code="stopped")
        async with asyncio.timeout(PATIENCE):
            await engine.manager.close()
        engine.manager.session_lost(KEY, Death.CRASHED)
        assert live.status[:2] == ("disconnected", "stopped")


async def test_work_that_fails_is_logged(
    engine: Engine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the next order is carried out."""
    live = await engine.manager.lifecycle.create("w", "s1", "", ProviderName.SANDBOX)
    monkeypatch.setattr(engine.manager.lifecycle, "folders", Folders(Path("/dev/null")))
    engine.manager.lifecycle.start(live)
    await engine.orders_done()
    assert "work on a session failed" in caplog.text
    monkeypatch.undo()
    engine.manager.lifecycle.start(live)
    await engine.reaches("pairing")


async def test_closing_while_things_happen_leaves_nothing(tmp_path: Path) -> None:
    """No worker is opened by an order that was under way."""
    async with running(tmp_path) as engine:
        live = await engine.connected()
        engine.manager.lifecycle.restart(live)
        await asyncio.sleep(0)
        await engine.manager.close()
        assert engine.manager.supervisor.workers == []
        assert engine.sessions.records[KEY].wanted or not live.record.wanted


async def test_closing_takes_no_longer_than_the_drain(tmp_path: Path) -> None:
    """A worker that hangs is killed."""
    limits = LIMITS._replace(drain=5 * UNIT)
    async with running(tmp_path, plan(misbehaving("slow_to_drain"), limits=limits)) as engine:
        live = await engine.manager.lifecycle.create("w", "s1", "", ProviderName.SANDBOX)
        engine.manager.lifecycle.start(live)
        await until(engine.pid)
        async with asyncio.timeout(PATIENCE / 2):
            await engine.manager.close()
