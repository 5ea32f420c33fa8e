"""What is read beyond the RAM: the same as if all were in it."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from sessions.cache.chats import ChatQuery
from sessions.errors import ChatNotFound, MessageNotFound, PastUnavailable
from sessions.ids import ChatRef
from sessions.manager import Anchor, MemorySettings
from sessions.manager.views import Direction
from tests.support.recorders import Json
from tests.unit.sessions.manager.kept_scene import TWO_MESSAGES, KeptScene
from tests.unit.sessions.manager.scene import ANA, KEY, NOW, contact, message, message_id

ROOMY = MemorySettings()
NARROW = MemorySettings(budget=60_000, chat_messages=3)
PEOPLE = [f"5511{n:09d}@s.whatsapp.net" for n in range(14)]
ALL = ChatQuery("w", limit=4)


async def life(folder: Path, settings: MemorySettings) -> KeptScene:
    """Return a scene in which the same happened, with whatever room there is."""
    scene = await KeptScene(folder, settings).begin()
    dice = random.Random(1)  # noqa: S311 - the same each time
    for number in range(150):
        jid = dice.choice(PEOPLE)
        at = NOW + 1000 * (number // 4 - dice.choice((0, 0, 0, 9)))  # many of one second, some late
        name = f"Person {PEOPLE.index(jid)}"
        await scene.take(message(str(number), at, chat=jid, name=name, text=f"{number}"))
        if number % 5 == 0:
            await scene.take(contact(jid, name=name))
    return scene


async def every_page(scene: KeptScene) -> dict[str, Json]:
    """Return pages of all kinds."""
    found: dict[str, Json] = {"contacts": await contact_pages(scene)}
    for needle, unread in ((None, False), ("person 1", False), (None, True)):
        query = ALL._replace(needle=needle, unread=unread)
        found[f"chats {needle} {unread}"] = await chat_pages(scene, query)
    for jid in PEOPLE:
        found[jid] = texts = await scene.texts(jid=jid)
        for text in texts[::3]:
            id = message_id(text, jid, jid)
            at = (await scene.manager.reader.message("w", id)).at
            for direction in ("before", "after", "around"):
                for anchor in (Anchor(direction, message=id), Anchor(direction, at=at)):
                    found[f"{jid} {anchor}"] = await scene.texts(anchor, 4, jid)
    return found


async def chat_pages(scene: KeptScene, query: ChatQuery) -> list[Json]:
    """Return all pages of the list of chats, with their cursors."""
    pages: list[Json] = []
    while not pages or query.after is not None:
        page = await scene.manager.reader.chats(query)
        pages.append(([row.render() for row in page.rows], page.next))
        query = query._replace(after=page.next)
    return pages


async def contact_pages(scene: KeptScene) -> list[Json]:
    """Return all pages of the contacts, with their cursors."""
    pages: list[Json] = []
    after = None
    while not pages or after is not None:
        page = await scene.manager.reader.contacts("w", None, after, 3)
        pages.append(page)
        after = page.next
    return pages


async def test_little_room_reads_as_much_room(tmp_path: Path) -> None:
    """Pages by cursor, message and time; lists with filters; contacts. In one life and the next."""
    roomy, narrow = await life(tmp_path, ROOMY), await life(tmp_path, NARROW)
    assert narrow.manager.memory.chats.usage().evictions > 0
    assert narrow.manager.memory.messages.forgotten > 0
    expected = await every_page(roomy)
    assert roomy.keeper.asked == []
    assert expected == await every_page(narrow)
    await roomy.restart()
    assert expected == await every_page(roomy)
    await roomy.manager.close()
    await narrow.manager.close()


@pytest.mark.parametrize("direction", ["before", "after", "around"])
async def test_a_page_that_ram_has_whole_asks_for_nothing(
    tmp_path: Path, direction: Direction
) -> None:
    """Even where older messages left."""
    scene = await KeptScene(tmp_path, MemorySettings(chat_messages=6)).begin()
    await scene.take(*(message(str(n), NOW + 1000 * n, text=str(n)) for n in range(9)))
    scene.keeper.asked.clear()
    assert await scene.texts(limit=3) == ["8", "7", "6"]
    anchor = Anchor(direction, message=message_id("6"))
    expected = {"before": ["5", "4"], "after": ["8", "7"], "around": ["6", "5"]}
    assert await scene.texts(anchor, 2) == expected[direction]
    assert scene.keeper.asked == []
    await scene.manager.close()


async def test_what_nobody_can_read_is_said(tmp_path: Path) -> None:
    """A page has what is in RAM and says that more may be missing; what is not there is an error."""
    scene = await KeptScene(tmp_path, TWO_MESSAGES).begin()
    await scene.take(*(message(str(n), NOW + n, text=str(n)) for n in range(5)))
    scene.keeper.is_broken = True
    page = await scene.manager.reader.messages(ChatRef(*KEY, ANA), None, 9)
    texts = [msgspec.json.decode(entry.render())["text"] for entry in page.entries]
    assert (texts, page.evicted_before) == (["4", "3"], NOW + 3)
    with pytest.raises(PastUnavailable):
        await scene.message("0")
    await scene.restart()
    with pytest.raises(PastUnavailable):
        await scene.chat()
    assert await scene.chats() == []
    await scene.manager.close()


async def test_what_is_nowhere_is_not_found(tmp_path: Path) -> None:
    """Whether there is a past or not."""
    scene = await KeptScene(tmp_path).begin()
    await scene.take(message("1"))
    await scene.restart()
    with pytest.raises(MessageNotFound):
        await scene.message("2")
    with pytest.raises(ChatNotFound):
        await scene.chat(PEOPLE[0])
    with pytest.raises(MessageNotFound):
        await scene.texts(Anchor("before", message=message_id("2")))
    await scene.manager.close()


async def test_reading_leaves_what_is_hot(tmp_path: Path) -> None:
    """Old pages are read through; what is in RAM of any chat stays."""
    scene = await KeptScene(tmp_path, NARROW).begin()
    for number in range(40):
        for jid in PEOPLE[:3]:
            await scene.take(message(str(number), NOW + number, chat=jid, text=str(number)))
    held = [scene.manager.memory.messages.held(ChatRef(*KEY, jid)) for jid in PEOPLE[:3]]
    for jid in PEOPLE[:3]:
        assert len(await scene.texts(jid=jid)) == 40
    assert held == [scene.manager.memory.messages.held(ChatRef(*KEY, jid)) for jid in PEOPLE[:3]]
    await scene.manager.close()
