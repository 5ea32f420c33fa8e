"""What becomes of a message: answered, reacted to, edited, deleted, delivered, read."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.acceptance.whatsapp import NOW, NOW_MS, OWN, Scene, chat_of, talking
from tests.loopback import kinds
from tests.loopback.kinds import File, Key

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A paired session and a contact."""
    async with talking(tmp_path_factory.mktemp("changes")) as made:
        yield made


async def test_a_reply_names_what_it_answers(scene: Scene) -> None:
    """Ours by its sender's number, and with what it said."""
    first = await scene.told(kinds.extended_text("question"))
    payload = kinds.reply("answer", first["wa_id"], str(scene.alice.lid_jid), "question")
    reply = await scene.told(payload)
    assert (reply["type"], reply["text"]) == ("text", "answer")
    assert reply["reply_to"] == {
        "id": first["id"],
        "wa_id": first["wa_id"],
        "sender": str(scene.alice.pn_jid),
        "text": "question",
        "type": "text",
    }


async def test_a_reply_of_ours_shows_what_it_answers(scene: Scene) -> None:
    """By WhatsApp's name for it, its sender and its words."""
    question = await scene.told(kinds.extended_text("coffee?"))
    path = f"/v1/chats/{chat_of(scene.alice)}/messages"
    body = {"type": "text", "text": "gladly", "reply_to": question["id"]}
    sent = await scene.user.post(path, body)
    got = await scene.alice.next_message()
    assert (got.text, sent["reply_to"]["id"]) == ("gladly", question["id"])
    assert all(part in got.payload for part in (question["wa_id"].encode(), b"coffee?"))


async def test_a_reaction_is_set_changed_and_taken_back(scene: Scene) -> None:
    """On the message, by its sender, one emoji a person."""
    message = await scene.told(kinds.extended_text("react!"))
    key = Key(str(scene.phone.lid_jid), message["wa_id"], from_me=True)
    async with scene.user.stream(types="message_reaction") as stream:
        told = []
        for emoji in ("👍", "❤", ""):
            payload = kinds.reaction(key, emoji, NOW_MS)
            await scene.alice.send_payload(scene.phone, payload, kind="reaction")
            told.append((await stream.next("message_reaction")).data)
    assert {data["id"] for data in told} == {message["id"]}
    sender = {"sender": str(scene.alice.pn_jid), "from_me": False, "at": NOW}
    assert [data["reactions"] for data in told] == [
        [{"emoji": "👍", **sender}],
        [{"emoji": "❤", **sender}],
        [],
    ]


async def test_a_reaction_on_what_we_sent(scene: Scene) -> None:
    """The key is written as its writer sees it: the message is not theirs, so it is ours."""
    async with scene.user.stream(types="message_ack,message_reaction") as stream:
        path = f"/v1/chats/{chat_of(scene.alice)}/messages"
        sent = await scene.user.post(path, {"type": "text", "text": "like it?"})
        wa_id = (await scene.alice.next_message()).wa_id
        await stream.next("message_ack", lambda event: event.data["status"] == "sent")
        payload = kinds.reaction(Key(str(scene.phone.lid_jid), wa_id), "🎉", NOW_MS)
        await scene.alice.send_payload(scene.phone, payload, kind="reaction")
        told = (await stream.next("message_reaction")).data
    assert (told["id"], told["reactions"][0]["emoji"]) == (sent["id"], "🎉")


async def test_an_edit_replaces_the_text(scene: Scene) -> None:
    """The same message, with when it was edited."""
    message = await scene.told(kinds.extended_text("Helo"))
    key = Key(str(scene.phone.lid_jid), message["wa_id"], from_me=True)
    async with scene.user.stream(types="message_edited") as stream:
        await scene.alice.send_payload(scene.phone, kinds.edit(key, "Hello", NOW_MS))
        edited = (await stream.next("message_edited")).data
    assert (edited["id"], edited["text"], edited["edited_at"]) == (message["id"], "Hello", NOW)
    assert (await scene.user.get(f"/v1/messages/{message['id']}"))["text"] == "Hello"


async def test_deleting_for_everyone_leaves_a_place(scene: Scene) -> None:
    """What it said is gone; that it was there stays."""
    message = await scene.told(kinds.image(File("image/jpeg"), "oops"), "media")
    key = Key(str(scene.phone.lid_jid), message["wa_id"], from_me=True)
    async with scene.user.stream(types="message_deleted") as stream:
        await scene.alice.send_payload(scene.phone, kinds.revoke(key))
        deleted = (await stream.next("message_deleted")).data
    assert (deleted["id"], deleted["type"]) == (message["id"], "revoked")
    assert (deleted["text"], deleted["media"]) == (None, None)
    assert deleted["deleted_at"]


async def test_the_owner_writes_on_the_phone(scene: Scene) -> None:
    """Their own message, edited and deleted there, in the contact's chat."""
    types = "new_message,message_edited,message_deleted"
    async with scene.user.stream(types=types) as stream:
        wa_id = await scene.phone.send_text_to(scene.alice, "from my phone")
        told = await stream.next("new_message")
        key = Key(str(scene.alice.lid_jid), wa_id, from_me=True)
        await scene.phone.send_payload_to(scene.alice, kinds.edit(key, "better", NOW_MS))
        edited = await stream.next("message_edited")
        await scene.phone.send_payload_to(scene.alice, kinds.revoke(key))
        deleted = await stream.next("message_deleted")
    assert (told.envelope["source"], told.data["from_me"]) == ("phone", True)
    assert (told.data["sender"], told.data["chat"]) == (OWN, chat_of(scene.alice))
    assert {told.data["id"]} == {edited.data["id"], deleted.data["id"]}


async def test_ticks_rise_and_never_fall(scene: Scene) -> None:
    """Delivered, read, played; a late ``delivered`` is not told."""
    async with scene.user.stream(types="message_ack") as stream:
        path = f"/v1/chats/{chat_of(scene.alice)}/messages"
        sent = await scene.user.post(path, {"type": "text", "text": "ticks"})
        wa_id = (await scene.alice.next_message()).wa_id
        await stream.next("message_ack", lambda event: event.data["status"] == "sent")
        told: list[str] = []
        for kind in ("delivered", "read", "delivered", "played"):
            await scene.alice.receipt(scene.phone, wa_id, kind)
        while not told or told[-1] != "played":
            told.append((await stream.next("message_ack")).data["status"])
    assert told == ["delivered", "read", "played"]
    assert (await scene.user.get(f"/v1/messages/{sent['id']}"))["ack"] == 4


async def test_reading_on_the_phone_reads_here(scene: Scene) -> None:
    """Played elsewhere is no error, and read elsewhere empties the counter."""
    async with scene.user.stream(types="new_message,chat_updated,connection_status") as stream:
        wa_id = await scene.alice.send_text(scene.phone, "read me there")
        await stream.next("new_message")
        await scene.phone.read_elsewhere(scene.alice, wa_id, kind="played-self")
        await scene.phone.read_elsewhere(scene.alice, wa_id)
        told = await stream.next("chat_updated", lambda event: event.data["unread"] == 0)
    assert told.data["id"] == chat_of(scene.alice)
    assert [e for e in stream.seen if e.id and e.type == "connection_status"] == []
