"""The truth that pages are held against: it must be the store's own order, and see any change."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from daemon.history.models import StoredChat, StoredContact
from daemon.history.sqlite import SqliteHistory
from sessions.ids import ChatRef
from sessions.models import iso, splice
from tests.bench.past import Conversations
from tests.bench.remembered import write
from tests.bench.written import Page, Written, digest

REF = ChatRef("default", "main", "5511999990000@s.whatsapp.net")


def _page(*items: object, cursor: str | None = None, evicted: str | None = None) -> Page:
    bodies = [item if isinstance(item, bytes) else msgspec.json.encode(item) for item in items]
    return Page([msgspec.Raw(body) for body in bodies], cursor, evicted)


def _row(last: bytes, **other: object) -> bytes:
    fields: dict[str, object] = {
        "id": REF.id,
        "name": "Ana",
        "unread": 2,
        "updated_at": iso(5000),
        "evicted_before": None,
        "last_message": msgspec.Raw(last),
    }
    return msgspec.json.encode(fields | other)


@pytest.fixture
def written() -> Written:
    """Return what was written of one chat: the last of the three came late."""
    made = Written()
    for at, body in ((4000, b'"a"'), (5000, b'"b"'), (4000, b'"c"')):
        made.told(REF.id, at, body)
    made.chat(StoredChat(REF, REF.jid, None, "Ana", None, 2, 5000, False, False, None))
    return made


def test_messages_are_in_order_of_time_and_of_arrival(written: Written) -> None:
    """Newest first; of one time what came last."""
    assert written.messages(REF.id) == [digest(b'"b"'), digest(b'"c"'), digest(b'"a"')]
    assert written.newest(REF.id) == 5000


def test_a_row_is_right_as_a_whole(written: Written) -> None:
    """Each of what is looked at is looked at."""
    assert written.is_row(REF.id, _row(b'"b"'))
    assert not written.is_row(REF.id, _row(b'"c"'))
    for other in ({"unread": 3}, {"name": None}, {"updated_at": None}, {"id": "x"}):
        assert not written.is_row(REF.id, _row(b'"b"', **other)), other
    assert not written.is_row(REF.id, _row(b'"b"', evicted_before=iso(1)))


def test_a_page_of_rows_needs_all_of_them(written: Written) -> None:
    """An empty page is not right for a chat, nor one with a row more."""
    row = _row(b'"b"')
    assert written.are_rows([REF.id], _page(row))
    assert not written.are_rows([REF.id], _page())
    assert not written.are_rows([REF.id], _page(row, row))


def test_what_is_told_later_counts(written: Written) -> None:
    """A message that came while the daemon ran is the newest, and unread."""
    other = REF._replace(jid="5511999990001@s.whatsapp.net")
    written.chat(StoredChat(other, None, None, None, None, 0, 6000, False, False, None))
    assert written.chats() == [other.id, REF.id]
    written.told(REF.id, 7000, b'"d"')
    assert written.chats() == [REF.id, other.id]
    assert written.is_row(REF.id, _row(b'"d"', unread=3, updated_at=iso(7000)))


def test_contacts_are_by_address() -> None:
    """As the list of contacts has them."""
    made = Written()
    for jid in ("b", "a"):
        made.contact(StoredContact("default", "main", jid, jid.encode()))
    assert made.contacts() == [digest(b"a"), digest(b"b")]


def test_a_page_is_its_items_its_cursor_and_its_gap() -> None:
    """Whatever differs makes another page."""
    pages = [_page(1, 2), _page(2, 1), _page(1, 2, cursor="x"), _page(1, 2, evicted=iso(1))]
    assert len({page.whole() for page in pages}) == 4
    assert _page(1, 2).whole() == _page(1, 2).whole()
    assert _page(1, 2).digests() == [digest(b"1"), digest(b"2")]


async def test_what_is_written_is_what_the_store_holds(tmp_path: Path) -> None:
    """The same messages in the same order, rows and contacts of all chats that have some."""
    written = Written()
    past = Conversations(3, chats=12)
    await write(tmp_path, past, 2500, written)
    store = await SqliteHistory.open(tmp_path)
    assert written.count == 2500
    for ref in past.chats:
        kept = await store.before(ref, None, 10_000)
        bodies = [splice(message.head, message.tail) for _, message in kept]
        assert [digest(body) for body in bodies] == written.messages(ref.id)
    rows = [row for batch in [b async for b in store.chats()] for row in batch]
    assert sorted(rows, key=lambda row: (-row.updated_at, row.ref.id)) == [
        row for chat in written.chats() for row in rows if row.ref.id == chat
    ]
    contacts = [one for batch in [b async for b in store.contacts()] for one in batch]
    assert [digest(one.body) for one in contacts] == written.contacts()
    await store.close()
