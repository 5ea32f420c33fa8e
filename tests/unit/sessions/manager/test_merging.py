from __future__ import annotations

import msgspec

from sessions import events as e
from sessions.ids import ChatRef
from sessions.manager import memory as memory_module
from sessions.manager.memory import MemorySettings
from tests.unit.sessions.manager.scene import (
    ANA,
    GROUP,
    KEY,
    LID,
    NOW,
    Scene,
    address,
    message,
    message_id,
)

LEARNED = e.LidLearned(lid=LID, pn=ANA)


def test_a_lids_chat_becomes_the_numbers() -> None:
    """Messages move with their ids; the row counts on; one event tells it."""
    scene = Scene()
    scene.take(message("1", chat=LID, name="Ana"), message("2", NOW + 1, chat=LID, text="two"))
    old = [m["id"] for m in scene.sink.of("new_message")]
    scene.sink.clear()
    scene.take(LEARNED, LEARNED)
    assert scene.sink.types == ["chat_merged"]
    (told,) = scene.sink.of("chat_merged")
    assert {"from": f"s1:{LID}", "to": f"s1:{ANA}", "chat": scene.chat()} == told
    chat = scene.chat()
    assert tuple(chat[name] for name in ("jid", "pn", "lid", "unread", "name")) == (
        ANA,
        ANA,
        LID,
        2,
        "Ana",
    )
    assert [chat] == scene.chats()
    assert scene.texts() == ["two", "hello"]
    for id in old:
        moved = scene.views.message("w", id)
        assert ChatRef(*KEY, ANA) == moved.chat
        assert f'"chat":"s1:{ANA}","sender":"{ANA}"'.encode() in moved.head


def test_two_chats_become_one() -> None:
    """In time order, with the newer one's last message and both's unread."""
    scene = Scene()
    scene.take(message("1", NOW, text="a"), message("2", NOW + 1, chat=LID, text="b"))
    scene.take(message("3", NOW + 2, text="c"), LEARNED)
    assert scene.texts() == ["c", "b", "a"]
    chat = scene.chat()
    assert (chat["unread"], chat["last_message"]["text"]) == (3, "c")
    assert len(scene.chats()) == 1


def test_the_old_id_goes_on_working() -> None:
    """For reads, for events, and for what the phone says of it later."""
    scene = Scene()
    scene.take(message("1", chat=LID), LEARNED)
    assert scene.chat(LID) == scene.chat(ANA)
    assert scene.texts(LID) == scene.texts(ANA)
    scene.sink.clear()
    scene.take(message("2", NOW + 1, chat=LID, text="late"))
    assert scene.texts() == ["late", "hello"]
    assert [f"s1:{ANA}"] == [m["chat"] for m in scene.sink.of("new_message")]
    assert [t for t in scene.sink.types if t != "chat_updated"] == ["new_message"]
    scene.take(e.ReadElsewhere(chat=address(LID), at=NOW))
    assert scene.chat()["unread"] == 0


def test_a_message_that_came_by_lid_is_found_by_its_former_id() -> None:
    """Edited, and told again, under the number: the id that it got first stays."""
    scene = Scene()
    came = message("1", chat=LID)
    scene.take(came, LEARNED)
    scene.sink.clear()
    named = {"id": message_id("1"), "former_id": came.id, "wa_id": "1"}
    scene.take(msgspec.structs.replace(message("1"), **named))
    scene.take(e.MessageEdited(chat=address(), text="better", at=NOW + 5, **named))
    assert scene.sink.types == ["message_edited"]
    assert [came.id] == [told["id"] for told in scene.sink.of("message_edited")]
    assert scene.texts() == ["better"]


def test_a_merged_chat_is_not_announced_anew() -> None:
    """`chat_merged` was its announcement, also when the memory is empty later."""
    scene = Scene()
    scene.take(message("1", chat=LID), LEARNED)
    scene.memory.drop_session(KEY)
    scene.sink.clear()
    scene.take(message("2"))
    assert scene.sink.types == ["new_message"]


def test_a_chat_by_number_gets_its_lid() -> None:
    """Told once; the LID names it from then on."""
    scene = Scene()
    scene.take(message("1"), LEARNED, LEARNED)
    assert [chat["lid"] for chat in scene.sink.of("chat_updated")] == [LID]
    assert scene.chat(LID) == scene.chat()


def test_people_without_a_chat_are_not_told() -> None:
    """Members of groups are many."""
    scene = Scene()
    scene.take(message("1", chat=GROUP), LEARNED)
    assert scene.sink.types == ["new_chat", "new_message"]


def test_a_last_message_that_left_its_window_moves_too() -> None:
    """The row shows it under the new address."""
    scene = Scene()
    scene.take(message("1", chat=LID))
    scene.memory.messages.drop_session(KEY)
    scene.take(LEARNED)
    chat = scene.chat()
    assert f"s1:{ANA}" == chat["last_message"]["chat"]
    assert chat["evicted_before"] is not None


def test_a_merged_chat_keeps_to_its_bounds() -> None:
    """Two full windows do not make one that is too full."""
    scene = Scene(MemorySettings(budget=1_000_000, chat_messages=2))
    for number in range(2):
        scene.take(message(f"a{number}", NOW + number, text=f"a{number}"))
        scene.take(message(f"b{number}", NOW + 9 + number, chat=LID, text=f"b{number}"))
    scene.take(LEARNED)
    assert scene.texts() == ["b1", "b0"]
    assert scene.chat()["evicted_before"] is not None


def test_aliases_are_bounded_and_leave_with_their_session() -> None:
    """The oldest go first."""
    scene = Scene()
    refs = [ChatRef(*KEY, f"{n}@lid") for n in range(memory_module.MAX_ALIASES + 1)]
    target = ChatRef(*KEY, ANA)
    for ref in refs:
        scene.memory.alias(ref, target)
    assert refs[0] == scene.memory.home(refs[0])
    assert target == scene.memory.home(refs[-1])
    scene.memory.drop_session(KEY)
    assert refs[-1] == scene.memory.home(refs[-1])
