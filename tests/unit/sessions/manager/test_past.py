"""What is read while it changes: the change holds, never what was read before it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from msgspec.structs import replace

from sessions.cache.messages import Entry
from sessions.ids import ChatRef
from sessions.models import MessageTail
from tests.support.engine import until
from tests.unit.sessions.manager.kept_scene import KeptScene
from tests.unit.sessions.manager.scene import ANA, KEY, NOW, contact, message, message_id

REF = ChatRef(*KEY, ANA)
OLD = message_id("0")
READ = MessageTail(wa_id="0", status="read", ack=3)


@pytest_asyncio.fixture
async def scene(tmp_path: Path) -> AsyncIterator[KeptScene]:
    """Yield a chat of five messages, of which two are in RAM; answers are held up."""
    scene = await KeptScene(tmp_path).begin()
    await scene.take(*(message(str(n), NOW + 1000 * n, text=f"text {n}") for n in range(5)))
    scene.keeper.answers.clear()
    scene.keeper.asked.clear()
    yield scene
    scene.keeper.answers.set()
    await scene.manager.close()


async def _change(scene: KeptScene) -> None:
    """Let the oldest message change once the question was asked; then let it be answered."""
    await until(lambda: scene.keeper.asked, "asked")
    kept = scene.keeper.kept("w", OLD)
    entry = Entry(REF, OLD, kept.at, from_me=False, head=kept.head, tail=READ)
    scene.manager.memory.keep(entry)
    scene.keeper.answers.set()


async def test_a_message_that_changes_while_it_is_read(scene: KeptScene) -> None:
    """It is read anew."""
    reading = asyncio.ensure_future(scene.manager.past.entry("w", OLD))
    await _change(scene)
    entry = await reading
    assert entry is not None
    assert entry.tail == READ
    assert scene.keeper.asked == ["messages", "messages"]


async def test_messages_that_change_while_they_are_put_back(scene: KeptScene) -> None:
    """Nothing old enters the cache; the next time they come."""
    past = scene.manager.past
    filling = asyncio.ensure_future(past.deepen(REF, 10, 0.8, NOW))
    messages = scene.manager.memory.messages
    messages._limits = messages._limits._replace(chat_messages=0)  # noqa: SLF001 - room for all
    await _change(scene)
    assert await filling
    assert scene.manager.memory.messages.get("w", OLD) is None
    assert not await past.deepen(REF, 10, 0.8, NOW)
    found = scene.manager.memory.messages.get("w", OLD)
    assert found is not None
    assert found.tail == READ


async def test_a_chat_that_is_merged_away_while_it_is_read(scene: KeptScene) -> None:
    """It does not come back."""
    scene.manager.memory.chats.remove(REF)
    scene.manager.memory.chats.is_whole = False
    reading = asyncio.ensure_future(scene.manager.past.row(REF))
    await until(lambda: scene.keeper.asked, "asked")
    scene.manager.memory.keep_moved(REF, REF._replace(jid="5511888880000@s.whatsapp.net"))
    scene.keeper.answers.set()
    assert await reading is None
    assert scene.manager.memory.chats.look(REF) is None


async def test_a_contact_that_is_learned_while_it_is_read(scene: KeptScene) -> None:
    """What was learned holds."""
    scene.keeper.contact(KEY, replace(contact().contact, name="before"))
    reading = asyncio.ensure_future(scene.manager.past.contacts(KEY, [ANA]))
    await until(lambda: scene.keeper.asked, "asked")
    scene.manager.memory.keep_contact(KEY, replace(contact().contact, name="now"))
    scene.keeper.answers.set()
    await reading
    assert scene.manager.memory.contacts.look(KEY, ANA) is None
    await scene.manager.past.contacts(KEY, [ANA])
    known = scene.manager.memory.contacts.look(KEY, ANA)
    assert known is not None
    assert known.name == "now"
