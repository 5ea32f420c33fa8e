"""After a start the caches fill by themselves, newest first, and evict nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec

from daemon.history.models import Place, StoredMessage
from daemon.services.history import warm_start
from sessions import events as e
from sessions.cache.chats import ChatQuery
from sessions.ids import ChatRef
from sessions.manager import MemorySettings
from tests.support.engine import until
from tests.unit.daemon.history.stores import FULL, Governed
from tests.unit.daemon.services.history.scene import Life, living
from tests.unit.sessions.manager.scene import KEY, LID, NOW, contact, message, message_id

PEOPLE = [f"5511{n:09d}@s.whatsapp.net" for n in range(20)]
EACH = 70  # more than the first depth


async def _first_life(folder: Path) -> list[bytes]:
    """Let messages arrive; return the list of chats."""
    async with living(folder) as life:
        life.manager.memory.chats.is_whole = life.manager.memory.contacts.is_whole = True
        for number in range(EACH):
            for place, jid in enumerate(PEOPLE):
                at = NOW + 1000 * number + place
                life.manager.session_event(KEY, message(f"{number}", at, chat=jid))
        for jid in PEOPLE:
            life.manager.session_event(KEY, contact(jid, name="N"))
        await life.keeper.flush()
        return _rows(life)


def _rows(life: Life) -> list[bytes]:
    return [row.render() for row in life.manager.views.chats(ChatQuery("w", limit=200)).rows]


def _held(life: Life, jid: str) -> int:
    return len(life.manager.memory.messages.held(ChatRef(*KEY, jid)))


async def test_with_room_everything_is_back(tmp_path: Path) -> None:
    """Rows, messages and contacts; from then on nothing has to be asked for."""
    before = await _first_life(tmp_path)
    async with living(tmp_path) as life:
        await life.warm.run()
        assert _rows(life) == before
        assert [_held(life, jid) for jid in PEOPLE] == [EACH] * len(PEOPLE)
        assert life.manager.memory.chats.is_whole
        assert life.manager.memory.contacts.is_whole
        row = life.manager.views.chat(ChatRef(*KEY, PEOPLE[0]))
        assert (row.cold_before, row.evicted_before) == (None, None)
        await life.store.close()
        texts = await life.manager.reader.messages(row.ref, None, 200)
        assert len(texts.entries) == EACH
        assert life.sink.types == []


async def test_with_little_room_the_newest_are_back(tmp_path: Path) -> None:
    """Chats of the newest activity, and a part of the bound; what comes evicts the oldest of it."""
    await _first_life(tmp_path)
    small = MemorySettings(budget=150_000)
    async with living(tmp_path, small) as life:
        await life.warm.run()
        memory = life.manager.memory
        back = [row.ref.jid for row in memory.chats.page(ChatQuery("w", limit=200)).rows]
        assert back == PEOPLE[::-1][: len(back)]
        assert 0 < len(back) < len(PEOPLE)
        assert not memory.chats.is_whole
        for usage in memory.usage().values():
            assert usage.evictions == 0
            assert 0 < usage.used_bytes <= usage.max_bytes * warm_start.SHARE


async def test_what_happens_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    """A chat that is told of, or asked for, before its turn comes: once, with all of it."""
    await _first_life(tmp_path)
    async with living(tmp_path) as life:
        running = asyncio.ensure_future(life.warm.run())
        oldest = ChatRef(*KEY, PEOPLE[0])
        life.manager.session_event(KEY, message("new", NOW + 10**6, chat=PEOPLE[0]))
        page = await life.manager.reader.messages(ChatRef(*KEY, PEOPLE[1]), None, 200)
        assert len(page.entries) == EACH
        await running
        await until(lambda: life.sink.types == ["new_message"], "told")
        row = life.manager.views.chat(oldest)
        assert (row.unread, _held(life, PEOPLE[0])) == (EACH + 1, EACH + 1)
        stored = {chat.ref: chat.unread async for batch in life.store.chats() for chat in batch}
        await life.keeper.flush()
        assert stored[ChatRef(*KEY, PEOPLE[1])] == EACH


class _Slow(Governed):
    """Reads the newest messages of a batch of chats, and keeps them to itself for a while."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        self.has_read, self.may_tell = asyncio.Event(), asyncio.Event()

    async def last(self, refs: Sequence[ChatRef]) -> list[tuple[Place, StoredMessage]]:
        """Answer when it may."""
        found = await super().last(refs)
        if len(refs) > 2:
            self.has_read.set()
            await self.may_tell.wait()
        return found


async def test_a_chat_that_is_merged_away_meanwhile_stays_away(tmp_path: Path) -> None:
    """Its row was read before; it does not come back with the others."""
    await _first_life(tmp_path)
    async with living(tmp_path) as life:
        life.manager.session_event(KEY, message("x", NOW, chat=LID, name=None))
    store = _Slow(tmp_path)
    async with living(tmp_path, store=store) as life:
        running = asyncio.ensure_future(life.warm.run())
        await store.has_read.wait()
        life.manager.session_event(KEY, e.LidLearned(lid=LID, pn=PEOPLE[0]))
        await until(lambda: "chat_merged" in life.sink.types, "merged")
        store.may_tell.set()
        await running
        row = life.manager.views.chat(ChatRef(*KEY, PEOPLE[0]))
        assert (row.unread, row.lid) == (EACH + 1, LID)
        assert life.manager.memory.chats.look(ChatRef(*KEY, LID)) is None


async def test_what_waited_on_disk_comes_first(tmp_path: Path) -> None:
    """The store refused until the end of the last life: the spill is newer than the store."""
    async with living(tmp_path) as life:
        life.manager.memory.chats.is_whole = life.manager.memory.contacts.is_whole = True
        life.manager.session_event(KEY, message("1", chat=PEOPLE[0]))
        await life.keeper.flush()
        life.store.refusal = FULL
        life.manager.session_event(KEY, message("2", NOW + 5, chat=PEOPLE[0]))
    async with living(tmp_path) as life:
        life.spill.open()
        assert life.spill.records > 0
        await life.warm.run()
        row = life.manager.views.chat(ChatRef(*KEY, PEOPLE[0]))
        assert (row.unread, row.last and row.last.id) == (2, message_id("2", PEOPLE[0], PEOPLE[0]))


async def test_the_start_waits_for_the_rows_and_no_longer(tmp_path: Path) -> None:
    """A second at most, and not at all for a store that refuses."""
    await _first_life(tmp_path)
    async with living(tmp_path) as life:
        running = asyncio.ensure_future(life.warm.run())
        await life.warm.head_start()
        assert len(_rows(life)) == len(PEOPLE)
        await running
    async with living(tmp_path) as life:
        await life.store.close()
        running = asyncio.ensure_future(life.warm.run())
        began = asyncio.get_running_loop().time()
        await life.warm.head_start()
        assert asyncio.get_running_loop().time() - began < warm_start.HEAD_START
        assert not life.manager.memory.chats.is_whole
        running.cancel()


async def test_messages_come_back_in_their_order(tmp_path: Path) -> None:
    """Also those of one millisecond, and what comes after them in this life."""
    async with living(tmp_path) as life:
        life.manager.memory.chats.is_whole = life.manager.memory.contacts.is_whole = True
        for number in range(120):
            event = message(str(number), NOW, chat=PEOPLE[0], text=f"{number}")
            life.manager.session_event(KEY, event)
    async with living(tmp_path) as life:
        life.manager.memory.contacts.is_whole = True
        await life.warm.run()
        life.manager.session_event(KEY, message("120", NOW, chat=PEOPLE[0], text="120"))
        ref = ChatRef(*KEY, PEOPLE[0])
        await until(lambda: life.sink.types == ["new_message"], "told")
        found = await life.manager.reader.messages(ref, None, 200)
        texts = [int(msgspec.json.decode(one.render())["text"]) for one in found.entries]
        assert texts == [*range(120, -1, -1)]
