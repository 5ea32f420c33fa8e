"""Workers with the real core are killed; what their callback saw reaches the daemon once."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sessions import commands as c, events as e
from sessions.provider.neonize import codes, journal
from sessions.provider.neonize.journal import Record
from sessions.provider.neonize.journal_file import FILES
from tests.loopback.contact import Contact
from tests.loopback.network import Stamps
from tests.loopback.nodes import Attribute, Node
from tests.loopback.phone import Phone
from tests.loopback.server import LoopbackWhatsApp
from tests.unit.sessions.provider.neonize.worker import Worker

BURST = 1500
MESSAGE_AT_KILL = 300
ROUNDS = 4
CHANNEL = 100  # what the engine holds back, and has acknowledged


@pytest.fixture
async def whatsapp() -> AsyncIterator[LoopbackWhatsApp]:
    """A started server."""
    async with LoopbackWhatsApp() as server:
        yield server


@pytest.fixture
def phone(whatsapp: LoopbackWhatsApp) -> Phone:
    """The account's phone, nothing linked."""
    return whatsapp.phone("5511900000001", lid="100000000000001")


@pytest.fixture
def alice(whatsapp: LoopbackWhatsApp) -> Contact:
    """Somebody who writes."""
    return whatsapp.contact("5511999990001", lid="200000000000002", name="Alice")


async def paired(worker: Worker, phone: Phone, store: Path) -> None:
    """Open a session and link it."""
    await worker.start(store)
    await phone.scan((await worker.event(e.QrShown)).qr)
    await phone.connected()
    await worker.event(e.Connected)


def messages(worker: Worker) -> list[e.MessageReceived]:
    """Return the messages that a worker told, in order."""
    return [m for m in worker.events.get("s1", []) if isinstance(m, e.MessageReceived)]


def texts(told: list[e.MessageReceived]) -> list[int]:
    """Return the numbers that the messages say."""
    return [int(json.loads(message.head + b"}")["text"]) for message in told]


def journaled(store: Path) -> list[Record]:
    """Return the events that stand in a store's journal."""
    segments = (store.joinpath(name).read_bytes() for name in FILES)
    records = (record for segment in segments for record in journal.read(segment))
    return sorted(record for record in records if record.code == codes.MESSAGE)


async def killed_in_a_burst(worker: Worker, phone: Phone, nodes: list[Node]) -> None:
    """Deliver, and kill the worker in the midst of it."""
    sending = asyncio.get_running_loop().create_task(phone.deliver(nodes))
    while len(messages(worker)) < MESSAGE_AT_KILL:
        await asyncio.sleep(0.001)
    await worker.kill()
    await asyncio.gather(sending, return_exceptions=True)


@pytest.mark.parametrize("confirms", [True, False])
async def test_what_the_callback_saw_reaches_the_daemon_once_and_in_order(
    whatsapp: LoopbackWhatsApp, phone: Phone, alice: Contact, tmp_path: Path, confirms: bool
) -> None:
    """Whether the daemon had confirmed or not: what it says before the start decides."""
    async with Worker.running(whatsapp.worker_command()) as worker:
        worker.confirms = confirms
        await paired(worker, phone, tmp_path)
        nodes = alice.encrypt_texts(phone, map(str, range(BURST)))
        await killed_in_a_burst(worker, phone, nodes)
        seen = {
            node.text("id")
            for record in journaled(tmp_path)
            for node in nodes
            if node.text("id").encode() in record.data
        }
        before = messages(worker)
    whatsapp.accepting = False  # so that only what was kept can come
    async with Worker.running(whatsapp.worker_command()) as again:
        again.confirm(worker.marks["s1"])
        await again.start(tmp_path)
        await again.event(e.Troubled)
        both = before + messages(again)
        assert seen <= {message.wa_id for message in both}
        whatsapp.accepting = True
        await again.event(e.Connected)
        last = await alice.send_text(phone, str(BURST))
        while last != (messages(again) or before)[-1].wa_id:
            await asyncio.sleep(0.01)
        both = before + messages(again)
    assert len(both) == len({message.id for message in both})
    assert texts(both) == sorted(texts(both))


async def test_a_new_daemon_is_told_what_was_not_confirmed(
    whatsapp: LoopbackWhatsApp, phone: Phone, alice: Contact, tmp_path: Path
) -> None:
    """By number and name although only a LID wrote; typing is gone, and so are old calls."""
    async with Worker.running(whatsapp.worker_command()) as worker:
        await paired(worker, phone, tmp_path)
        await alice.send_text(phone, "0")
        first = await worker.event(e.MessageReceived)
        worker.confirms = False
        await alice.type(phone)
        await worker.event(e.TypingChanged)
        sent = await worker.ask(c.SendText(chat=first.chat.jid, text="oi"))
        assert isinstance(sent, c.Sent)
        await alice.receipt(phone, sent.wa_id, "read")
        tick = await worker.event(e.ReceiptReceived)
        await alice.send_text(phone, "1")
        second = await worker.event(e.MessageReceived)
        await worker.kill()
    whatsapp.accepting = False
    async with Worker.running(whatsapp.worker_command()) as again:
        await again.start(tmp_path)
        assert tick == await again.event(e.ReceiptReceived)
        assert second == await again.event(e.MessageReceived)
        await again.event(e.Troubled)
        assert again.take(e.TypingChanged) is None
        assert again.take(e.MessageReceived) is None


async def test_a_stop_loses_nothing(
    whatsapp: LoopbackWhatsApp, phone: Phone, alice: Contact, tmp_path: Path
) -> None:
    """With the engine's channel full: what it has acknowledged is handed over, the rest comes later.

    A message that was decrypted and not handed over would never be: its key is used up.
    """
    module = "tests.unit.sessions.provider.neonize.hasty_worker"
    slow = ("--callback-seconds", "0.005", *whatsapp.worker_command()[2:])
    async with Worker.running([sys.executable, "-m", module, *slow]) as worker:
        await paired(worker, phone, tmp_path)
        nodes = alice.encrypt_texts(phone, map(str, range(1000)))
        sending = asyncio.get_running_loop().create_task(phone.deliver(nodes))
        await phone.until(lambda: len({node.text("id") for node in nodes} & phone.acked) > CHANNEL)
        await worker.ask(c.Stop())
        await asyncio.gather(sending, return_exceptions=True)
        assert len(messages(worker)) < len(nodes)
        await worker.start(tmp_path)
        last = nodes[-1].text("id")
        while last != messages(worker)[-1].wa_id:
            await asyncio.sleep(0.01)
        assert texts(messages(worker)) == list(range(1000))


async def test_a_stop_right_after_the_login_loses_nothing(
    whatsapp: LoopbackWhatsApp, phone: Phone, alice: Contact, tmp_path: Path
) -> None:
    """What waited at the server flows before we have taken that the login was accepted."""
    module = "tests.unit.sessions.provider.neonize.hasty_worker"
    late = ("--callback-seconds", "0.005", "--login-seconds", "0.4")
    command = [sys.executable, "-m", module, *late, *whatsapp.worker_command()[2:]]
    async with Worker.running(command) as worker:
        await paired(worker, phone, tmp_path)
        await worker.ask(c.Stop())
        nodes = alice.encrypt_texts(phone, map(str, range(400)))
        await phone.deliver(nodes)
        await worker.start(tmp_path)
        await phone.until(lambda: not phone.acked.isdisjoint(node.text("id") for node in nodes))
        await worker.ask(c.Stop())
        assert worker.take(e.Connected) is None
        assert len(messages(worker)) < len(nodes)
        await worker.start(tmp_path)
        while not messages(worker) or nodes[-1].text("id") != messages(worker)[-1].wa_id:
            await asyncio.sleep(0.01)
        assert texts(messages(worker)) == list(range(400))


async def test_nothing_is_told_again_after_a_clean_end(
    whatsapp: LoopbackWhatsApp, phone: Phone, alice: Contact, tmp_path: Path
) -> None:
    """A drain waits for the daemon's last confirmation."""
    async with Worker.running(whatsapp.worker_command()) as worker:
        await paired(worker, phone, tmp_path)
        await alice.send_text(phone, "0")
        await worker.event(e.MessageReceived)
        assert await worker.end() == 0
    whatsapp.accepting = False
    async with Worker.running(whatsapp.worker_command()) as again:
        await again.start(tmp_path)
        await again.event(e.Troubled)
        assert again.take(e.MessageReceived) is None


async def test_an_old_call_is_not_told_late(
    whatsapp: LoopbackWhatsApp, phone: Phone, alice: Contact, tmp_path: Path
) -> None:
    """A phone that rang two minutes ago rings no more; one that rings now is told."""
    async with Worker.running(whatsapp.worker_command()) as worker:
        worker.confirms = False
        await paired(worker, phone, tmp_path)
        past = datetime.now(UTC) - timedelta(minutes=2)
        now, alice._stamps = alice._stamps, Stamps(lambda: past)  # noqa: SLF001 - no call has a time of its own
        old = await alice.call(phone)
        alice._stamps = now  # noqa: SLF001 - as above
        fresh = await alice.call(phone)
        told = [await worker.event(e.CallChanged) for _ in range(2)]
        assert [old, fresh] == [call.id for call in told]
        await worker.kill()
    whatsapp.accepting = False
    async with Worker.running(whatsapp.worker_command()) as again:
        await again.start(tmp_path)
        assert fresh == (await again.event(e.CallChanged)).id


async def test_what_ended_the_callback_loop_does_not_end_it_again(
    whatsapp: LoopbackWhatsApp, phone: Phone, alice: Contact, tmp_path: Path
) -> None:
    """In a burst its acknowledgement must leave first: else it comes at every login.

    Who is first is a race: without the pause it is lost in two tries of three.
    """
    async with Worker.running(whatsapp.worker_command()) as worker:
        await paired(worker, phone, tmp_path)
        for number in range(ROUNDS):
            await stumbles(worker, phone, alice, f"X{number}")
            await worker.ask(c.Stop())
            await worker.start(tmp_path)
            await worker.event(e.Connected)


async def stumbles(worker: Worker, phone: Phone, alice: Contact, name: str) -> None:
    """Let the callback loop end in a burst; it must end but once."""
    nodes = alice.encrypt_texts(phone, map(str, range(1000)))
    about: dict[str, Attribute] = {"from": alice.lid_jid, "id": name, "t": "1"}
    nodes.insert(300, Node("receipt", {**about, "type": "server-error"}))
    await phone.deliver(nodes)
    assert (await worker.event(e.Troubled)).code == "engine_stumbled"
    await worker.event(e.Connected)
    last = await alice.send_text(phone, "1000")
    while last != messages(worker)[-1].wa_id:
        assert worker.take(e.Troubled) is None
        await asyncio.sleep(0.01)
    assert worker.take(e.Troubled) is None
    assert len(messages(worker)) >= 1001 - 2 * CHANNEL
    worker.events["s1"].clear()
