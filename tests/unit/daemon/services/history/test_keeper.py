"""What the engine tells is found at once, and is in the store soon after."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from sessions import events as e
from sessions.ids import ChatRef, SessionKey
from sessions.keeper import KeeperFailed
from sessions.manager import MemorySettings
from tests.support.engine import until
from tests.unit.daemon.history.stores import FULL
from tests.unit.daemon.services.history.scene import Life, living
from tests.unit.sessions.manager.scene import (
    ANA,
    KEY,
    LID,
    NOW,
    address,
    contact,
    message,
    message_id,
)

CHAT = ChatRef(*KEY, ANA)
SMALL = MemorySettings(chat_messages=2)


def take(life: Life, *events: e.AnyEvent, mark: int = 0) -> None:
    """Let events come; RAM is whole, so that none waits."""
    life.manager.memory.chats.is_whole = life.manager.memory.contacts.is_whole = True
    for event in events:
        life.manager.session_event(KEY, event, mark)


async def test_what_was_told_is_found_before_it_is_written(tmp_path: Path) -> None:
    """By our id and in its newest state; rows with their last message; contacts; pages wait."""
    async with living(tmp_path) as life:
        life.store.gate.clear()
        take(life, message("1", text="one"), message("2", NOW + 5, text="two"))
        edited = e.MessageEdited(chat=address(), id=message_id("1"), wa_id="1", text="new", at=NOW)
        take(life, edited, contact(name="Ana"))
        (found,) = await life.keeper.messages("w", [message_id("1"), "unknown"])
        assert b'"new"' in found.head
        assert found.tail.edited_at is not None
        (row,) = await life.keeper.chats([CHAT])
        assert (row.unread, row.last and row.last.id) == (2, message_id("2"))
        (person,) = await life.keeper.contacts_of(KEY, [ANA])
        assert person.name == "Ana"
        assert life.store.batches == []
        life.store.gate.set()
        page = await life.keeper.before(CHAT, None, 9)
        assert [past.id for past in page] == [message_id("2"), message_id("1")]
        assert [chat.ref for chat in await life.keeper.listed("w", None, None, 9)] == [CHAT]


async def test_it_answers_the_same_once_it_is_written(tmp_path: Path) -> None:
    """Nothing is lost on its way from the list to the store."""
    async with living(tmp_path) as life:
        take(life, message("1", text="one"), message("2", NOW + 5, text="two"), contact(name="A"))
        before = (
            await life.keeper.chats([CHAT]),
            await life.keeper.contacts_of(KEY, [ANA]),
            {past.id: (past.head, past.tail) for past in await _both(life)},
        )
        await life.keeper.flush()
        assert life.keeper._way.number > 0  # noqa: SLF001 - it was there
        assert not life.keeper._way  # noqa: SLF001 - and is no more
        (row,) = await life.keeper.chats([CHAT])
        assert row.last is not None
        after = (
            [row._replace(last=row.last._replace(arrival=before[0][0].last.arrival))],  # type: ignore[union-attr]  # the row has one
            await life.keeper.contacts_of(KEY, [ANA]),
            {past.id: (past.head, past.tail) for past in await _both(life)},
        )
        assert before == after


async def _both(life: Life) -> list:  # type: ignore[type-arg]  # of past messages
    return await life.keeper.messages("w", [message_id("1"), message_id("2")])


async def test_a_mark_is_confirmed_when_what_came_before_is_written(tmp_path: Path) -> None:
    """Not while it is on its way."""
    async with living(tmp_path) as life:
        life.store.gate.clear()
        take(life, message("1"), mark=7)
        await life.store.arrived.wait()
        assert life.confirmed == []
        life.store.gate.set()
        await until(lambda: life.confirmed == [7], "confirmed")
        (stored,) = await life.store.chats_of([CHAT])
        assert (stored.unread, stored.mark) == (1, 7)


async def test_a_row_is_kept_no_later_than_its_message(tmp_path: Path) -> None:
    """A message that is kept is counted, wherever a kill cuts."""
    async with living(tmp_path) as life:
        take(life, message("1"), message("2", NOW + 1), mark=0)
        await life.keeper.flush()
        kinds = [type(record).__name__ for record in life.store.batches[0]]
        assert kinds.index("StoredChat") < kinds.index("StoredMessage")


async def test_while_the_store_refuses_pages_have_what_waits(tmp_path: Path) -> None:
    """In its place; reading goes on as far as it can."""
    async with living(tmp_path, SMALL) as life:
        take(life, *(message(str(n), NOW + 10 * n) for n in range(3)))
        await life.keeper.flush()
        life.store.refusal = FULL
        take(life, *(message(str(n), NOW + 10 * n) for n in range(3, 6)), message("x", NOW + 5))
        page = await life.keeper.before(CHAT, None, 9)
        names = ["5", "4", "3", "2", "1", "x", "0"]
        assert [past.id for past in page] == [message_id(name) for name in names]
        newer = await life.keeper.after(CHAT, (NOW + 5, -1), 3)
        assert [past.id for past in newer] == [message_id(name) for name in ("x", "1", "2")]
        life.store.refusal = None


async def test_a_store_that_cannot_be_read_is_told_as_such(tmp_path: Path) -> None:
    """The engine's own error, for each question."""
    async with living(tmp_path) as life:
        await life.store.close()
        with pytest.raises(KeeperFailed):
            await life.keeper.messages("w", ["m"])
        with pytest.raises(KeeperFailed):
            await life.keeper.before(CHAT, None, 1)


async def test_what_is_merged_or_dropped_is_so_at_once(tmp_path: Path) -> None:
    """On its way and in the store."""
    async with living(tmp_path) as life:
        take(life, message("1", chat=LID, name=None), message("2", NOW + 1))
        take(life, e.LidLearned(lid=LID, pn=ANA))
        (row,) = await life.keeper.chats([ChatRef(*KEY, LID), CHAT])
        assert (row.ref, row.unread) == (CHAT, 2)
        assert len(await life.keeper.before(CHAT, None, 9)) == 2
        assert await life.keeper.before(ChatRef(*KEY, LID), None, 9) == []
        take(life, message("3", NOW + 9))
        life.keeper.dropped(KEY)
        assert await life.keeper.chats([CHAT]) == []
        assert await life.keeper.before(CHAT, None, 9) == []
        assert await life.keeper.messages("w", [message_id("3")]) == []


async def test_sends_are_found_by_whatsapps_name(tmp_path: Path) -> None:
    """Of their own session, on their way and in the store."""
    async with living(tmp_path) as life:
        ours = message("3EB0", sender="5500111112222@s.whatsapp.net")
        take(life, ours)
        for _ in range(2):
            (found,) = await life.keeper.sent(KEY, ["3EB0", "other"])
            assert found.id == ours.id
            assert await life.keeper.sent(SessionKey("w", "s2"), ["3EB0"]) == []
            await life.keeper.flush()


async def test_times_beyond_all_reason_can_be_asked_for(tmp_path: Path) -> None:
    """The last millisecond of the year 9999, and one before 1970."""
    async with living(tmp_path) as life:
        take(life, replace(message("1"), at=253_402_300_799_999), replace(message("2"), at=-9))
        for order in ((253_402_300_799_999, -1), (-9, -1), (0, -1)):
            await life.keeper.before(CHAT, order, 5)
            assert await life.keeper.after(CHAT, order, 5) is not None
        page = await life.keeper.before(CHAT, None, 5)
        assert [past.id for past in page] == [message_id("1"), message_id("2")]
