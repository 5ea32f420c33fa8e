"""What people send besides plain text, told by the API: each kind, and those nobody knows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.acceptance.whatsapp import NOW_MS, Scene, chat_of, talking
from tests.loopback import kinds
from tests.loopback.kinds import File, Key

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A paired session and a contact."""
    async with talking(tmp_path_factory.mktemp("kinds")) as made:
        yield made


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


async def test_a_protocol_message_that_nobody_knows_keeps_its_place(scene: Scene) -> None:
    """A type that came after this version; not read as a deletion, which is number 0."""
    message = await scene.told(kinds.protocol(999))
    assert (message["type"], message["content"]["name"]) == ("unsupported", "protocolMessage")


async def test_a_kind_that_nobody_knows_keeps_its_place(scene: Scene) -> None:
    """A field that came after this version."""
    message = await scene.told(b"\xfa\x7d\x03\x0a\x01x")
    assert (message["type"], message["content"]["name"]) == ("unsupported", "field_2015")
