"""How a line ends and what comes of it: each test pairs a session of its own on one daemon."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from tests.acceptance.whatsapp import Rig, chat_of, running
from tests.loopback.nodes import Attribute, Node
from tests.loopback.phone import Phone
from tests.support.freezing import freeze
from tests.support.stream import Event

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """A daemon without a session."""
    async with running(tmp_path_factory.mktemp("lines")) as made:
        yield made


def status(session: str, **wanted: object) -> Callable[[Event], bool]:
    """Return whether an event is such a status of the session."""

    def fits(event: Event) -> bool:
        data = event.data
        return data["id"] == session and all(data[name] == value for name, value in wanted.items())

    return fits


ENDS: dict[str, tuple[dict[str, str], str, str]] = {
    "logged-out": ({"reason": "401"}, "logged_out", "logged_out"),
    "locked": ({"reason": "403"}, "logged_out", "account_locked"),
    "outdated": ({"reason": "405"}, "failed", "client_outdated"),
    "banned": ({"reason": "406"}, "banned", "banned"),
    "short-ban": (
        {"reason": "402", "code": "101", "expire": "7200"},
        "banned",
        "temporarily_banned",
    ),
}


@pytest.mark.parametrize("session", ENDS)
async def test_a_login_that_whatsapp_refuses(rig: Rig, session: str) -> None:
    """The state, the code, and what a person can do; it is not tried again."""
    about, state, code = ENDS[session]
    phone = await rig.paired(session, 100 + list(ENDS).index(session))
    await _fail(phone, about)
    found = await rig.user.in_state(session, state)
    assert (found["code"], bool(found["user_action"])) == (code, True)
    if code == "temporarily_banned":
        assert "2 h 0 min" in found["message"]
    await rig.user.post(f"/v1/sessions/{session}/start")
    forgotten = code in ("logged_out", "account_locked", "banned")
    await rig.user.in_state(session, "pairing" if forgotten else "connected")


RETRIED = {
    "unknown-reason": ({"reason": "499"}, "connect_refused"),
    "server-error": ({"reason": "500"}, "line_lost"),
    "unavailable": ({"reason": "503"}, "line_lost"),
}


@pytest.mark.parametrize("session", RETRIED)
async def test_a_refusal_that_passes(rig: Rig, session: str) -> None:
    """A reason that nobody knows, or WhatsApp's own trouble: it connects again by itself."""
    about, code = RETRIED[session]
    phone = await rig.paired(session, 120 + list(RETRIED).index(session))
    async with rig.user.stream(types="connection_status") as stream:
        await _fail(phone, about)
        if code == "line_lost":
            await phone.drop()  # the core tells nothing, and waits for the server to hang up
        await stream.next("connection_status", status(session, code=code))
        await stream.next("connection_status", status(session, state="connected"), 30)
    assert phone.linked


async def test_the_phone_unlinks_the_device(rig: Rig) -> None:
    """Told what to do; started again, it pairs anew with the same number."""
    phone = await rig.paired("unlinked", 130)
    await phone.unlink()
    found = await rig.user.in_state("unlinked", "logged_out")
    assert found["code"] == "unlinked_by_phone"
    await rig.user.post("/v1/sessions/unlinked/start")
    await phone.scan(await rig.user.qr("unlinked"))
    await rig.user.in_state("unlinked", "connected")


async def test_the_device_is_used_elsewhere(rig: Rig) -> None:
    """It stays down, or the two would take the line from each other for ever."""
    phone = await rig.paired("replaced", 131)
    await phone.replace()
    found = await rig.user.in_state("replaced", "disconnected")
    assert (found["code"], bool(found["user_action"])) == ("stream_replaced", True)
    assert phone.linked
    await rig.user.post("/v1/sessions/replaced/start")
    await rig.user.in_state("replaced", "connected")


async def test_a_line_that_breaks_comes_back(rig: Rig) -> None:
    """One trouble told; what was sent meanwhile comes as ``offline``, each once and in order."""
    phone = await rig.paired("dropped", 132)
    anna = rig.contact(132, "Anna")
    async with rig.user.stream() as stream:
        await phone.drop()
        sent = [await anna.send_text(phone, f"missed {n}") for n in range(5)]
        await stream.next("connection_status", status("dropped", code="line_lost"))
        await stream.next("connection_status", status("dropped", state="connected"), 30)
        told = [await stream.next("new_message") for _ in sent]
        await anna.send_text(phone, "live again")
        live = await stream.next("new_message")
    assert [event.data["wa_id"] for event in told] == sent
    assert {event.envelope["source"] for event in told} == {"offline"}
    assert live.envelope["source"] == "live"
    chat = await rig.user.get(f"/v1/chats/{chat_of(anna, 'dropped')}")
    assert chat["unread"] == 6


async def test_what_was_never_acknowledged_comes_again(rig: Rig) -> None:
    """The worker is stopped in its tracks, sent to, and killed: after it, all is there, once."""
    phone = await rig.paired("killed", 133)
    anna = rig.contact(133, "Bela")
    workers = rig.daemon.workers()
    async with rig.user.stream(types="new_message") as stream:
        before = await anna.send_text(phone, "before")
        await stream.next("new_message")  # its acknowledgement may come before it does
        await phone.until(lambda: before in phone.acked)
        await freeze(*workers)
        sent = [await anna.send_text(phone, f"unseen {n}") for n in range(20)]
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        told = [await stream.next("new_message", seconds=30) for _ in sent]
        await phone.until(lambda: set(sent) <= phone.acked)
    assert [event.data["wa_id"] for event in told] == sent
    assert {event.envelope["source"] for event in told} == {"offline"}


STUMBLES: dict[str, Node] = {
    "weird": Node("receipt", {"type": "weird"}),
    "server-error": Node("receipt", {"type": "server-error"}),
    "chat-state": Node("chatstate", {}, [Node("unheard-of")]),
}


@pytest.mark.parametrize("kind", STUMBLES)
async def test_a_word_that_the_core_cannot_pass_on(rig: Rig, kind: str) -> None:
    """It ends the core's event loop: the session is connected anew at once, the neighbour's not."""
    session, number = f"stumble-{kind}", 140 + list(STUMBLES).index(kind)
    phone = await rig.paired(session, number)
    neighbour = await rig.paired(f"beside-{kind}", number + 40)
    anna = rig.contact(number, "Clara")
    node = STUMBLES[kind]
    async with rig.user.stream(types="connection_status,new_message") as stream:
        attrs: dict[str, Attribute] = {"from": anna.lid_jid, "id": "X", "t": "1", **node.attrs}
        await phone.companion.mention(Node(node.tag, attrs, node.content))
        await stream.next("connection_status", status(session, code="engine_stumbled"))
        await stream.next("connection_status", status(session, state="connected"))
        await anna.send_text(phone, "after")
        await stream.next("new_message", lambda event: event.data["session"] == session)
        await anna.send_text(neighbour, "beside")
        await stream.next("new_message", lambda event: event.data["session"] != session)
    troubles = [e for e in stream.seen if e.id and e.data.get("code")]
    assert {event.envelope["session"] for event in troubles} == {session}


STRANGE: dict[str, Node] = {
    "notification": Node("notification", {"type": "w:unheard-of"}, [Node("news")]),
    "tag": Node("unheard-of", {"type": "x"}, [Node("news")]),
    "group-change": Node("notification", {"type": "w:gp2"}, [Node("unheard-of", {"a": "b"})]),
    "call": Node("call", {"platform": "x", "version": "1"}, [Node("unheard-of", {"call-id": "C"})]),
    "presence": Node("presence", {"type": "unheard-of"}),
    "stream-error": Node("stream:error", {"code": "999"}),
}


@pytest.mark.parametrize("name", STRANGE)
async def test_a_stanza_that_nobody_knows(rig: Rig, name: str) -> None:
    """It costs neither the line nor the message behind it."""
    session, number = f"strange-{name}", 150 + list(STRANGE).index(name)
    phone = await rig.paired(session, number)
    anna = rig.contact(number, "Dalva")
    connection = phone.companion.connection
    assert connection is not None
    async with rig.user.stream(types="connection_status,new_message") as stream:
        attrs = {"from": anna.lid_jid, "id": "S1", "t": "1790000000", **STRANGE[name].attrs}
        await connection.send(Node(STRANGE[name].tag, attrs, STRANGE[name].content))
        await anna.send_text(phone, name)
        assert (await stream.next("new_message")).data["text"] == name
    assert not [e for e in stream.seen if e.id and e.type == "connection_status"]


async def test_logins_survive_both_kinds_of_end(rig: Rig) -> None:
    """Stopped and started by the user, no phone is needed; nothing is lost while it is stopped."""
    phone = await rig.paired("again", 170)
    anna = rig.contact(170, "Elsa")
    await rig.user.post("/v1/sessions/again/stop")
    await rig.user.in_state("again", "disconnected")
    await phone.until(lambda: not phone.online)
    wa_id = await _sent_while_away(phone, anna.send_text(phone, "are you there?"))
    async with rig.user.stream(types="new_message") as stream:
        await rig.user.post("/v1/sessions/again/start")
        told = await stream.next("new_message")
    assert (told.data["wa_id"], told.envelope["source"]) == (wa_id, "offline")


async def _sent_while_away(phone: Phone, sending: Any) -> str:  # noqa: ANN401 - any coroutine
    wa_id = str(await sending)
    await asyncio.sleep(0)
    assert wa_id not in phone.acked
    return wa_id


async def _fail(phone: Phone, about: dict[str, str]) -> None:
    rest = {name: value for name, value in about.items() if name != "reason"}
    await phone.fail(int(about["reason"]), **rest)
