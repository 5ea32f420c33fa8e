"""A person is found under each address that the caller's sessions know."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from daemon.history.models import StoredChat, StoredContact
from daemon.history.port import HistoryFailed
from daemon.services.search import Remembered
from sessions.ids import ChatRef, SessionKey
from sessions.models import Contact
from tests.unit.daemon.history.samples import ANNA, BOB, CHAT, NOON, message
from tests.unit.daemon.history.stores import Governed
from tests.unit.daemon.services.search.scene import Scene, remembering, who

MAIN, SECOND = SessionKey("acme", "main"), SessionKey("acme", "second")
LID = "200000000000001@lid"
GROUP = ChatRef("acme", "main", "120363000000000001@g.us")
OF_LID = CHAT._replace(jid=LID)


def anna(session: str = "main", pn: str | None = ANNA, lid: str | None = LID) -> Contact:
    """Return the contact of Anna's number."""
    return Contact(
        session=session,
        jid=ANNA,
        pn=pn,
        lid=lid,
        name=None,
        push_name="Anna",
        picture_id=None,
        picture_url=None,
    )


def say(scene: Scene) -> None:
    """Have Anna and Bob say something in a group and elsewhere, Anna under both addresses."""
    scene.receive(message("m1", "sol", at=NOON))
    scene.receive(message("m2", "sol", at=NOON + 1, chat=GROUP, sender=LID))
    scene.receive(message("m3", "sol", at=NOON + 2, chat=GROUP, sender=BOB))
    scene.receive(message("m4", "sol", at=NOON + 3, chat=GROUP, sender=ANNA))


@pytest_asyncio.fixture(params=["off", "on"])
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    """Yield a scene without history, and one with."""
    if request.param == "off":
        yield Scene()
        return
    async with remembering(tmp_path) as (scene, _):
        yield scene


async def test_what_a_contact_tells(scene: Scene) -> None:
    """Searched by the number: what came under the LID is found too, and the other way round."""
    say(scene)
    assert await scene.ids("sol", sender=ANNA) == ["m4", "m1"]
    scene.memory.contacts.learn(MAIN, anna())
    assert await scene.ids("sol", sender=ANNA) == ["m4", "m2", "m1"]
    assert await scene.ids("sol", sender=LID) == ["m2"]  # a contact stands under its number
    scene.memory.alias(OF_LID, CHAT)
    assert await scene.ids("sol", sender=LID) == ["m4", "m2", "m1"]
    assert await scene.ids("sol", sender=LID, chat=GROUP.id) == ["m4", "m2"]
    assert await scene.ids("sol", sender=BOB) == ["m3"]
    assert await scene.ids("sol", sender=GROUP.jid) == []


async def test_what_a_row_tells(scene: Scene) -> None:
    """The chat's own; and the LID's old name stands for the chat."""
    say(scene)
    row = scene.memory.chats.look(CHAT)
    assert row is not None
    row.lid = LID
    assert await scene.ids("sol", sender="+55 11 99999-0001") == ["m4", "m2", "m1"]
    scene.memory.alias(OF_LID, CHAT)
    assert await scene.ids("sol", chat=OF_LID.id) == ["m1"]


async def test_what_another_session_tells(scene: Scene) -> None:
    """To those who see it; nobody learns from a search what a session knows that is not theirs."""
    say(scene)
    scene.memory.contacts.learn(SECOND, anna("second"))
    assert await scene.ids("sol", sender=ANNA) == ["m4", "m2", "m1"]
    assert await scene.ids("sol", sender=ANNA, session="main") == ["m4", "m1"]
    agent = who(sessions=frozenset({"main"}))
    assert await scene.ids("sol", agent, sender=ANNA) == ["m4", "m1"]
    assert await scene.ids("sol", who("rival"), sender=ANNA) == []


async def test_two_that_name_each_other_end(scene: Scene) -> None:
    """Each address is asked for once."""
    say(scene)
    scene.memory.alias(OF_LID, CHAT)
    scene.memory.contacts.learn(MAIN, anna(pn=ANNA, lid=LID))
    scene.memory.contacts.learn(MAIN, msgspec.structs.replace(anna(), jid=LID))
    assert await scene.ids("sol", sender=LID) == ["m4", "m2", "m1"]


async def test_what_left_the_ram_history_tells(tmp_path: Path) -> None:
    """Of chats and contacts, where some have left; a chat is found under its other address."""
    async with remembering(tmp_path) as (scene, store):
        say(scene)
        scene.receive(message("old", "sol", at=NOON - 1, chat=OF_LID))
        assert len(await scene.ids("sol")) == 5
        body = msgspec.json.encode(anna(pn=None))
        await store.write([StoredContact("acme", "main", ANNA, body)])
        assert await scene.ids("sol", sender=ANNA) == ["m4", "m1"]
        scene.memory.contacts.is_whole = False
        assert await scene.ids("sol", sender=ANNA) == ["m4", "m2", "m1", "old"]
        assert await scene.ids("sol", chat=CHAT.id) == ["m1", "old"]
        scene.memory.contacts.is_whole = True
        row = StoredChat(CHAT, ANNA, LID, None, None, 0, NOON, False, False, None)
        await store.write([row])
        scene.memory.chats.remove(CHAT)
        scene.memory.chats.is_whole = False
        assert await scene.ids("sol", sender=ANNA) == ["m4", "m2", "m1", "old"]


class _Forgetful(Governed):
    """A store whose chats cannot be read."""

    async def chats_of(self, refs: object) -> list[StoredChat]:
        """Refuse."""
        raise HistoryFailed("It does not answer.")


async def test_history_that_does_not_tell_ends_no_search(tmp_path: Path) -> None:
    """What RAM knows of addresses is enough then."""
    async with remembering(tmp_path) as (scene, _):
        assert scene.history is not None
        store = _Forgetful(tmp_path)
        forgetful = Scene(Remembered(store, scene.history.flusher))
        forgetful.memory.contacts.learn(MAIN, anna())
        forgetful.memory.chats.is_whole = False
        say(forgetful)
        assert await forgetful.ids("sol", sender=ANNA) == ["m4", "m2", "m1"]
        await store.close()
