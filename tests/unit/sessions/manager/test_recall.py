"""Events about what is not in RAM: it is read first, and nothing is counted or told twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from sessions import events as e
from sessions.cache.messages import Entry
from sessions.ids import ChatRef
from sessions.manager.memory import MemorySettings
from sessions.models import MessageTail
from tests.support.engine import until
from tests.unit.sessions.manager.kept_scene import FIRST, KeptScene
from tests.unit.sessions.manager.scene import (
    ANA,
    KEY,
    LID,
    NOW,
    OWN,
    address,
    contact,
    message,
    message_id,
)

BOB = "5511888880000@s.whatsapp.net"
OLD = message_id("0")
EDITED = e.MessageEdited(chat=address(), id=OLD, wa_id="0", text="anew", at=NOW)
DELETED = e.MessageDeleted(chat=address(), id=OLD, wa_id="0", at=NOW)
REACTED = e.ReactionChanged(
    chat=address(), id=OLD, wa_id="0", emoji="x", sender=ANA, from_me=False, at=NOW
)
READ = e.ReadElsewhere(chat=address(), at=NOW)


@pytest_asyncio.fixture
async def scene(tmp_path: Path) -> AsyncIterator[KeptScene]:
    """Yield a chat of five messages, of which the newest two are in RAM."""
    scene = await KeptScene(tmp_path).begin()
    await scene.take(*(message(str(n), NOW + 1000 * n, text=f"text {n}") for n in range(5)))
    yield scene
    await scene.manager.close()


def held(scene: KeptScene) -> list[str]:
    """Return the ids of what is in RAM of the chat."""
    return [entry.id for entry in scene.manager.memory.messages.held(ChatRef(*KEY, ANA))]


@pytest.mark.parametrize(
    ("event", "type", "member", "value"),
    [
        (EDITED, "message_edited", "text", "anew"),
        (DELETED, "message_deleted", "type", "revoked"),
        (REACTED, "message_reaction", "reactions", 1),
    ],
)
async def test_a_change_of_a_message_that_left_is_told_and_kept(
    scene: KeptScene, event: e.AnyEvent, type: str, member: str, value: str | int
) -> None:
    """And what is in RAM stays there."""
    before = held(scene)
    assert OLD not in before
    await scene.take(event)
    (told,) = scene.sink.of(type)
    found = told[member]
    assert (len(found) if member == "reactions" else found) == value
    assert await scene.message("0") == told
    assert held(scene) == before


async def test_ticks_find_a_send_that_left(scene: KeptScene) -> None:
    """By the name that WhatsApp gave it."""
    memory, inbox = scene.manager.memory, scene.manager._inbox  # noqa: SLF001 - a send without a worker
    head = message("x", sender=OWN, text="ours").head
    tail = MessageTail(wa_id="3EB0", status="sent", ack=1)
    entry = Entry(ChatRef(*KEY, ANA), "o1", NOW - 5, from_me=True, head=head, tail=tail)
    inbox.add(entry, address(), None, NOW)
    assert memory.messages.get("w", "o1") is None
    await scene.take(
        e.ReceiptReceived(chat=address(), wa_ids=("3EB0",), ids=(), ack=3, at=NOW),
        e.ReceiptReceived(chat=address(), wa_ids=("3EB0",), ids=(), ack=2, at=NOW),
    )
    assert [told["status"] for told in scene.sink.of("message_ack")] == ["read"]
    assert scene.keeper.kept("w", "o1").tail.ack == 3


async def test_the_echo_of_a_send_that_left_is_dropped(scene: KeptScene) -> None:
    """Whatever time the server gave it: the send itself is dated by our clock."""
    inbox = scene.manager._inbox  # noqa: SLF001 - a send without a worker
    head = message("x", sender=OWN, text="ours").head
    tail = MessageTail(wa_id="3EB0", status="sent", ack=1)
    entry = Entry(ChatRef(*KEY, ANA), "o1", NOW + 4500, from_me=True, head=head, tail=tail)
    inbox.add(entry, address(), None, NOW)
    await scene.restart()
    await scene.take(message("3EB0", NOW + 5000, sender=OWN, source="phone"))
    assert scene.sink.types == []


async def test_a_repeated_message_that_left_is_dropped(scene: KeptScene) -> None:
    """It is told and counted once, in another life too."""
    assert len(scene.sink.of("new_message")) == 5
    await scene.take(message("0", NOW))
    assert len(scene.sink.of("new_message")) == 5
    assert (await scene.chat())["unread"] == 5
    await scene.restart()
    await scene.take(message("0", NOW), message("4", NOW + 4000))
    assert scene.sink.types == []
    assert (await scene.chat())["unread"] == 5


async def test_what_comes_after_a_restart_adds_up(scene: KeptScene) -> None:
    """The chat is not new, and its name and count are as they were, and one more."""
    await scene.restart()
    await scene.take(message("9", NOW + 9000, name=None))
    assert scene.sink.types == ["new_message"]
    chat = await scene.chat()
    assert (chat["unread"], chat["name"], chat["evicted_before"]) == (6, "Ana", None)


async def test_newer_messages_ask_for_nothing(scene: KeptScene) -> None:
    """Of what is newer than all that left, RAM knows everything."""
    await scene.take(message("5", NOW + 5000))
    scene.keeper.asked.clear()
    await scene.take(message("6", NOW + 6000), message("6", NOW + 6000))
    assert scene.keeper.asked == []


async def test_events_keep_their_order_while_one_waits(scene: KeptScene) -> None:
    """Reading elsewhere comes after the message that was read, and marks after their events."""
    await scene.restart()
    scene.keeper.answers.clear()
    scene.keeper.told.clear()
    late = message("7", NOW + 100, text="late")
    scene.come(late, FIRST + 90)
    scene.come(READ, FIRST + 91)
    scene.come(e.Connecting(), FIRST + 92)
    scene.come(message("8", NOW + 8000), FIRST + 93)
    await until(lambda: scene.keeper.asked, "asked")
    assert scene.keeper.confirmed[-1] < FIRST + 90
    assert scene.sink.types == []
    scene.keeper.answers.set()
    await scene.settled()
    assert scene.keeper.confirmed[-4:] == [FIRST + n for n in range(90, 94)]
    assert scene.sink.types == ["new_message", "chat_updated", "new_message"]
    assert (await scene.chat())["unread"] == 1


async def test_what_tells_of_the_session_itself_does_not_wait(scene: KeptScene) -> None:
    """A lost line is told while messages wait for a slow disk."""
    await scene.restart()
    scene.keeper.answers.clear()
    scene.come(message("7", NOW + 100))
    scene.come(e.Connected(jid=OWN, lid=None, name=None))
    assert scene.manager.lifecycle.get(KEY).record.jid == OWN
    scene.keeper.answers.set()
    await scene.settled()


async def test_a_row_that_was_kept_before_its_message_counts_it_once(scene: KeptScene) -> None:
    """Killed between the two: the message is told again, and is in the count already."""
    scene.keeper.forgets_message("w", message_id("4"))
    await scene.restart()
    scene.come(message("4", NOW + 4000), scene.newest_mark)
    await scene.settled()
    assert scene.sink.types == ["new_message"]
    assert (await scene.chat())["unread"] == 5


async def test_a_row_that_changed_before_its_message_came_again_counts_it_once(
    scene: KeptScene,
) -> None:
    """A contact's name that is learned first has no place in the journal, and changes the row."""
    scene.keeper.forgets_message("w", message_id("4"))
    await scene.restart()
    scene.come(contact(name="Ana Maria"))
    await scene.settled()
    assert (await scene.chat())["name"] == "Ana Maria"
    scene.come(message("4", NOW + 4000), scene.newest_mark)
    await scene.settled()
    assert (await scene.chat())["unread"] == 5


async def test_a_row_made_while_nothing_can_be_read_counts_no_message_twice(
    scene: KeptScene,
) -> None:
    """Told again after a kill, it is in the kept row's count already; a new one is not."""
    scene.keeper.forgets_message("w", message_id("4"))
    await scene.restart()
    scene.keeper.is_broken = True
    scene.come(message("4", NOW + 4000), scene.newest_mark)
    await scene.take(message("5", NOW + 5000))
    assert (await scene.chat())["unread"] == 2
    scene.keeper.is_broken = False
    await scene.manager.past.mend()
    assert (await scene.chat())["unread"] == 6


async def test_reading_elsewhere_is_not_applied_twice(scene: KeptScene) -> None:
    """Told again after a kill, it would take what came after it from the count."""
    await scene.take(READ, message("5", NOW + 5000))
    read_at = scene.newest_mark - 1
    await scene.restart()
    scene.come(READ, read_at)
    scene.come(message("5", NOW + 5000), read_at + 1)
    await scene.settled()
    assert (await scene.chat())["unread"] == 1


async def test_another_journal_begins_anew(scene: KeptScene) -> None:
    """Paired again, marks may be lower: they are no repetition."""
    await scene.restart()
    scene.come(message("9", NOW + 9000), FIRST >> 3)
    scene.come(READ, (FIRST >> 3) + 1)
    await scene.settled()
    assert (await scene.chat())["unread"] == 0


async def test_a_mark_that_was_taken_is_not_taken_again(scene: KeptScene) -> None:
    """A new worker tells again what could not be confirmed yet; it is confirmed all the same."""
    await scene.take(READ)
    scene.sink.clear()
    scene.come(message("9", NOW + 9000), scene.newest_mark)
    assert scene.sink.types == []
    assert (await scene.chat())["unread"] == 0
    assert scene.keeper.confirmed[-2:] == [scene.newest_mark] * 2


async def test_while_nothing_can_be_read_events_go_on(scene: KeptScene) -> None:
    """A row made meanwhile is joined to what was kept once that can be read, and not before."""
    await scene.restart()
    scene.keeper.is_broken = True
    await scene.take(message("9", NOW + 9000, name=None))
    assert scene.sink.types == ["new_message"]
    assert scene.keeper.row(ChatRef(*KEY, ANA)).unread == 5
    scene.keeper.is_broken = False
    await scene.manager.past.mend()
    chat = await scene.chat()
    assert (chat["unread"], chat["name"], chat["evicted_before"]) == (6, "Ana", None)
    assert scene.keeper.row(ChatRef(*KEY, ANA)).unread == 6


async def test_a_deleted_session_leaves_nothing_waiting(scene: KeptScene) -> None:
    """Nothing of it comes back, neither in RAM nor where it was kept."""
    await scene.restart()
    scene.keeper.answers.clear()
    scene.come(message("7", NOW + 100))
    await until(lambda: scene.keeper.asked, "asked")
    await scene.manager.delete(KEY)
    scene.keeper.answers.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert scene.manager.memory.chats.of_session(*KEY) == []
    assert scene.keeper.told[-1] == ("dropped", KEY)


async def test_a_merge_brings_both_chats_back_first(scene: KeptScene) -> None:
    """Counts add up, and what is kept of the old address moves."""
    await scene.take(message("a", NOW + 20, chat=LID, name=None))
    await scene.restart()
    await scene.take(e.LidLearned(lid=LID, pn=ANA))
    assert scene.sink.types == ["chat_merged"]
    assert (await scene.chat())["unread"] == 6
    assert len(await scene.texts()) == 6
    assert ("moved", (ChatRef(*KEY, LID), ChatRef(*KEY, ANA))) in scene.keeper.told


async def test_what_came_by_lid_and_left_is_found_by_its_former_id(tmp_path: Path) -> None:
    """Deleted, and told again, under the number that was learned since: after a restart, too."""
    scene = await KeptScene(tmp_path).begin()
    came = message("1", chat=LID)
    await scene.take(came, e.LidLearned(lid=LID, pn=ANA))
    await scene.restart()
    named = {"id": message_id("1"), "former_id": came.id, "wa_id": "1"}
    await scene.take(
        msgspec.structs.replace(message("1"), **named),
        e.MessageDeleted(chat=address(), at=NOW + 5, **named),
    )
    assert [came.id] == [told["id"] for told in scene.sink.of("message_deleted")]
    assert scene.sink.of("new_message") == []
    assert len(await scene.texts()) == 1
    await scene.manager.close()


async def test_a_contact_that_left_keeps_its_name(tmp_path: Path) -> None:
    """The chat goes by what the account calls the person, not by their own word."""
    scene = await KeptScene(tmp_path).begin()
    await scene.take(contact(name="Ana Maria"), message("1"))
    await scene.restart()
    await scene.take(message("2", NOW + 5, name="Aninha"), contact(push_name="Aninha"))
    assert (await scene.chat())["name"] == "Ana Maria"
    (learned,) = (await scene.manager.reader.contacts("w", None, None, 5)).contacts
    assert (learned.name, learned.push_name) == ("Ana Maria", "Aninha")
    scene.keeper.asked.clear()
    await scene.take(message("3", NOW + 6, chat=BOB), message("4", NOW + 7, chat=BOB))
    assert scene.keeper.asked.count("contacts_of") == 1  # a stranger is asked for once
    await scene.manager.close()


async def test_rows_that_left_for_want_of_room_come_back(tmp_path: Path) -> None:
    """With room for few rows, each chat goes on counting."""
    scene = await KeptScene(tmp_path, MemorySettings(budget=60_000)).begin()
    people = [f"5511{n:09d}@s.whatsapp.net" for n in range(12)]
    for turn in range(3):
        for person in people:
            await scene.take(message(f"{turn}", NOW + turn, chat=person))
    assert len(scene.manager.memory.chats.of_session(*KEY)) < len(people)
    assert [(await scene.chat(person))["unread"] for person in people] == [3] * len(people)
    assert scene.sink.types.count("new_chat") == len(people)
    await scene.manager.close()
