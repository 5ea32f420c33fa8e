from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from sessions import commands as c, events as e
from sessions.errors import (
    CommandFailed,
    IdempotencyConflict,
    MessageNotFound,
    NotPairing,
    SendQueueFull,
    SessionNotConnected,
    Unsupported,
)
from sessions.ids import SessionKey
from sessions.manager import TextToSend, _refusal
from sessions.models import ProviderName
from sessions.ports import SessionRecord
from tests.support.engine import Engine, chat, misbehaving, passes, plan, running, until
from tests.support.freezing import freeze
from tests.support.recorders import Json
from tests.unit.sessions.sending.rows import send as row

KEY = SessionKey("w", "s1")


@pytest_asyncio.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """Yield an engine with a connected sandbox session."""
    async with running(tmp_path) as made:
        await made.connected()
        yield made


async def send(engine: Engine, text: str = "hi", **more: Json) -> Json:
    """Send a text; return the answer."""
    request = TextToSend(chat=more.pop("chat", chat()), text=text, **more)
    return msgspec.json.decode(await engine.manager.send_text(request))


def acks(engine: Engine, id: str) -> list[str]:
    """Return the statuses that were told of a message."""
    told = engine.sink.of("message_ack")
    return [ack["status"] for ack in told if ack["messageId"] == id]


async def test_a_send_is_pending_then_gets_its_ticks(engine: Engine) -> None:
    """On disk before the answer; told as ours; sent, delivered, read; WhatsApp's id follows."""
    answer = await send(engine, client_ref="c-1")
    assert tuple(answer[name] for name in ("status", "ack", "wa_id", "client_ref", "source")) == (
        "pending",
        0,
        None,
        "c-1",
        "api",
    )
    assert engine.live().record.jid == answer["sender"]
    assert answer["id"] in engine.journal.rows
    assert [answer] == engine.sink.of("new_message")
    await until(lambda: len(acks(engine, answer["id"])) == 3)
    assert acks(engine, answer["id"]) == ["sent", "delivered", "read"]
    read = msgspec.json.decode(engine.manager.views.message("w", answer["id"]).render())
    assert (read["status"], read["ack"]) == ("read", 3)
    assert read["wa_id"] == engine.journal.rows[answer["id"]].wa_id
    assert engine.journal.rows[answer["id"]].state == "sent"
    assert engine.manager.outbox.waiting() == 0


async def test_the_same_key_is_the_same_send(engine: Engine) -> None:
    """Also at the same time, and after its ticks; with another body it is a conflict."""
    answers = await asyncio.gather(
        *(send(engine, client_ref="r", idempotency_key="k") for _ in range(5))
    )
    assert [answers[0]] * 5 == answers
    await until(lambda: "read" in acks(engine, answers[0]["id"]))
    assert answers[0] == await send(engine, client_ref="r", idempotency_key="k")
    assert len(engine.sink.of("new_message")) == 1
    with pytest.raises(IdempotencyConflict):
        await send(engine, "other", client_ref="r", idempotency_key="k")
    assert len(engine.journal.rows) == 1


async def test_the_same_key_is_answered_without_a_line(engine: Engine) -> None:
    """What was accepted was accepted."""
    answer = await send(engine, idempotency_key="k")
    engine.manager.lifecycle.stop(engine.live())
    await engine.reaches("disconnected")
    assert answer == await send(engine, idempotency_key="k")
    with pytest.raises(SessionNotConnected) as refusal:
        await send(engine)
    assert refusal.value.user_action == "Start it again."


async def test_a_reply_quotes_its_message(engine: Engine) -> None:
    """By our id, of a message that is in this chat."""
    received = await engine.receive("how much?")
    answer = await send(engine, "ten", reply_to=received)
    quoted = answer["reply_to"]
    assert (received, "how much?", "text") == (quoted["id"], quoted["text"], quoted["type"])
    await until(lambda: "sent" in acks(engine, answer["id"]))
    stored = engine.journal.rows[answer["id"]]
    assert (quoted["wa_id"], "how much?") == (stored.reply_wa_id, stored.reply_text)
    elsewhere = chat("5511888880000@s.whatsapp.net")
    for missing, where in (("m?", chat()), (received, elsewhere)):
        with pytest.raises(MessageNotFound):
            await send(engine, reply_to=missing, chat=where)


async def test_sends_of_a_session_leave_in_order(engine: Engine) -> None:
    """As they were accepted, also when they come all at once."""
    answers = await asyncio.gather(*(send(engine, str(n)) for n in range(20)))
    await until(lambda: Counter(engine.journal.states()) == {"sent": 20})
    names = [engine.journal.rows[a["id"]].wa_id or "" for a in answers]
    assert names == sorted(names)


async def test_a_killed_worker_loses_no_send_and_doubles_none(engine: Engine) -> None:
    """Each is sent once, or told as unknown; those that were not tried leave afterwards."""
    answers = [await send(engine, str(n)) for n in range(5)]
    os.kill(engine.pid(), signal.SIGKILL)
    for n in range(5, 10):
        if engine.live().is_connected:
            answers += [await send(engine, str(n))]
    finished = {"sent", "unknown"}
    await until(lambda: set(engine.journal.states()) <= finished)
    tried = Counter(id for id, state in engine.journal.marks if state == "trying")
    given_back = Counter(id for id, state in engine.journal.marks if state == "accepted")
    for answer in answers:
        id = answer["id"]
        assert tried[id] - given_back[id] == 1
        told = acks(engine, id)
        assert sum(status in finished for status in told) == 1
    await engine.reaches("connected")
    again = await send(engine)
    await until(lambda: "sent" in acks(engine, again["id"]))
    names = [r.wa_id for r in engine.journal.rows.values() if r.wa_id]
    assert len(names) == len(set(names))


async def test_a_worker_that_dies_of_a_send_leaves_it_unknown(tmp_path: Path) -> None:
    """It was asked; it is never sent again by itself."""
    async with running(tmp_path, plan(misbehaving("crashes_on_command"))) as engine:
        live = await engine.manager.lifecycle.create("w", "s1", "", ProviderName.SANDBOX)
        engine.manager.lifecycle.start(live)
        await until(engine.pid)
        connected = e.Connected(jid="5500@s.whatsapp.net", lid=None, name=None)
        await until(lambda: live.status.state == "starting" and engine.manager.supervisor.workers)
        await until(lambda: engine.manager.supervisor.workers[0]._ready)  # noqa: SLF001 - no event says it
        engine.manager.session_event(KEY, connected)
        answer = await send(engine)
        await until(lambda: acks(engine, answer["id"]))
        assert acks(engine, answer["id"]) == ["unknown"]
        told = engine.sink.of("message_ack")[0]
        assert (told["ack"], told["code"]) == (0, "outcome_unknown")
        await passes(3)
        tries = [id for id, state in engine.journal.marks if state == "trying"]
        assert [answer["id"]] == tries


async def test_a_restart_sends_what_was_never_tried(engine: Engine) -> None:
    """And says unknown of what was tried without an answer."""
    await engine.manager.close()
    engine.sink.clear()
    engine.journal.rows = {r.id: r for r in (row("new"), row("tried", state="trying", at=0))}
    engine.journal.marks.clear()
    engine.manager = engine.fresh()
    await engine.manager.start()
    assert acks(engine, "tried") == ["unknown"]
    assert engine.journal.marks == [("tried", "unknown")]
    await until(lambda: acks(engine, "new")[-1:] == ["read"])
    assert acks(engine, "tried") == ["unknown"]
    assert engine.sink.of("new_message") == []
    assert engine.journal.marks[1:] == [("new", "trying"), ("new", "sent")]


async def test_a_restart_fails_what_a_lost_account_was_to_send(engine: Engine) -> None:
    """It would leave under another number; and a stopped session's rows wait without a stir."""
    await engine.manager.close()
    gone = SessionRecord(
        workspace="w",
        id="s1",
        label="",
        provider=ProviderName.SANDBOX,
        created_at=1,
        state="logged_out",
        code="logged_out",
    )
    engine.sessions.records = {KEY: gone}
    engine.journal.rows = {"a": row("a")}
    engine.journal.marks.clear()
    engine.manager = engine.fresh()
    await engine.manager.start()
    await until(lambda: acks(engine, "a"))
    assert acks(engine, "a") == ["failed"]
    assert engine.sink.of("message_ack")[-1]["code"] == "session_logged_out"


async def test_rows_of_a_stopped_session_wait_without_a_stir(engine: Engine) -> None:
    """No disk is written for them until there is a line."""
    engine.manager.lifecycle.stop(engine.live())
    await engine.reaches("disconnected")
    await engine.manager.close()
    engine.journal.rows = {"a": row("a")}
    engine.journal.marks.clear()
    engine.manager = engine.fresh()
    await engine.manager.start()
    await passes(8)
    assert engine.journal.marks == []
    engine.manager.lifecycle.start(engine.live())
    await until(lambda: acks(engine, "a"))


async def test_a_logout_fails_what_waits(engine: Engine) -> None:
    """All of it, with the reason."""
    await engine.manager.sandbox(KEY, c.SandboxDrop())
    live = engine.live()
    queue = engine.manager.outbox._queue(KEY, connected=False)  # noqa: SLF001 - what waits
    await until(lambda: not live.is_connected)
    for name in ("a", "b"):
        engine.journal.rows[name] = row(name)
        queue.put(row(name))
    await engine.reaches("connected")
    await until(lambda: len(acks(engine, "b")) >= 1)
    await freeze(engine.pid())
    answers = [await send(engine, str(n)) for n in range(3)]
    engine.manager.session_event(KEY, e.Troubled(code="unlinked_by_phone"))
    os.kill(engine.pid(), signal.SIGCONT)
    ids = [answer["id"] for answer in answers]
    await until(lambda: all(acks(engine, id) for id in ids))
    assert [acks(engine, id) for id in ids[1:]] == [["failed"], ["failed"]]


async def test_a_full_queue_is_refused(engine: Engine) -> None:
    """With what to do."""
    engine.manager.outbox._most_waiting = 1  # noqa: SLF001 - a setting
    await freeze(engine.pid())
    await send(engine)
    await until(lambda: "trying" in engine.journal.states())
    await send(engine)
    with pytest.raises(SendQueueFull):
        await send(engine)
    assert engine.manager.outbox.waiting() == 1
    os.kill(engine.pid(), signal.SIGCONT)


async def test_a_send_that_is_not_on_disk_is_not_accepted(engine: Engine) -> None:
    """Nothing is told of it."""
    engine.journal.is_broken = True
    with pytest.raises(Exception, match="disk"):
        await send(engine)
    assert engine.sink.of("new_message") == []
    engine.journal.is_broken = False


async def test_a_fate_is_told_of_a_message_that_left_the_memory(engine: Engine) -> None:
    """Evicted while it waited."""
    await freeze(engine.pid())
    answer = await send(engine)
    engine.manager.memory.drop_session(KEY)
    os.kill(engine.pid(), signal.SIGCONT)
    await until(lambda: acks(engine, answer["id"]))
    assert acks(engine, answer["id"])[0] == "sent"


async def test_a_tick_that_overtakes_the_answer_is_told_after_it(engine: Engine) -> None:
    """WhatsApp may tell of a message before the engine says what it is called."""
    await send(engine)
    await until(lambda: "sent" in engine.journal.states())
    first = next(iter(engine.journal.rows.values())).wa_id or ""
    name = f"SANDBOX{int(first.removeprefix('SANDBOX'), 16) + 1:012X}"
    early = e.ReceiptReceived(
        chat=e.ChatAddress(jid=chat().jid), wa_ids=(name,), ids=(), ack=4, at=1
    )
    engine.manager.session_event(KEY, early)
    answer = await send(engine)
    await until(lambda: len(acks(engine, answer["id"])) == 2)
    assert acks(engine, answer["id"]) == ["sent", "played"]


async def test_a_session_that_is_deleted_takes_its_sends_along(engine: Engine) -> None:
    """What is in hand ends, what waits is dropped, and nothing runs on."""
    await freeze(engine.pid())
    await send(engine)
    await send(engine)
    await until(lambda: "trying" in engine.journal.states())
    os.kill(engine.pid(), signal.SIGKILL)
    await engine.manager.delete(KEY)
    assert engine.manager.outbox.waiting() == 0


async def test_a_pairing_code_that_the_engine_does_not_give(tmp_path: Path) -> None:
    """Is a failed command, not an answer."""
    async with running(tmp_path, plan(misbehaving("loud"))) as engine:
        live = await engine.manager.lifecycle.create("w", "s1", "", ProviderName.SANDBOX)
        engine.manager.lifecycle.start(live)
        await until(lambda: engine.manager.supervisor.workers)
        await until(lambda: engine.manager.supervisor.workers[0]._ready)  # noqa: SLF001 - no event says it
        engine.manager.session_event(KEY, e.PairingStarted())
        with pytest.raises(CommandFailed):
            await engine.manager.pairing_code(KEY, "+5511999990000")


async def test_reading_tells_whatsapp_and_counts_anew(engine: Engine) -> None:
    """A chat without unread messages asks nothing; of one that is unknown, it is an error."""
    await engine.receive("a")
    await engine.receive("b")
    engine.sink.clear()
    await engine.manager.mark_read(chat())
    await engine.manager.mark_read(chat())
    assert [told["unread"] for told in engine.sink.of("chat_updated")] == [0]
    await engine.manager.set_typing(chat(), is_typing=True)
    received = engine.live().view().last_received_at
    assert received is not None


async def test_a_merged_chat_is_sent_to_by_its_old_name(engine: Engine) -> None:
    """The message is the number's chat's."""
    lid = chat("123456789012345@lid")
    first = await send(engine, chat=lid)
    await until(lambda: "sent" in acks(engine, first["id"]))
    learned = e.LidLearned(lid=lid.jid, pn=chat().jid)
    engine.manager.session_event(KEY, learned)
    second = await send(engine, chat=lid, idempotency_key="k")
    assert chat().id == second["chat"]
    assert second == await send(engine, idempotency_key="k")
    entries = engine.manager.views.messages(lid, None, 10)
    assert [second["id"], first["id"]] == [entry.id for entry in entries]


async def test_idle_chats_are_looked_for_each_second(engine: Engine) -> None:
    """Nothing is idle without the limit."""
    await engine.receive("a")
    engine.clock.ms *= 2
    engine.manager.tick()
    assert len(engine.manager.views.messages(chat(), None, 10)) == 1


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("session_not_connected", SessionNotConnected),
        ("not_pairing", NotPairing),
        ("unsupported", Unsupported),
        ("command_failed", CommandFailed),
    ],
)
async def test_each_refusal_is_an_error_of_its_own(
    engine: Engine, kind: Json, error: type[Exception]
) -> None:
    """With the provider's sentence."""
    found = _refusal(c.Refused(kind=kind, message="No."), engine.live())
    assert (error, "No.") == (type(found), found.message)
