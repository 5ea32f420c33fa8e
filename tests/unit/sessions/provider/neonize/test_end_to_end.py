"""The real core in a real worker, against a loopback WhatsApp."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sessions import commands as c, events as e
from tests.loopback.contact import Contact
from tests.loopback.history import HistoryChunk, PastChat, PastText
from tests.loopback.nodes import Attribute, Node
from tests.loopback.phone import Phone
from tests.loopback.server import LoopbackWhatsApp
from tests.unit.sessions.provider.neonize.worker import Worker

OWN, OWN_LID = "5511900000001@s.whatsapp.net", "100000000000001@lid"
ALICE, ALICE_LID = "5511999990001@s.whatsapp.net", "200000000000002@lid"


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
    """Somebody to talk to."""
    return whatsapp.contact("5511999990001", lid="200000000000002", name="Alice")


@pytest.fixture
async def worker(whatsapp: LoopbackWhatsApp) -> AsyncIterator[Worker]:
    """A worker without a session."""
    async with Worker.running(whatsapp.worker_command()) as process:
        yield process


@pytest.fixture
async def connected(worker: Worker, phone: Phone, tmp_path: Path) -> Worker:
    """A worker whose session is paired by QR and connected."""
    await pair(worker, phone, tmp_path)
    return worker


async def pair(worker: Worker, phone: Phone, store: Path, session: str = "s1") -> e.Connected:
    """Start a session, scan its code and wait until it is connected."""
    await worker.start(store, session)
    await phone.scan((await worker.event(e.QrShown, session)).qr)
    await phone.connected()
    return await worker.event(e.Connected, session)


async def fail(phone: Phone, **attributes: str) -> None:
    """Refuse the line that stands: refused at the login, the core may miss why and stay deaf."""
    assert phone.companion.connection
    await phone.companion.connection.send(Node("failure", {**attributes, "location": "test"}))


def kept_in(store: Path) -> list[str]:
    """Return the names of the files in a store."""
    return [file.name for file in store.iterdir()]


def head(message: e.MessageReceived) -> dict[str, Any]:
    """Return the message as clients read it, without its tail."""
    opened: dict[str, Any] = json.loads(message.head + b"}")
    return opened


async def test_pairing_by_qr(worker: Worker, phone: Phone, tmp_path: Path) -> None:
    """The states come in their order, with the account's addresses."""
    connected = await pair(worker, phone, tmp_path)
    kinds = [type(event) for event in worker.events["s1"]]
    assert [e.PairingStarted, e.Paired, e.Connecting] == kinds[:3]
    assert (connected.jid, connected.lid) == (OWN, OWN_LID)
    assert e.Paired(jid=OWN, lid=OWN_LID) == worker.take(e.Paired)


async def test_the_first_code_lasts_a_minute(worker: Worker, phone: Phone, tmp_path: Path) -> None:
    """The first of six codes is shown for 60 s."""
    await worker.start(tmp_path)
    shown = await worker.event(e.QrShown)
    left = shown.expires_at - datetime.now(UTC).timestamp() * 1000
    assert 50_000 < left < 61_000


async def test_pairing_by_code(worker: Worker, phone: Phone, tmp_path: Path) -> None:
    """A code to type is told as an answer and as an event, and pairs."""
    await worker.start(tmp_path)
    await worker.event(e.QrShown)
    answer = await worker.ask(c.RequestCode(phone=phone.number))
    assert isinstance(answer, c.Code)
    shown = await worker.event(e.CodeShown)
    assert (answer.code, answer.expires_at) == (shown.code, shown.expires_at)
    await phone.link_with_code(answer.code)
    await phone.connected()
    await worker.event(e.Connected)


async def test_no_code_while_connected(connected: Worker, phone: Phone) -> None:
    """Who is paired cannot pair."""
    answer = await connected.ask(c.RequestCode(phone=phone.number))
    assert isinstance(answer, c.Refused)
    assert answer.kind == "not_pairing"


async def test_a_text_arrives(connected: Worker, phone: Phone, alice: Contact) -> None:
    """Decrypted, canonical, with who wrote it."""
    wa_id = await alice.send_text(phone, "olá")
    message = await connected.event(e.MessageReceived)
    assert (wa_id, ALICE, ALICE_LID, "Alice", True) == (
        message.wa_id,
        message.chat.jid,
        message.chat.lid,
        message.chat_name,
        message.counts,
    )
    assert (head(message)["type"], head(message)["text"]) == ("text", "olá")


async def test_both_addressings_are_one_chat(
    connected: Worker, phone: Phone, alice: Contact
) -> None:
    """By LID or by number, the chat is the number's."""
    await alice.send_text(phone, "1", addressing="lid")
    await alice.send_text(phone, "2", addressing="pn")
    messages = [await connected.event(e.MessageReceived) for _ in range(2)]
    assert [message.chat.jid for message in messages] == [ALICE, ALICE]


async def test_a_burst_arrives_in_order(connected: Worker, phone: Phone, alice: Contact) -> None:
    """Five hundred at once."""
    texts = [str(number) for number in range(500)]
    await phone.deliver(alice.encrypt_texts(phone, texts))
    messages = [await connected.event(e.MessageReceived) for _ in texts]
    assert texts == [head(message)["text"] for message in messages]


async def test_sending_and_its_ticks(connected: Worker, phone: Phone, alice: Contact) -> None:
    """A text is read by the contact; its ticks name it."""
    sent = await connected.ask(c.SendText(chat=ALICE, text="oi"))
    assert isinstance(sent, c.Sent)
    assert (sent.chat, sent.sender) == (ALICE, OWN)
    assert abs(sent.at - datetime.now(UTC).timestamp() * 1000) < 60_000
    assert ("oi", sent.wa_id) == ((message := await alice.next_message()).text, message.wa_id)
    for kind in ("delivered", "read", "played"):
        await alice.receipt(phone, sent.wa_id, kind)
    ticks = [await connected.event(e.ReceiptReceived) for _ in range(3)]
    assert [(ALICE, (sent.wa_id,), ack) for ack in (2, 3, 4)] == [
        (tick.chat.jid, tick.wa_ids, tick.ack) for tick in ticks
    ]


async def test_a_reply_is_sent_as_one(connected: Worker, phone: Phone, alice: Contact) -> None:
    """The contact sees what is answered."""
    quoted = c.Quoted(wa_id="Q1", sender=ALICE, text="question")
    await connected.ask(c.SendText(chat=ALICE, text="answer", reply_to=quoted))
    payload = (await alice.next_message()).payload
    assert all(part in payload for part in (b"answer", b"Q1", b"question", ALICE.encode()))


async def test_marking_read(connected: Worker, phone: Phone, alice: Contact) -> None:
    """The read receipt goes to the address that the message came from."""
    wa_id = await alice.send_text(phone, "read me")
    await connected.event(e.MessageReceived)
    answer = await connected.ask(c.MarkRead(chat=ALICE, sender=ALICE, wa_ids=(wa_id,)))
    assert c.Done() == answer
    await phone.until(lambda: any(r.kind == "read" for r in phone.receipts))
    read = next(receipt for receipt in phone.receipts if receipt.kind == "read")
    assert ((wa_id,), alice.lid) == (read.ids, read.to.user)


async def test_typing_out(connected: Worker, phone: Phone, alice: Contact) -> None:
    """The server sees that the account types."""
    assert c.Done() == await connected.ask(c.SetTyping(chat=ALICE, is_typing=True))
    await phone.until(lambda: any(p.tag == "chatstate" for p in phone.presences))


async def test_typing_in(connected: Worker, phone: Phone, alice: Contact) -> None:
    """Typing comes by LID alone: what is known of the LID names the chat."""
    await alice.send_text(phone, "hi")
    await connected.event(e.MessageReceived)
    await alice.type(phone, media="audio")
    await alice.type(phone, composing=False)
    typing = [await connected.event(e.TypingChanged) for _ in range(2)]
    assert [
        (event.chat.jid, event.is_typing, event.kind, event.sender_name) for event in typing
    ] == [(ALICE, True, "audio", "Alice"), (ALICE, False, "text", "Alice")]


async def test_own_message_from_the_phone(connected: Worker, phone: Phone, alice: Contact) -> None:
    """What the owner writes on the phone is the account's own."""
    await phone.send_text_to(alice, "from my phone")
    message = await connected.event(e.MessageReceived)
    assert (
        message.chat.jid,
        message.sender,
        message.from_me,
        message.source,
        message.counts,
    ) == (ALICE, OWN, True, "phone", False)


async def test_history(connected: Worker, phone: Phone, alice: Contact) -> None:
    """Chats before their messages, oldest first, and progress to its end."""
    texts = tuple(
        PastText(f"OLD{day}", f"day {day}", datetime(2026, 1, day, tzinfo=UTC)) for day in (2, 1)
    )
    chat = PastChat(ALICE_LID, texts, name="Alice", pn_jid=ALICE)
    await phone.send_history(HistoryChunk((chat,), progress=40), HistoryChunk(order=2))
    opened = await connected.event(e.HistoryChat)
    messages = [await connected.event(e.MessageReceived) for _ in texts]
    progress = [await connected.event(e.HistoryProgress) for _ in range(2)]
    assert (opened.chat.jid, opened.name) == (ALICE, "Alice")
    assert [(message.wa_id, message.source, message.counts) for message in messages] == [
        ("OLD1", "history", False),
        ("OLD2", "history", False),
    ]
    assert [(step.percent, step.done) for step in progress] == [(40, False), (100, True)]


async def test_a_drop_is_told_once_and_heals(
    connected: Worker, phone: Phone, alice: Contact
) -> None:
    """One trouble, one return, and what was sent meanwhile arrives."""
    await phone.drop()
    wa_id = await alice.send_text(phone, "meanwhile")
    assert (await connected.event(e.Troubled)).code == "line_lost"
    await connected.event(e.Connected)
    assert wa_id == (await connected.event(e.MessageReceived)).wa_id
    assert connected.take(e.Troubled) is None


async def test_an_outage_is_one_trouble(
    connected: Worker, whatsapp: LoopbackWhatsApp, phone: Phone
) -> None:
    """While WhatsApp is down the core's own tries are not told; sends are refused."""
    whatsapp.accepting = False
    await phone.drop()
    assert (await connected.event(e.Troubled)).code == "line_lost"
    answer = await connected.ask(c.SendText(chat=ALICE, text="oi"))
    assert isinstance(answer, c.Refused)
    assert answer.kind == "session_not_connected"
    await asyncio.sleep(3)
    whatsapp.accepting = True
    await connected.event(e.Connected)
    assert connected.take(e.Troubled) is None


async def test_a_first_connect_is_tried_again(
    worker: Worker, whatsapp: LoopbackWhatsApp, tmp_path: Path
) -> None:
    """The core does not retry its first connect: we do."""
    whatsapp.accepting = False
    await worker.start(tmp_path)
    assert (await worker.event(e.Troubled)).code == "connect_failed"
    whatsapp.accepting = True
    await worker.event(e.QrShown)


async def test_unlinked_by_the_phone(connected: Worker, phone: Phone, tmp_path: Path) -> None:
    """The keys are gone when the trouble is told: the next start pairs anew."""
    await phone.unlink()
    assert (await connected.event(e.Troubled)).code == "unlinked_by_phone"
    assert kept_in(tmp_path) == []
    await connected.ask(c.Stop())
    await pair(connected, phone, tmp_path)


@pytest.mark.parametrize(
    ("reason", "code", "forgets"),
    [
        (401, "logged_out", True),
        (403, "account_locked", True),
        (406, "banned", True),
        (405, "client_outdated", False),
    ],
)
async def test_refused_logins(
    connected: Worker, phone: Phone, tmp_path: Path, reason: int, code: str, forgets: bool
) -> None:
    """Each reason is its own trouble, and the session stays down."""
    await fail(phone, reason=str(reason))
    assert code == (await connected.event(e.Troubled)).code
    assert forgets is (not kept_in(tmp_path))


async def test_a_temporary_ban_says_how_long(connected: Worker, phone: Phone) -> None:
    """Code and end of the ban reach the sentence."""
    await fail(phone, reason="402", code="101", expire="7200")
    trouble = await connected.event(e.Troubled)
    assert trouble.code == "temporarily_banned"
    assert "2 h 0 min" in (trouble.detail or "")


async def test_a_refusal_that_nobody_knows(connected: Worker, phone: Phone) -> None:
    """Reason 499 ends the core's callback loop; the session comes back by itself."""
    await fail(phone, reason="499")
    assert (await connected.event(e.Troubled)).code == "connect_refused"
    await connected.event(e.Connected)


async def test_a_replaced_session_stays_down(connected: Worker, phone: Phone) -> None:
    """Two programs with one device would take it from each other for ever."""
    await phone.replace()
    assert (await connected.event(e.Troubled)).code == "stream_replaced"
    answer = await connected.ask(c.SendText(chat=ALICE, text="oi"))
    assert isinstance(answer, c.Refused)


@pytest.mark.parametrize("kind", ["server-error", "weird"])
async def test_an_unknown_receipt_is_survived(
    connected: Worker,
    whatsapp: LoopbackWhatsApp,
    alice: Contact,
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    phone: Phone,
) -> None:
    """It ends the core's callback loop: reconnected at once, and the neighbour sees nothing."""
    store = tmp_path_factory.mktemp("neighbour")
    neighbour = whatsapp.phone("5511900000002", lid="100000000000009")
    await pair(connected, neighbour, store, "s2")
    connected.events["s2"].clear()
    await phone.deliver(
        [Node("receipt", {"from": alice.lid_jid, "id": "X", "t": "1", "type": kind})]
    )
    assert (await connected.event(e.Troubled)).code == "engine_stumbled"
    await connected.event(e.Connected)
    wa_id = await alice.send_text(phone, "after")
    assert wa_id == (await connected.event(e.MessageReceived)).wa_id
    await alice.send_text(neighbour, "to the neighbour")
    await connected.event(e.MessageReceived, "s2")
    assert connected.take(e.Troubled, "s2") is None


async def test_played_elsewhere_is_no_error(
    connected: Worker, phone: Phone, alice: Contact
) -> None:
    """The core calls it SERVER_ERROR; read elsewhere is told, played elsewhere is not."""
    for kind in ("played-self", "read-self"):
        about: dict[str, Attribute] = {
            "from": phone.lid_jid,
            "recipient": alice.lid_jid,
            "id": "X",
            "t": "1790000000",
        }
        await phone.deliver([Node("receipt", {**about, "type": kind})])
    read = await connected.event(e.ReadElsewhere)
    assert read.at == 1_790_000_000_000
    assert connected.take(e.Troubled) is None


async def test_logout(connected: Worker, phone: Phone, tmp_path: Path) -> None:
    """The device is unlinked, the keys are gone, the trouble says so."""
    assert c.Done() == await connected.ask(c.Logout())
    assert (await connected.event(e.Troubled)).code == "logged_out"
    assert not phone.linked
    assert kept_in(tmp_path) == []


async def test_a_second_worker_logs_in_without_pairing(
    whatsapp: LoopbackWhatsApp, connected: Worker, phone: Phone, alice: Contact, tmp_path: Path
) -> None:
    """The keys survive; so does who a LID is."""
    await alice.send_text(phone, "first")
    await connected.event(e.MessageReceived)
    assert await connected.end() == 0
    async with Worker.running(whatsapp.worker_command()) as again:
        await again.start(tmp_path)
        await again.event(e.Connected)
        assert again.take(e.PairingStarted) is None
        await phone.connected()
        await alice.type(phone)  # by LID alone: only the core's store knows the number
        assert (await again.event(e.TypingChanged)).chat.jid == ALICE


async def test_stop_and_start_in_one_worker(
    connected: Worker, phone: Phone, tmp_path: Path
) -> None:
    """A stop ends the client; a start begins anew with the keys."""
    await connected.ask(c.Stop())
    await connected.start(tmp_path)
    await connected.event(e.Connected)


async def test_a_worker_has_no_children(worker: Worker, tmp_path: Path) -> None:
    """neonize's import starts two shells, and does not wait for them."""
    await worker.start(tmp_path)
    assert worker.children() == []


async def test_the_pairing_phase_ends_with_its_process(worker: Worker, tmp_path: Path) -> None:
    """The core cannot leave it; a stop returns at once, and the worker ends by itself."""
    await worker.start(tmp_path)
    await worker.event(e.QrShown)
    async with asyncio.timeout(3):
        await worker.ask(c.Stop())
    assert await worker.ended() == 0


async def test_sandbox_commands_are_refused(connected: Worker) -> None:
    """Nobody drops a real line by command."""
    answer = await connected.ask(c.SandboxDrop())
    assert isinstance(answer, c.Refused)
    assert answer.kind == "unsupported"


async def test_a_silent_line_is_given_up(tmp_path: Path) -> None:
    """TCP accepted, then nothing: the core hangs and cannot be stopped, so its process ends."""
    callers: list[asyncio.StreamWriter] = []
    listening = asyncio.start_server(lambda _, writer: callers.append(writer), "127.0.0.1")
    async with await listening as silence:
        port = silence.sockets[0].getsockname()[1]
        module = "tests.unit.sessions.provider.neonize.impatient_worker"
        where = ["--loopback-port", str(port), "--loopback-root", "00" * 32]
        async with Worker.running([sys.executable, "-m", module, *where]) as worker:
            await worker.start(tmp_path)
            assert (await worker.event(e.Troubled)).code == "connect_timeout"
            async with asyncio.timeout(5):
                await worker.ask(c.Stop())
            assert await worker.ended() == 0
        for caller in callers:
            caller.close()
            await asyncio.gather(caller.wait_closed(), return_exceptions=True)


async def test_a_damaged_store_is_not_tried_again(worker: Worker, tmp_path: Path) -> None:
    """Nothing that waiting would mend."""
    tmp_path.joinpath("whatsapp.db").write_bytes(b"this is no database " * 100)
    await worker.start(tmp_path)
    assert (await worker.event(e.Troubled)).code == "store_damaged"
    await worker.ask(c.Stop())


async def test_a_pairing_expires(
    worker: Worker, whatsapp: LoopbackWhatsApp, tmp_path: Path
) -> None:
    """After the last code; a code to type cannot be had any more."""
    whatsapp.qr_refs = 1  # shown for 20 s by the core, which has no setting for it
    await worker.start(tmp_path)
    await worker.event(e.QrShown)
    await asyncio.sleep(19)
    assert (await worker.event(e.Troubled)).code == "pairing_expired"
    answer = await worker.ask(c.RequestCode(phone="5511900000001"))
    assert isinstance(answer, c.Refused)
    assert answer.kind == "not_pairing"
