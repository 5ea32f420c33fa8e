"""The real neonize core, in a child process, against the loopback."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from .history import HistoryChunk, PastChat, PastText

if TYPE_CHECKING:
    from ._core import Core
    from .contact import Addressing, Contact
    from .phone import Phone
    from .server import LoopbackWhatsApp

_DELIVERED, _READ, _PLAYED = 1, 4, 6
"""`Receipt.Type` of neonize."""


@pytest.mark.asyncio
@pytest.mark.parametrize("addressing", ["lid", "pn"])
async def test_a_text_reaches_the_core(
    paired: Core, phone: Phone, alice: Contact, addressing: Addressing
) -> None:
    """A contact's text arrives decrypted, is acknowledged, and a delivery receipt goes back."""
    wa_id = await alice.send_text(phone, "olá", addressing=addressing)
    message = await paired.event("message")
    assert (wa_id, "olá", False) == (message["wa_id"], message["text"], message["from_me"])
    await phone.until(lambda: wa_id in phone.acked)
    assert "delivered" in {receipt.kind for receipt in phone.receipts if wa_id in receipt.ids}


@pytest.mark.asyncio
async def test_a_text_of_the_core_reaches_the_contact_and_the_phone(
    paired: Core, phone: Phone, alice: Contact
) -> None:
    """What the core sends is read by the contact, and by the account's phone as its own."""
    await paired.tell("send", to=alice.number, text="oi")
    wa_id = (await paired.event("sent"))["wa_id"]
    for reader in (alice, phone):
        message = await reader.next_message()
        assert (wa_id, "oi") == (message.wa_id, message.text)


@pytest.mark.asyncio
async def test_a_conversation_goes_on_in_both_directions(
    paired: Core, phone: Phone, alice: Contact
) -> None:
    """The ratchet turns with each answer."""
    for turn in range(3):
        await alice.send_text(phone, f"question {turn}")
        assert f"question {turn}" == (await paired.event("message"))["text"]
        await paired.tell("send", to=alice.number, text=f"answer {turn}")
        assert f"answer {turn}" == (await alice.next_message()).text


@pytest.mark.asyncio
async def test_a_burst_arrives_whole_and_in_order(
    paired: Core, phone: Phone, alice: Contact
) -> None:
    """Messages that were encrypted beforehand all arrive, in order, and are acknowledged."""
    expected = [str(number) for number in range(500)]
    nodes = alice.encrypt_texts(phone, expected)
    await phone.deliver(nodes)
    texts = [(await paired.event("message"))["text"] for _ in nodes]
    assert expected == texts
    await phone.until(lambda: phone.acked >= {node.text("id") for node in nodes})


@pytest.mark.asyncio
async def test_numbers_can_be_looked_up(paired: Core, alice: Contact) -> None:
    """A contact has WhatsApp, another number has not."""
    for number, known in [(alice.number, True), ("5511999999999", False)]:
        await paired.tell("check", number=number)
        assert [known] == (await paired.event("checked"))["known"]


@pytest.mark.asyncio
async def test_receipts_reach_the_core(paired: Core, phone: Phone, alice: Contact) -> None:
    """Delivered, read and played arrive, for one message and for several."""
    await alice.receipt(phone, "A")
    await alice.receipt(phone, "A", "read")
    await alice.receipt(phone, ["A", "B"], "played")
    seen = [await paired.event("receipt") for _ in range(3)]
    assert [receipt["kind"] for receipt in seen] == [_DELIVERED, _READ, _PLAYED]
    assert {"A", "B"} == set(seen[2]["wa_ids"])


@pytest.mark.asyncio
async def test_typing_reaches_the_core(paired: Core, phone: Phone, alice: Contact) -> None:
    """Composing and paused arrive as two events."""
    await alice.type(phone)
    await alice.type(phone, composing=False)
    states = [(await paired.event("typing"))["state"] for _ in range(2)]
    assert states[0] != states[1]


@pytest.mark.asyncio
async def test_a_text_from_the_phone_reaches_the_core(
    paired: Core, phone: Phone, alice: Contact
) -> None:
    """What the owner writes on the phone arrives as the account's own, in the contact's chat."""
    wa_id = await phone.send_text_to(alice, "from my phone")
    message = await paired.event("message")
    assert (wa_id, "from my phone", True) == (
        message["wa_id"],
        message["text"],
        message["from_me"],
    )
    assert alice.lid == message["chat"]


@pytest.mark.asyncio
async def test_history_reaches_the_core(paired: Core, phone: Phone, alice: Contact) -> None:
    """A chunk of the past arrives with its conversations, names and progress."""
    past = PastText("OLD1", "long ago", datetime(2026, 1, 1, tzinfo=UTC))
    chat = PastChat(str(alice.lid_jid), (past,), name="Alice")
    names = ((str(alice.lid_jid), "Alice"),)
    await phone.send_history(HistoryChunk((chat,), names, progress=40))
    history = await paired.event("history")
    assert ([str(alice.lid_jid)], ["Alice"], 40) == (
        history["chats"],
        history["names"],
        history["progress"],
    )


@pytest.mark.asyncio
async def test_a_dropped_core_comes_back_for_what_it_missed(
    paired: Core, phone: Phone, alice: Contact
) -> None:
    """After a drop the core reconnects, and gets the text that was sent meanwhile."""
    await phone.drop()
    wa_id = await alice.send_text(phone, "meanwhile")
    await paired.event("disconnected")
    await paired.event("connected")
    assert wa_id == (await paired.event("message"))["wa_id"]
    await phone.until(lambda: wa_id in phone.acked)


@pytest.mark.asyncio
async def test_a_core_comes_back_when_whatsapp_does(
    whatsapp: LoopbackWhatsApp, paired: Core, phone: Phone
) -> None:
    """While connections are refused the core keeps trying."""
    whatsapp.accepting = False
    await phone.drop()
    await paired.event("disconnected")
    assert not phone.online
    whatsapp.accepting = True
    await phone.connected()
    await paired.event("connected")


@pytest.mark.asyncio
async def test_a_core_that_logs_out_is_unlinked(paired: Core, phone: Phone) -> None:
    """The core ends the link by itself; the phone may link another device."""
    await paired.tell("logout")
    await phone.until(lambda: not phone.linked)


@pytest.mark.asyncio
async def test_an_unlinked_core_is_logged_out(paired: Core, phone: Phone) -> None:
    """The owner removes the device on the phone."""
    await phone.unlink()
    await paired.event("logged_out")
    assert not phone.linked


@pytest.mark.asyncio
async def test_a_refused_login_is_reported(paired: Core, phone: Phone) -> None:
    """A login that is answered with a failure reaches the core as such; 401 ends the link."""
    phone.refuse(401)
    await phone.drop()
    await paired.event("logged_out")
    assert not phone.linked


@pytest.mark.asyncio
async def test_a_typed_code_pairs(core: Core, phone: Phone) -> None:
    """The core asks for a code, the owner types it, and the core is connected."""
    await core.event("qr")
    await core.tell("link", number=phone.number)
    await phone.link_with_code((await core.event("code"))["code"])
    await phone.connected()
    await core.event("connected")


@pytest.mark.asyncio
async def test_a_replaced_core_is_told(paired: Core, phone: Phone) -> None:
    """The same device logs in elsewhere: the core is told, and stays linked."""
    await phone.replace()
    await paired.event("replaced")
    assert phone.linked
