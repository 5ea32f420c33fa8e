"""Who it is that writes, and what they do: addresses, names, typing, presence, calls."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.acceptance.whatsapp import NOW_MS, Scene, chat_of, talking
from tests.loopback import kinds
from tests.loopback.contact import Addressing
from tests.loopback.kinds import Key

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A paired session and a contact."""
    async with talking(tmp_path_factory.mktemp("people")) as made:
        yield made


@pytest.mark.parametrize("addressing", ["lid", "pn"])
async def test_a_text_comes_by_either_address(scene: Scene, addressing: Addressing) -> None:
    """Named by the number, dated by WhatsApp, counted as unread."""
    contact = scene.rig.contact({"lid": 11, "pn": 12}[addressing], "Otto")
    async with scene.user.stream(types="new_chat,new_message") as stream:
        wa_id = await contact.send_text(scene.phone, "olá", addressing=addressing)
        told = await stream.next("new_message")
    assert (told.data["chat"], told.data["wa_id"]) == (chat_of(contact), wa_id)
    chat = await scene.user.get(f"/v1/chats/{chat_of(contact)}")
    assert (chat["name"], chat["unread"], chat["kind"]) == ("Otto", 1, "user")
    assert (chat["pn"], chat["lid"]) == (str(contact.pn_jid), str(contact.lid_jid))


async def test_a_text_goes_to_a_number_that_never_wrote(scene: Scene) -> None:
    """The core finds the LID; the chat stays the number's, and so does the answer."""
    bruno = scene.rig.contact(13, "Bruno")
    async with scene.user.stream(types="new_message,message_ack") as stream:
        path = f"/v1/chats/{chat_of(bruno)}/messages"
        await scene.user.post(path, {"type": "text", "text": "hello?"})
        got = await bruno.next_message()
        await stream.next("message_ack", lambda event: event.data["status"] == "sent")
        await bruno.send_text(scene.phone, "who is it?")
        answer = await stream.next("new_message", lambda event: not event.data["from_me"])
    assert (got.text, answer.data["chat"]) == ("hello?", chat_of(bruno))


async def test_a_text_goes_to_a_lid_whose_number_nobody_knows(scene: Scene) -> None:
    """The chat is the LID's, both ways, and so are its ticks."""
    hugo = scene.rig.contact(18, "Hugo")
    async with scene.user.stream(types="new_message,message_ack") as stream:
        await hugo.send_text(scene.phone, "guess who", addressing="lid_alone")
        chat = (await stream.next("new_message")).data["chat"]
        sent = await scene.user.post(f"/v1/chats/{chat}/messages", {"type": "text", "text": "who?"})
        got = await hugo.next_message()
        await hugo.receipt(scene.phone, got.wa_id, addressing="lid_alone")
        ack = await stream.next("message_ack", lambda event: event.data["status"] == "delivered")
    assert (chat, got.text) == (f"main:{hugo.lid_jid}", "who?")
    assert (ack.data["messageId"], ack.data["chat"]) == (sent["id"], chat)


async def test_a_lid_whose_number_is_learned_later(scene: Scene) -> None:
    """First a chat by LID; once the number is told, one chat of the number with all messages.

    What is edited then goes by the number, and is found by the id that it got by LID.
    """
    dora = scene.rig.contact(14, "Dora")
    types = "new_message,chat_merged,message_edited"
    async with scene.user.stream(types=types) as stream:
        wa_id = await dora.send_text(scene.phone, "it is me", addressing="lid_alone")
        first = await stream.next("new_message")
        await dora.send_text(scene.phone, "my number")
        merged = await stream.next("chat_merged")
        second = await stream.next("new_message")
        key = Key(str(scene.phone.lid_jid), wa_id, from_me=True)
        await dora.send_payload(scene.phone, kinds.edit(key, "it is Dora", NOW_MS))
        edited = await stream.next("message_edited")
    assert (edited.data["id"], edited.data["chat"]) == (first.data["id"], chat_of(dora))
    lid_chat = f"main:{dora.lid_jid}"
    assert (first.data["chat"], second.data["chat"]) == (lid_chat, chat_of(dora))
    assert (merged.data["from"], merged.data["to"]) == (lid_chat, chat_of(dora))
    page = await scene.user.get(f"/v1/chats/{chat_of(dora)}/messages")
    assert {item["text"] for item in page["items"]} == {"it is Dora", "my number"}
    assert {item["sender"] for item in page["items"]} == {str(dora.pn_jid)}
    assert (await scene.user.get(f"/v1/chats/{lid_chat}"))["id"] == chat_of(dora)


async def test_a_push_name_becomes_the_chats_name(scene: Scene) -> None:
    """A new name in a message renames the contact, and the chat that has no better one."""
    eva = scene.rig.contact(15, "Eva")
    async with scene.user.stream(types="new_message,contact_updated,chat_updated") as stream:
        await eva.send_text(scene.phone, "hi")
        await stream.next("contact_updated", lambda event: event.data["push_name"] == "Eva")
        eva.name = "Eva Maria"
        await eva.send_text(scene.phone, "new name")
        await stream.next("contact_updated", lambda event: event.data["push_name"] == "Eva Maria")
        await stream.next("new_message", lambda event: event.data["text"] == "new name")
    assert (await scene.user.get(f"/v1/chats/{chat_of(eva)}"))["name"] == "Eva Maria"


async def test_typing_and_recording(scene: Scene) -> None:
    """Each begins and ends; who it is, is known by LID alone."""
    await scene.told(kinds.extended_text("so that Alice is known"))
    async with scene.user.stream(types="typing") as stream:
        for media in ("text", "audio"):
            await scene.alice.type(scene.phone, media=media)
            await scene.alice.type(scene.phone, composing=False)
        told = [(await stream.next("typing")).data for _ in range(4)]
    assert {(data["chat"], data["sender_name"]) for data in told} == {
        (chat_of(scene.alice), "Alice")
    }
    assert [(data["is_typing"], data["kind"]) for data in told] == [
        (True, "text"),
        (False, "text"),
        (True, "audio"),
        (False, "text"),
    ]


@pytest.mark.parametrize(("kind", "media"), [("text", ""), ("audio", "audio")])
async def test_our_typing_and_recording(scene: Scene, kind: str, media: str) -> None:
    """The other side sees which of both it is, and its end."""
    path = f"/v1/chats/{chat_of(scene.alice)}/typing"
    seen = len(scene.phone.presences)
    for is_typing in (True, False):
        await scene.user.post(path, {"is_typing": is_typing, "kind": kind})
    await scene.phone.until(lambda: len(scene.phone.presences) >= seen + 2)
    begun, ended = (node.children()[0] for node in scene.phone.presences[seen:])
    assert (begun.tag, begun.text("media"), ended.tag) == ("composing", media, "paused")


async def test_presence(scene: Scene) -> None:
    """Here, gone with a time, gone without one."""
    await scene.told(kinds.extended_text("so that Alice is known"))
    async with scene.user.stream(types="presence") as stream:
        await scene.alice.show(scene.phone, online=True)
        await scene.alice.show(scene.phone, online=False, last_seen=1_790_000_000)
        await scene.alice.show(scene.phone, online=False)
        told = [(await stream.next("presence")).data for _ in range(3)]
    assert {data["jid"] for data in told} == {str(scene.alice.pn_jid)}
    assert [(data["online"], data["last_seen"]) for data in told] == [
        (True, None),
        (False, "2026-09-21T14:13:20.000Z"),
        (False, None),
    ]


@pytest.mark.parametrize(("video", "kind"), [(False, "audio"), (True, "video")])
async def test_a_call_rings_and_is_rejected(scene: Scene, video: bool, kind: str) -> None:
    """Its kind is known to its end."""
    async with scene.user.stream(types="call") as stream:
        call_id = await scene.alice.call(scene.phone, video=video)
        await scene.alice.end_call(scene.phone, call_id, "rejected_elsewhere")
        told = [(await stream.next("call")).data for _ in range(2)]
    who = {"id": call_id, "from": str(scene.alice.pn_jid), "kind": kind}
    assert told == [{**who, "state": "offer"}, {**who, "state": "ended"}]
