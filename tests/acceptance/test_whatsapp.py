"""The real neonize core against the loopback WhatsApp, through the daemon's own API."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest_asyncio

from tests.loopback.contact import Contact
from tests.loopback.phone import Phone
from tests.loopback.server import LoopbackWhatsApp
from tests.support.daemon import Daemon, User
from tests.support.waiting import eventually

ALICE = "5511999990001"
CHAT = f"main:{ALICE}@s.whatsapp.net"


class Rig(NamedTuple):
    """A daemon on loopback, somebody who uses it, and the people on the other side."""

    whatsapp: LoopbackWhatsApp
    daemon: Daemon
    user: User
    phone: Phone
    alice: Contact


@pytest_asyncio.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """Yield a daemon with a session `main` that shows a code."""
    async with LoopbackWhatsApp() as whatsapp:
        alice = whatsapp.contact(ALICE, lid="200000000000002", name="Alice")
        phone = whatsapp.phone("5511900000001", lid="100000000000001")
        daemon = Daemon(tmp_path / "data", worker_command=whatsapp.worker_command())
        await daemon.start()
        async with daemon.user() as user:
            await user.session("main", "whatsapp")
            yield Rig(whatsapp, daemon, user, phone, alice)
        await daemon.end()


@pytest_asyncio.fixture
async def paired(rig: Rig) -> Rig:
    """Return the rig with the session paired and connected."""
    await rig.phone.scan(await rig.user.qr("main"))
    await rig.phone.connected()
    await rig.user.in_state("main", "connected")
    return rig


async def test_a_number_is_paired_by_qr(rig: Rig) -> None:
    """The phone scans what the API shows; the session says which number it is."""
    async with rig.user.stream(types="connection_status,qr") as stream:
        await rig.phone.scan(await rig.user.qr("main"))
        await stream.next("connection_status", lambda event: event.envelope["connected"])
    session = await rig.user.get("/v1/sessions/main")
    assert (session["state"], session["phone"]) == ("connected", "+5511900000001")


async def test_a_number_is_paired_by_code(rig: Rig) -> None:
    """The code that the API gives is typed into the phone."""
    await rig.user.qr("main")
    body = {"phone": "+55 11 90000-0001"}
    code = await rig.user.post("/v1/sessions/main/pairing-code", body)
    await rig.phone.link_with_code(code["code"])
    session = await rig.user.in_state("main", "connected")
    assert session["phone"] == "+5511900000001"


async def test_a_text_arrives_by_either_addressing_in_one_chat(paired: Rig) -> None:
    """A LID and a phone number that are one person are one chat, named by the number."""
    async with paired.user.stream(types="new_chat,new_message") as stream:
        await paired.alice.send_text(paired.phone, "by lid", addressing="lid")
        first = await stream.next("new_message")
        await paired.alice.send_text(paired.phone, "by number", addressing="pn")
        second = await stream.next("new_message")
    assert [first.data["text"], second.data["text"]] == ["by lid", "by number"]
    assert {first.data["chat"], second.data["chat"]} == {CHAT}
    assert [event.type for event in stream.seen if event.id].count("new_chat") == 1
    assert (await paired.user.get(f"/v1/chats/{CHAT}"))["name"] == "Alice"


async def test_a_text_is_sent_and_its_ticks_follow(paired: Rig) -> None:
    """202, then what WhatsApp calls it, then delivered and read."""
    async with paired.user.stream(types="message_ack") as stream:
        body = {"type": "text", "text": "Bom dia"}
        sent = await paired.user.post(f"/v1/chats/{CHAT}/messages", body)
        got = await paired.alice.next_message()
        assert got.text == "Bom dia"
        await stream.next("message_ack", lambda event: event.data["status"] == "sent")
        for kind in ("delivered", "read"):
            await paired.alice.receipt(paired.phone, got.wa_id, kind=kind)
            assert (await stream.next("message_ack")).data["status"] == kind
    message = await paired.user.get(f"/v1/messages/{sent['id']}")
    assert (message["wa_id"], message["status"]) == (got.wa_id, "read")


async def test_reading_and_typing_reach_the_other_side(paired: Rig) -> None:
    """A read chat gives the sender blue ticks; typing shows."""
    async with paired.user.stream() as stream:
        wa_id = await paired.alice.send_text(paired.phone, "there?")
        await stream.next("new_message")
        await paired.alice.type(paired.phone)
        assert (await stream.next("typing")).data["is_typing"] is True
    await paired.user.post(f"/v1/chats/{CHAT}/read")

    async def read() -> bool:
        receipts = paired.whatsapp.receipts_from(paired.phone)
        return any(wa_id in receipt.ids and receipt.kind == "read" for receipt in receipts)

    await eventually(read)
    assert (await paired.user.get(f"/v1/chats/{CHAT}"))["unread"] == 0
    await paired.user.post(f"/v1/chats/{CHAT}/typing", {"is_typing": True})


async def test_a_dropped_line_comes_back_with_what_was_missed(paired: Rig) -> None:
    """`line_lost`, then connected again; what came meanwhile arrives once."""
    async with paired.user.stream() as stream:
        paired.whatsapp.accepting = False
        await paired.phone.drop()
        await stream.next("connection_status", lambda e: e.data["code"] == "line_lost")
        missed = await paired.alice.send_text(paired.phone, "while you were out")
        paired.whatsapp.accepting = True
        await stream.next("connection_status", lambda e: e.envelope["connected"], 30)
        event = await stream.next("new_message")
        assert (event.data["wa_id"], event.envelope["source"]) == (missed, "offline")


async def test_the_phone_unlinks(paired: Rig) -> None:
    """Logged out, with what to do; starting again shows a new code."""
    await paired.phone.unlink()
    session = await paired.user.in_state("main", "logged_out")
    assert session["user_action"]
    await paired.user.post("/v1/sessions/main/start")
    assert await paired.user.qr("main")


async def test_logging_out_unlinks_at_whatsapp(paired: Rig) -> None:
    """The phone no longer lists the device."""
    await paired.user.post("/v1/sessions/main/logout")
    await paired.user.in_state("main", "logged_out")
    await paired.phone.until(lambda: not paired.phone.linked)


async def test_restarts_log_in_without_pairing(paired: Rig) -> None:
    """Neither a killed worker nor a killed daemon needs the phone again."""
    for pid in paired.daemon.workers():
        os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(0)
    await paired.user.in_state("main", "disconnected")
    await paired.user.in_state("main", "connected")
    await paired.daemon.end(signal.SIGKILL)
    await paired.daemon.start()
    await paired.user.in_state("main", "connected")
    async with paired.user.stream(types="new_message") as stream:
        await paired.alice.send_text(paired.phone, "welcome back")
        assert (await stream.next("new_message")).data["text"] == "welcome back"


async def test_a_burst_arrives_whole_and_in_order(paired: Rig) -> None:
    """1,000 messages at once: each once, in the order in which they were sent."""
    texts = [f"burst {n}" for n in range(1000)]
    async with paired.user.stream(types="new_message") as stream:
        await paired.phone.deliver(paired.alice.encrypt_texts(paired.phone, texts))
        await stream.next("new_message", lambda event: event.data["text"] == texts[-1], 40)
    got = [event.data["text"] for event in stream.seen if event.id]
    assert got == texts
