"""A chat's row keeps up to where of its session's journal it counts: a kill is counted by it."""

from __future__ import annotations

from daemon.history.models import Moved
from daemon.history.port import HistoryStore
from tests.contract.history.asking import LID, OTHER
from tests.unit.daemon.history.samples import CHAT, chat, message

MARK = (1 << 61) + 12_345  # a journal's numbers begin at random, up to 2**61


async def test_a_mark_is_kept_to_the_last_digit(store: HistoryStore) -> None:
    """By whichever way the row is asked for; 0 says that nobody knows."""
    row = chat()._replace(mark=MARK)
    for other in (1, (1 << 53) + 1, (1 << 62) - 1):
        await store.write([row._replace(mark=other)])
        assert await store.chat(CHAT) == row._replace(mark=other)
    await store.write([row, chat(OTHER)])
    assert await store.chat(CHAT) == row
    assert await store.chats_of([CHAT]) == [row]
    assert await store.listed("acme", None, None, 10) == [row]
    found = {each.ref: each.mark async for batch in store.chats() for each in batch}
    assert found == {CHAT: MARK, OTHER: 0}


async def test_a_mark_goes_with_its_count(store: HistoryStore) -> None:
    """A row's newest state is all of it: of another journal the mark may be a lower one, or none."""
    for unread, mark in ((2, MARK), (3, MARK + 1), (3, MARK + 2), (4, 77), (0, 0)):
        row = chat()._replace(unread=unread, mark=mark)
        await store.write([row, message(f"m{unread}")])
        assert await store.chat(CHAT) == row


async def test_a_merged_chat_has_the_mark_of_its_row(store: HistoryStore) -> None:
    """The other's is gone with its row."""
    row = chat()._replace(unread=5, mark=MARK + 9)
    await store.write([chat(LID)._replace(mark=MARK), chat()._replace(mark=MARK)])
    await store.write([Moved(LID, CHAT), row])
    assert [each async for batch in store.chats() for each in batch] == [row]
