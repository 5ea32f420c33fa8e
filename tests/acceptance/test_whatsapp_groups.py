"""Groups, told by the API: made, renamed, joined and left, written to and from with sender keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
import pytest_asyncio

from tests.acceptance.whatsapp import Rig, running
from tests.loopback import kinds
from tests.loopback.contact import Contact
from tests.loopback.group import Group
from tests.loopback.kinds import Key
from tests.loopback.phone import Phone
from tests.support.daemon import User

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Scene(NamedTuple):
    """The rig, its one session ``main``, and a group of Alice, Bruno and the account."""

    rig: Rig
    user: User
    phone: Phone
    alice: Contact
    bruno: Contact
    group: Group

    @property
    def chat(self) -> str:
        """The group's chat id."""
        return f"main:{self.group.jid}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A paired session in a group that was announced to it."""
    async with running(tmp_path_factory.mktemp("groups")) as rig:
        phone = await rig.paired("main", 1)
        alice, bruno = rig.contact(1, "Alice"), rig.contact(2, "Bruno")
        group = rig.whatsapp.group("Trip", alice, bruno, phone)
        async with rig.user.stream(types="group_updated") as stream:
            await group.announce()
            await stream.next("group_updated")
        yield Scene(rig, rig.user, phone, alice, bruno, group)


async def test_a_group_is_made(scene: Scene) -> None:
    """With its name and its members, each by number."""
    group = scene.rig.whatsapp.group("Dinner", scene.bruno, scene.alice, scene.phone)
    async with scene.user.stream(types="new_chat,group_updated") as stream:
        await group.announce()
        made = (await stream.next("group_updated")).data
    assert (made["chat"], made["name"]) == (f"main:{group.jid}", "Dinner")
    assert made["author"] == str(scene.bruno.pn_jid)
    assert set(made["joined"]) == {str(person.pn_jid) for person in group.members}
    chat = await scene.user.get(f"/v1/chats/main:{group.jid}")
    assert (chat["kind"], chat["name"], chat["last_message"]) == ("group", "Dinner", None)


async def test_a_group_is_renamed(scene: Scene) -> None:
    """The chat goes by the new name at once."""
    async with scene.user.stream(types="group_updated,chat_updated") as stream:
        await scene.group.rename("Long trip", by=scene.bruno)
        told = (await stream.next("group_updated")).data
        renamed = (await stream.next("chat_updated")).data
    assert (told["name"], told["author"]) == ("Long trip", str(scene.bruno.pn_jid))
    assert renamed["name"] == "Long trip"


async def test_members_come_and_go(scene: Scene) -> None:
    """Who, and by whom: added by an admin, left by themselves."""
    carla = scene.rig.contact(3, "Carla")
    async with scene.user.stream(types="group_updated") as stream:
        await scene.group.add(carla, by=scene.alice)
        came = (await stream.next("group_updated")).data
        await scene.group.remove(carla, by=carla)
        went = (await stream.next("group_updated")).data
    number = str(carla.pn_jid)
    assert (came["joined"], came["left"], came["author"]) == (
        [number],
        [],
        str(scene.alice.pn_jid),
    )
    assert (went["joined"], went["left"], went["author"]) == ([], [number], number)


async def test_members_write_with_sender_keys(scene: Scene) -> None:
    """The key comes with the first message; the next ones need nothing else."""
    told: set[str] = set()
    async with scene.user.stream(types="new_message") as stream:
        for sender, text in [(scene.alice, "one"), (scene.bruno, "two"), (scene.alice, "three")]:
            wa_id = await scene.group.send_text(sender, text)
            message = (await stream.next("new_message")).data
            assert (message["wa_id"], message["text"]) == (wa_id, text)
            assert (message["chat"], message["sender"]) == (scene.chat, str(sender.pn_jid))
            assert message["sender_name"] == sender.name
            told.add(wa_id)
    await scene.phone.until(lambda: told <= scene.phone.acked)
    assert len([event for event in stream.seen if event.id]) == 3  # a key is no message


async def test_a_sender_key_that_never_came_is_asked_for(scene: Scene) -> None:
    """The message cannot be read, a retry receipt goes out, and it comes with its key."""
    dora = scene.rig.contact(4, "Dora")
    async with scene.user.stream(types="new_message") as stream:
        await scene.group.add(dora, by=scene.alice)
        wa_id = await scene.group.send_payload(
            dora, kinds.extended_text("who reads me?"), give_key=False
        )
        message = (await stream.next("new_message")).data
        assert (message["wa_id"], message["text"]) == (wa_id, "who reads me?")
        await scene.group.send_payload(dora, kinds.extended_text("and now?"), give_key=False)
        assert (await stream.next("new_message")).data["text"] == "and now?"
    assert [r.kind for r in scene.phone.receipts if wa_id in r.ids].count("retry") == 1
    await scene.group.remove(dora, by=dora)


async def test_a_reply_and_a_reaction_in_a_group(scene: Scene) -> None:
    """Both name whose message it is; the reaction is its writer's."""
    async with scene.user.stream(types="new_message,message_reaction") as stream:
        wa_id = await scene.group.send_text(scene.alice, "lunch?")
        first = (await stream.next("new_message")).data
        payload = kinds.reply("yes", wa_id, str(scene.alice.lid_jid), "lunch?")
        await scene.group.send_payload(scene.bruno, payload)
        reply = (await stream.next("new_message")).data
        key = Key(str(scene.group.jid), wa_id, participant=str(scene.alice.lid_jid))
        reaction = kinds.reaction(key, "😋", 1_790_000_000_000)
        await scene.group.send_payload(scene.bruno, reaction, "reaction")
        reacted = (await stream.next("message_reaction")).data
    alice = str(scene.alice.pn_jid)
    assert (reply["reply_to"]["id"], reply["reply_to"]["sender"]) == (first["id"], alice)
    assert (reacted["id"], reacted["reactions"][0]["sender"]) == (
        first["id"],
        str(scene.bruno.pn_jid),
    )


async def test_an_admin_deletes_somebody_elses_message(scene: Scene) -> None:
    """The key names the message's sender, who is not the one that deletes."""
    async with scene.user.stream(types="new_message,message_deleted") as stream:
        wa_id = await scene.group.send_text(scene.bruno, "spam")
        message = (await stream.next("new_message")).data
        key = Key(str(scene.group.jid), wa_id, participant=str(scene.bruno.lid_jid))
        await scene.group.send_payload(scene.alice, kinds.revoke(key))
        deleted = (await stream.next("message_deleted")).data
    assert (deleted["id"], deleted["type"]) == (message["id"], "revoked")


async def test_a_text_to_a_group_reaches_every_member(scene: Scene) -> None:
    """The account's own sender key goes to each of them first, then one text for all."""
    path = f"/v1/chats/{scene.chat}/messages"
    async with scene.user.stream(types="message_ack") as stream:
        for text in ("hello all", "again"):
            await scene.user.post(path, {"type": "text", "text": text})
            told = [await person.next_message() for person in (scene.alice, scene.bruno)]
            assert {(message.text, message.sender.user) for message in told} == {
                (text, scene.phone.number)
            }
            await stream.next("message_ack", lambda event: event.data["status"] == "sent")


async def test_typing_in_a_group(scene: Scene) -> None:
    """It is the member who types, in the group's chat."""
    async with scene.user.stream(types="typing") as stream:
        await scene.group.type(scene.bruno)
        told = (await stream.next("typing")).data
    assert (told["chat"], told["sender"]) == (scene.chat, str(scene.bruno.pn_jid))
    assert told["sender_name"] == "Bruno"
