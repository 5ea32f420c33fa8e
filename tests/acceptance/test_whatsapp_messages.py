"""What comes in a chat, told by the API: one paired session serves all the tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from tests.acceptance.whatsapp import Rig, chat_of, running
from tests.loopback import kinds
from tests.loopback.contact import Addressing, Contact
from tests.loopback.history import HistoryChunk, PastChat, PastText, SyncType
from tests.loopback.kinds import File, Key
from tests.loopback.phone import Phone
from tests.support.daemon import User
from tests.support.stream import Event

pytestmark = pytest.mark.asyncio(loop_scope="module")

OWN = "5511900000001@s.whatsapp.net"
NOW_MS = 1_790_000_000_123
NOW = "2026-09-21T14:13:20.123Z"


class Scene(NamedTuple):
    """The rig, its one session ``main``, and who writes to it."""

    rig: Rig
    user: User
    phone: Phone
    alice: Contact

    async def told(self, payload: bytes, kind: str = "text") -> dict[str, Any]:
        """Let Alice send a payload; return the ``new_message`` that tells it."""
        async with self.user.stream(types="new_message") as stream:
            wa_id = await self.alice.send_payload(self.phone, payload, kind=kind)
            return (await stream.next("new_message", lambda e: e.data["wa_id"] == wa_id)).data


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A paired session and a contact."""
    async with running(tmp_path_factory.mktemp("messages")) as rig:
        yield Scene(rig, rig.user, await rig.paired("main", 1), rig.contact(1, "Alice"))


MEDIA: dict[str, tuple[bytes, str | None, dict[str, Any]]] = {
    "image": (kinds.image(File("image/jpeg"), "look"), "look", {"width": 640, "height": 480}),
    "video": (kinds.video(File("video/mp4"), "watch"), "watch", {"width": 320, "seconds": 7}),
    "gif": (kinds.video(File("video/mp4"), gif=True), None, {"mime": "video/mp4"}),
    "audio": (kinds.audio(File("audio/mpeg")), None, {"mime": "audio/mpeg", "seconds": 5}),
    "voice": (kinds.audio(File("audio/ogg; codecs=opus"), voice=True), None, {"seconds": 5}),
    "document": (
        kinds.document(File("application/pdf"), "bill.pdf", "please pay"),
        "please pay",
        {"file_name": "bill.pdf", "mime": "application/pdf"},
    ),
    "sticker": (kinds.sticker(File("image/webp")), None, {"width": 512, "height": 512}),
}


@pytest.mark.parametrize("kind", MEDIA)
async def test_a_file_comes_with_what_is_said_of_it(scene: Scene, kind: str) -> None:
    """Type, caption and the file's description; its bytes stay at WhatsApp's media host."""
    payload, text, about = MEDIA[kind]
    message = await scene.told(payload, "media")
    assert (message["type"], message["text"]) == (kind, text)
    media = message["media"]
    assert (media["kind"], media["id"], media["size"]) == (kind, message["id"], 4321)
    assert about == {name: media[name] for name in about}


CONTENTS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "location": (
        kinds.location(-23.5, -46.6, "Praça", "Centro"),
        {"latitude": -23.5, "longitude": -46.6, "name": "Praça", "address": "Centro"},
    ),
    "live_location": (kinds.live_location(1.5, -2.5, "on my way"), {"latitude": 1.5}),
    "contact": (
        kinds.contact("Bia", "BEGIN:VCARD"),
        {"contacts": [{"name": "Bia", "vcard": "BEGIN:VCARD"}]},
    ),
    "poll": (
        kinds.poll("When?", "Mon", "Tue", selectable=0),
        {"question": "When?", "options": ["Mon", "Tue"], "selectable": 0},
    ),
}


@pytest.mark.parametrize("kind", CONTENTS)
async def test_what_is_no_text_has_content(scene: Scene, kind: str) -> None:
    """Places, cards and polls are told in ``content``."""
    payload, about = CONTENTS[kind]
    message = await scene.told(payload, "poll" if kind == "poll" else "media")
    assert message["type"] == kind
    assert about == {name: message["content"][name] for name in about}


async def test_several_cards_are_one_message(scene: Scene) -> None:
    """In the order in which they were shared."""
    message = await scene.told(kinds.contacts("2 contacts", ("Bia", "A"), ("Caio", "B")), "media")
    assert [card["name"] for card in message["content"]["contacts"]] == ["Bia", "Caio"]


async def test_a_vote_names_its_poll(scene: Scene) -> None:
    """What was voted for is encrypted for the poll's maker, and counts as nothing to read."""
    poll = await scene.told(kinds.poll("Where?", "Here", "There"), "poll")
    before = (await scene.user.get(f"/v1/chats/{chat_of(scene.alice)}"))["unread"]
    key = Key(str(scene.phone.lid_jid), poll["wa_id"], from_me=True)
    vote = await scene.told(kinds.vote(key, NOW_MS), "poll")
    assert (vote["type"], vote["content"]["poll_wa_id"]) == ("poll_vote", poll["wa_id"])
    assert vote["content"]["options"] is None
    assert (await scene.user.get(f"/v1/chats/{chat_of(scene.alice)}"))["unread"] == before


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


async def test_a_forwarded_text_is_a_text(scene: Scene) -> None:
    """That it was forwarded is not told."""
    message = await scene.told(kinds.forwarded("pass it on"))
    assert (message["type"], message["text"], message["reply_to"]) == ("text", "pass it on", None)


async def test_a_disappearing_text_is_a_text(scene: Scene) -> None:
    """The wrapper is taken off."""
    message = await scene.told(kinds.ephemeral(kinds.extended_text("soon gone")))
    assert (message["type"], message["text"]) == ("text", "soon gone")


async def test_view_once_is_told_as_such(scene: Scene) -> None:
    """Where a companion gets one at all, wrapped or marked, it is told with its file."""
    wrapped = kinds.view_once(kinds.image(File("image/jpeg")))
    for payload in (wrapped, kinds.image(File("image/jpeg"), view_once=True)):
        message = await scene.told(payload, "media")
        assert (message["type"], message["media"]["kind"]) == ("view_once", "image")


async def test_view_once_as_companions_really_get_it(scene: Scene) -> None:
    """The server keeps it back: zapd says that there is one, on the phone."""
    async with scene.user.stream(types="new_message") as stream:
        wa_id = await scene.alice.send_unavailable(scene.phone)
        message = (await stream.next("new_message")).data
    assert (message["wa_id"], message["type"], message["media"]) == (wa_id, "view_once", None)
    assert message["sender"] == str(scene.alice.pn_jid)


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


async def test_a_protocol_message_that_nobody_knows_keeps_its_place(scene: Scene) -> None:
    """A type that came after this version; not read as a deletion, which is number 0."""
    message = await scene.told(kinds.protocol(999))
    assert (message["type"], message["content"]["name"]) == ("unsupported", "protocolMessage")


async def test_a_kind_that_nobody_knows_keeps_its_place(scene: Scene) -> None:
    """A field that came after this version."""
    message = await scene.told(b"\xfa\x7d\x03\x0a\x01x")
    assert (message["type"], message["content"]["name"]) == ("unsupported", "field_2015")


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
    """First a chat by LID; once the number is told, one chat of the number with all messages."""
    dora = scene.rig.contact(14, "Dora")
    types = "new_message,chat_merged"
    async with scene.user.stream(types=types) as stream:
        await dora.send_text(scene.phone, "it is me", addressing="lid_alone")
        first = await stream.next("new_message")
        await dora.send_text(scene.phone, "my number")
        merged = await stream.next("chat_merged")
        second = await stream.next("new_message")
    lid_chat = f"main:{dora.lid_jid}"
    assert (first.data["chat"], second.data["chat"]) == (lid_chat, chat_of(dora))
    assert (merged.data["from"], merged.data["to"]) == (lid_chat, chat_of(dora))
    page = await scene.user.get(f"/v1/chats/{chat_of(dora)}/messages")
    assert {item["text"] for item in page["items"]} == {"it is me", "my number"}
    assert {item["sender"] for item in page["items"]} == {str(dora.pn_jid)}
    assert (await scene.user.get(f"/v1/chats/{lid_chat}"))["id"] == chat_of(dora)


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


async def test_history_comes_in_chunks(scene: Scene) -> None:
    """Names, chats with their messages in order, progress to its end; nothing is announced as new."""
    fred = scene.rig.contact(16, "Fred")
    pn, lid = str(fred.pn_jid), str(fred.lid_jid)

    def chunk(order: int, day: int, progress: int) -> HistoryChunk:
        past = PastText(f"PAST{day}", f"day {day}", datetime(2026, 1, day, tzinfo=UTC), day == 2)
        chat = PastChat(lid, (past,), name="Fred at work", pn_jid=pn)
        return HistoryChunk((chat,), order=order, progress=progress)

    names = HistoryChunk(
        push_names=((pn, "Fred"),), lids=((pn, lid),), sync_type=SyncType.PUSH_NAME
    )
    async with scene.user.stream() as stream:
        await scene.phone.send_history(names, chunk(1, 2, 50), chunk(2, 1, 100))
        steps = [(await stream.next("history_progress")).data["percent"] for _ in range(2)]
    assert steps == [50, 100]
    assert chat_of(fred) in {e.data["id"] for e in stream.seen if e.type == "chat_updated"}
    assert not [event for event in stream.seen if event.type == "new_message"]
    chat = await scene.user.get(f"/v1/chats/{chat_of(fred)}")
    assert (chat["name"], chat["lid"], chat["unread"]) == ("Fred at work", lid, 0)
    page = await scene.user.get(f"/v1/chats/{chat_of(fred)}/messages")
    found = sorted((item["wa_id"], item["from_me"], item["source"]) for item in page["items"])
    assert found == [("PAST1", False, "history"), ("PAST2", True, "history")]


async def test_what_cannot_be_decrypted_is_asked_for_again(scene: Scene) -> None:
    """A retry receipt; the phone sends it anew, and it is told once, in its place."""
    gina = scene.rig.contact(17, "Gina")
    async with scene.user.stream(types="new_message") as stream:
        for text in ("first contact", "in between"):  # a pkmsg, then another chain
            wa_id = await gina.send_damaged(scene.phone, text)
            told = await stream.next(
                "new_message", lambda event: event.data["chat"] == chat_of(gina)
            )
            assert (told.data["wa_id"], told.data["text"]) == (wa_id, text)
        await gina.send_text(scene.phone, "after")
        await stream.next("new_message", lambda event: event.data["text"] == "after")
    retried = [r for r in scene.phone.receipts if r.kind == "retry"]
    assert len(retried) == 2
    assert len([event for event in stream.seen if event.id]) == 3


@pytest.mark.parametrize("mark", ["addressing_mode", "edit", "type", "category"])
async def test_a_mark_that_nobody_knows_costs_no_message(scene: Scene, mark: str) -> None:
    """A word that came after this version, where the stanza has one of a few."""
    async with scene.user.stream(types="new_message,connection_status") as stream:
        wa_id = await scene.alice.send_marked(scene.phone, "marked", **{mark: "unheard-of"})
        told = (await stream.next("new_message")).data
    assert (told["wa_id"], told["text"], told["type"]) == (wa_id, "marked", "text")
    assert [e for e in stream.seen if e.id and e.type == "connection_status"] == []


@pytest.mark.parametrize("word", ["hide", "unheard-of"])
async def test_how_to_fail_is_not_why(scene: Scene, word: str) -> None:
    """What may be hidden when it cannot be read is asked for again all the same."""
    async with scene.user.stream(types="new_message,connection_status") as stream:
        mark = {"decrypt-fail": word}
        wa_id = await scene.alice.send_damaged(scene.phone, "damaged", **mark)
        told = (await stream.next("new_message")).data
    assert (told["wa_id"], told["text"]) == (wa_id, "damaged")
    assert [e for e in stream.seen if e.id and e.type == "connection_status"] == []


async def test_a_message_that_comes_twice_is_told_once(scene: Scene) -> None:
    """The server sends again what it believes unacknowledged."""
    nodes = scene.alice.encrypt_texts(scene.phone, ["twice"])
    async with scene.user.stream(types="new_message") as stream:
        await scene.phone.deliver(nodes)
        await stream.next("new_message")
        await scene.phone.deliver(nodes)
        await scene.alice.send_text(scene.phone, "the end")
        await stream.next("new_message", lambda event: event.data["text"] == "the end")
    told = [_text(event) for event in stream.seen if event.id]
    assert told == ["twice", "the end"]


async def test_many_chats_at_once_keep_their_order(scene: Scene) -> None:
    """Five people write at once: each chat is in order."""
    people = [scene.rig.contact(20 + n, f"P{n}") for n in range(5)]
    async with scene.user.stream(types="new_message") as stream:
        for batch in range(10):
            await asyncio.gather(*(p.send_text(scene.phone, f"{p.name} {batch}") for p in people))
        for _ in range(50):
            await stream.next("new_message")
    for person in people:
        told = [_text(e) for e in stream.seen if e.id and e.data["chat"] == chat_of(person)]
        assert told == [f"{person.name} {batch}" for batch in range(10)]


def _text(event: Event) -> str:
    return str(event.data["text"])
