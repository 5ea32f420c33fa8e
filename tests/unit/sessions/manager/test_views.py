from __future__ import annotations

import pytest

from sessions.errors import ChatNotFound, MessageNotFound
from sessions.ids import ChatRef
from sessions.manager.memory import MemorySettings
from sessions.manager.views import Anchor, Direction
from tests.unit.sessions.manager.scene import ANA, GROUP, KEY, NOW, OWN, Scene, contact, message

REF = ChatRef(*KEY, ANA)


@pytest.fixture
def scene() -> Scene:
    """Return a chat of ten messages, a second apart."""
    made = Scene()
    made.take(*(message(str(n), NOW + 1000 * n, text=str(n)) for n in range(10)))
    return made


def page(scene: Scene, anchor: Anchor | None, limit: int) -> str:
    """Return a page's texts, newest first."""
    entries = scene.views.messages(REF, anchor, limit)
    return "".join(str((entry.at - NOW) // 1000) for entry in entries)


@pytest.mark.parametrize(
    ("direction", "limit", "expected"),
    [
        ("before", 3, "432"),
        ("before", 100, "43210"),
        ("after", 3, "876"),
        ("after", 100, "9876"),
        ("around", 1, "5"),
        ("around", 4, "6543"),
        ("around", 100, "9876543210"),
    ],
)
def test_pages_around_a_message(
    scene: Scene, direction: Direction, limit: int, expected: str
) -> None:
    """Always newest first, next to the message that they hang on."""
    five = scene.views.messages(REF, None, 10)[4]
    assert expected == page(scene, Anchor(direction, message=five.id), limit)


@pytest.mark.parametrize(
    ("direction", "at", "expected"),
    [
        ("before", NOW + 5000, "43210"),
        ("after", NOW + 5000, "98765"),
        ("around", NOW + 5000, "98765" + "43210"),
        ("before", 0, ""),
        ("after", NOW * 2, ""),
    ],
)
def test_pages_around_a_time(scene: Scene, direction: Direction, at: int, expected: str) -> None:
    """A time splits the chat; what is of that very time is after it."""
    assert expected == page(scene, Anchor(direction, at=at), 100)


def test_the_newest_page_needs_no_anchor(scene: Scene) -> None:
    """It is bounded by its limit."""
    assert page(scene, None, 3) == "987"


def test_an_anchor_must_be_in_the_chat(scene: Scene) -> None:
    """A message of another chat is none of this one."""
    scene.take(message("x", chat=GROUP, sender=ANA))
    other = scene.views.messages(ChatRef(*KEY, GROUP), None, 1)[0]
    for id in (other.id, "m?"):
        with pytest.raises(MessageNotFound):
            scene.views.messages(REF, Anchor("before", message=id), 1)
    with pytest.raises(ChatNotFound):
        scene.views.messages(REF._replace(session="s2"), None, 1)


def test_a_chat_whose_messages_left_has_empty_pages(scene: Scene) -> None:
    """The row outlives its window."""
    scene.memory.messages.drop_session(KEY)
    assert page(scene, None, 3) == page(scene, Anchor("before", at=NOW), 3) == ""
    assert scene.views.unread(REF) == []


def test_unread_are_the_newest_of_others(scene: Scene) -> None:
    """As many as the chat counts, without our own."""
    scene.take(message("own", NOW + 99_000, sender=OWN, source="phone"))
    row = scene.views.chat(REF)
    with scene.memory.chats.unindexed(row):
        row.unread = 2
    assert scene.views.unread(REF) == [(ANA, "9"), (ANA, "8")]


def test_contacts_are_paged(scene: Scene) -> None:
    """As the cache has them."""
    scene.take(contact(name="Ana"))
    found, after = scene.views.contacts("w", None, None, 10)
    assert ([c.name for c in found], after) == (["Ana"], None)


def test_the_memory_tells_how_it_is_used(scene: Scene) -> None:
    """Each cache by its name, within shares that leave room for the rings."""
    usage = scene.memory.usage()
    assert {name: figures.entries for name, figures in usage.items()} == {
        "messages": 1,
        "chats": 1,
        "contacts": 0,
    }
    shares = sum(figures.max_bytes for figures in usage.values()) + MemorySettings().rings
    assert shares <= MemorySettings().budget
    scene.memory.chats.remove(REF)
    scene.memory.messages.drop_session(KEY)  # no row is there to be marked
