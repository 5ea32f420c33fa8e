"""The history's own file."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from daemon.history.models import Dropped, Moved, Record, SearchQuery, StoredMessage
from daemon.history.port import HistoryFailed
from daemon.history.sqlite import FILE, SqliteHistory
from sessions.ids import ChatRef, SessionKey
from tests.unit.daemon.history.samples import ANNA, BOB, CHAT, NOON, chat, contact, message

LID = ChatRef("acme", "main", "200000000000001@lid")
OTHER = ChatRef("rival", "main", ANNA)


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteHistory]:
    """Yield an open store."""
    store = await SqliteHistory.open(tmp_path / "data")
    yield store
    await store.close()


async def ids(store: SqliteHistory, chat: ChatRef = CHAT) -> list[str]:
    """Return the ids of a chat, newest first."""
    return [message.id for _, message in await store.before(chat, None, 1000)]


async def search(store: SqliteHistory, *words: str, **more: Any) -> list[str]:  # noqa: ANN401 - a query's own fields
    """Return the ids that a search in acme finds."""
    query = SearchQuery(workspace="acme", words=words, **more)
    return [found.message.id for found in await store.search(query)]


async def test_a_message_comes_back_byte_for_byte(store: SqliteHistory) -> None:
    """By its id, and in its chat."""
    kept = message("m1")
    await store.write([kept])
    assert await store.message("acme", "m1") == kept
    assert [found for _, found in await store.before(CHAT, None, 10)] == [kept]


async def test_pages_follow_each_other(store: SqliteHistory) -> None:
    """Newest first, in order of time and then of arrival; each message on one page."""
    times = [NOON, NOON, NOON + 5, NOON - 5, NOON]
    await store.write([message(f"m{n}", at=at) for n, at in enumerate(times)])
    await store.write([message("m5", at=NOON)])
    whole = await ids(store)
    assert whole == ["m2", "m5", "m4", "m1", "m0", "m3"]
    place, paged = None, []
    while page := await store.before(CHAT, place, 2):
        paged += [found.id for _, found in page]
        place = page[-1][0]
    assert paged == whole
    start = await store.place("acme", "m3")
    assert start is not None
    assert [m.id for _, m in await store.after(CHAT, start, 3)] == ["m0", "m1", "m4"]


async def test_the_same_id_again_is_a_change(store: SqliteHistory) -> None:
    """In its place, with its new words; within one batch too."""
    await store.write([message("m1", "before"), message("m2", at=NOON + 1)])
    await store.write([message("m1", "middle"), message("m1", "after")])
    assert await ids(store) == ["m2", "m1"]
    found = await store.message("acme", "m1")
    assert found is not None
    assert found.text == "after"
    assert await search(store, "after") == ["m1"]
    assert await search(store, "before") == []
    assert await search(store, "middle") == []


async def test_writing_all_again_changes_nothing(store: SqliteHistory) -> None:
    """A flush whose answer was lost is repeated."""
    batch: list[Record] = [
        chat(),
        *(message(f"m{n}", f"word{n}", at=NOON + n) for n in range(50)),
        contact(),
    ]
    await store.write(batch)
    before = await ids(store)
    await store.write(batch)
    assert await ids(store) == before
    assert await search(store, "word7") == ["m7"]


async def test_workspaces_do_not_meet(store: SqliteHistory) -> None:
    """The same chat and id in another workspace is another message; no search crosses."""
    await store.write([message("m1", "ours"), message("m1", "theirs", chat=OTHER)])
    assert await search(store, "theirs") == []
    assert await search(store, "theirs", chat=OTHER) == []
    assert await search(store, "ours") == ["m1"]
    theirs = await store.message("rival", "m1")
    assert theirs is not None
    assert theirs.text == "theirs"
    assert await store.message("nobody", "m1") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Não esqueça a reunião", ("reuniao",)),
        ("Não esqueça a reunião", ("NAO", "esqueca")),
        ("the meeting is tomorrow", ("meet",)),
        ('say "AND" OR near(this)', ("and", "or")),
        ("preço: 12,50", ("12", "50")),
        ("a*b", ("b",)),
    ],
)
async def test_words_are_found(store: SqliteHistory, text: str, words: tuple[str, ...]) -> None:
    """Accents and case aside, the last as a beginning; nothing in a word is an operator."""
    await store.write([message("m1", text), message("m2", "something else")])
    assert await search(store, *words) == ["m1"]


@pytest.mark.parametrize("word", ['"', "*", "()", "scope:w1", "", "text : x", "NOT"])
async def test_odd_words_find_nothing_and_break_nothing(store: SqliteHistory, word: str) -> None:
    """Whatever a person types."""
    await store.write([message("m1", "hello")])
    assert await search(store, word) == []


async def test_what_narrows_a_search(store: SqliteHistory) -> None:
    """Session, chat, sender, type, time and page."""
    second = ChatRef("acme", "second", BOB)
    await store.write(
        [
            message("m1", "sun", at=NOON),
            message("m2", "sun", at=NOON + 1000, chat=second),
            message("m3", "sun", at=NOON + 2000, sender=BOB),
        ]
    )
    assert await search(store, "sun") == ["m3", "m2", "m1"]
    assert await search(store, "sun", sessions=frozenset({"main"})) == ["m3", "m1"]
    assert await search(store, "sun", sessions=frozenset()) == []
    assert await search(store, "sun", chat=second) == ["m2"]
    assert await search(store, "sun", sender=ANNA) == ["m1"]
    assert await search(store, "sun", type="image") == []
    assert await search(store, "sun", since=NOON + 1000) == ["m3", "m2"]
    assert await search(store, "sun", until=NOON + 1000) == ["m2", "m1"]
    page = await store.search(SearchQuery("acme", ("sun",), limit=1))
    assert await search(store, "sun", after=page[0].place) == ["m2", "m1"]


async def test_a_snippet_marks_what_was_found(store: SqliteHistory) -> None:
    """With marks that no text can bring along."""
    await store.write([message("m1", "one \x02two\x03 three")])
    found = await store.search(SearchQuery("acme", ("two",)))
    assert found[0].snippet == "one \x02two\x03 three"
    assert found[0].message.text == "one two three"


async def test_merged_chats_are_one(store: SqliteHistory) -> None:
    """Messages are found under the number, and say so themselves."""
    await store.write([message("m1", "early", chat=LID), message("m2", "late", at=NOON + 1)])
    await store.write([Moved(LID, CHAT), chat()])
    assert await ids(store) == ["m2", "m1"]
    assert await ids(store, LID) == []
    moved = await store.message("acme", "m1")
    assert moved is not None
    assert (moved.chat, moved.sender) == (CHAT, ANNA)
    assert CHAT.id.encode() in moved.head
    assert LID.jid.encode() not in moved.head
    assert await search(store, "early", chat=CHAT) == ["m1"]
    assert [found.ref async for batch in store.chats() for found in batch] == [CHAT]


async def test_a_deleted_session_leaves_nothing(store: SqliteHistory) -> None:
    """Of that workspace alone."""
    await store.write([message("m1"), chat(), contact(), message("m1", chat=OTHER)])
    await store.write([Dropped("acme", "main")])
    assert await ids(store) == []
    assert await search(store, "hello") == []
    assert [batch async for batch in store.contacts()] == []
    assert await ids(store, OTHER) == ["m1"]
    await store.write([message("m1", "again")])
    assert await ids(store) == ["m1"]


async def test_chats_and_contacts_come_in_batches(store: SqliteHistory) -> None:
    """All of them once; chats by activity."""
    refs = [ChatRef("acme", "main", f"55119999{n:05d}@s.whatsapp.net") for n in range(4500)]
    await store.write([chat(ref, at=NOON + n % 7) for n, ref in enumerate(refs)])
    await store.write([contact(ref.jid) for ref in refs])
    found = [each async for batch in store.chats() for each in batch]
    assert {each.ref for each in found} == set(refs)
    assert len(found) == len(refs)
    assert [each.updated_at for each in found] == sorted(
        (each.updated_at for each in found), reverse=True
    )
    people = [each async for batch in store.contacts() for each in batch]
    assert {each.jid for each in people} == {ref.jid for ref in refs}
    assert await store.chat(refs[3]) == chat(refs[3], at=NOON + 3)


async def test_an_erased_contact_leaves_no_byte(store: SqliteHistory) -> None:
    """Neither in rows nor in free pages, index or log; what others wrote stays."""
    group = ChatRef("acme", "main", "120363000000000001@g.us")
    await store.write(
        [
            *(message(f"a{n}", f"zebraphrase {n}", at=NOON + n) for n in range(300)),
            message("g1", "xylophonephrase", chat=group, sender=ANNA),
            message("g2", "staying", chat=group, sender=BOB),
            chat(),
            contact(),
        ]
    )
    counts = await store.erase_contact(SessionKey("acme", "main"), frozenset({ANNA}))
    assert counts == {"messages": 301, "chats": 1, "contacts": 1}
    assert await ids(store, group) == ["g2"]
    raw = b"".join(path.read_bytes() for path in store.path.parent.iterdir())
    for trace in (b"zebraphrase", b"xylophonephrase", ANNA.partition("@")[0].encode()):
        assert trace not in raw


async def test_old_messages_leave(store: SqliteHistory) -> None:
    """By age, and by size: the oldest first."""
    await store.write([message(f"m{n}", at=NOON + n) for n in range(100)])
    assert await store.prune(NOON + 40, None) == 40
    assert (await ids(store))[-1] == "m40"
    assert await store.prune(None, 10**12) == 0
    big = [message(f"b{n}", "x" * 1000, at=NOON + 1000 + n) for n in range(12_000)]
    await store.write(big)
    gone = await store.prune(None, 8 << 20)
    assert 9_000 < gone < 12_000
    assert (await ids(store))[0] == "b11999"
    assert await search(store, "hello") == []


async def test_a_failed_batch_leaves_nothing(store: SqliteHistory) -> None:
    """All or none; and the numbers that it took are free."""
    broken = message("m2")._replace(head=None)  # type: ignore[arg-type]  # what SQLite refuses
    with pytest.raises(HistoryFailed):
        await store.write([chat(), message("m1"), broken])
    assert await ids(store) == []
    await store.write([message("m1")])
    assert await ids(store) == ["m1"]


async def test_the_file_is_its_owners(store: SqliteHistory) -> None:
    """Log and index too."""
    await store.write([message("m1")])
    modes = {stat.S_IMODE(path.stat().st_mode) for path in store.path.parent.iterdir()}
    assert modes == {0o600}


async def test_what_was_committed_outlives_a_kill(tmp_path: Path) -> None:
    """A process that ends without closing: the next finds all."""
    store = await SqliteHistory.open(tmp_path / "data")
    await store.write([message("m1")])
    copies = tmp_path / "copy"
    copies.mkdir(mode=0o700)
    for path in store.path.parent.iterdir():  # what a killed process leaves on the disk
        (copies / path.name).write_bytes(path.read_bytes())
    await store.close()
    again = await SqliteHistory.open(copies)
    assert await again.message("acme", "m1") == message("m1")
    await again.close()


async def test_a_damaged_file_is_set_aside(tmp_path: Path) -> None:
    """And a new one begun; the damaged one is kept for whoever can mend it."""
    data = tmp_path / "data"
    store = await SqliteHistory.open(data)
    await store.write([message("m1")])
    await store.close()
    (data / FILE).write_bytes(os.urandom(8192))
    again = await SqliteHistory.open(data)
    assert await again.message("acme", "m1") is None
    await again.write([message("m2")])
    await again.close()
    assert (data / "history.db.damaged-1").stat().st_size == 8192


async def test_the_loop_goes_on_while_it_writes(store: SqliteHistory) -> None:
    """Nothing of it runs on the event loop."""
    batch: list[StoredMessage] = [message(f"m{n}", at=NOON + n) for n in range(5000)]
    writing = asyncio.ensure_future(store.write(batch))
    turns = 0
    while not writing.done():
        await asyncio.sleep(0)
        turns += 1
    await writing
    assert turns > 10
