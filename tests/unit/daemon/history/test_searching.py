"""Searches of ``history.db``: short beginnings, what narrows them, and how long they may take."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from daemon.history.lane import connect
from daemon.history.models import Moved, SearchQuery, StoredMessage
from daemon.history.port import HistoryFailed
from daemon.history.searching import Searcher, Watch
from daemon.history.sqlite import FILE, SqliteHistory
from sessions.ids import ChatRef
from tests.unit.daemon.history.samples import ANNA, BOB, CHAT, NOON, message

LID = ChatRef("acme", "main", "200000000000001@lid")
GROUP = ChatRef("acme", "second-1", "120363000000000001@g.us")
OTHER = ChatRef("rival", "main", ANNA)
CHATS = (CHAT, ChatRef("acme", "main", BOB), LID, GROUP, OTHER)
SENDERS = (ANNA, BOB, LID.jid, "0@s.whatsapp.net", "status@broadcast", "strange")


def said(seed: int, many: int) -> Iterator[StoredMessage]:
    """Yield messages of few words: some common, some rare, some of old times only."""
    chance = random.Random(seed)  # noqa: S311 - made-up texts
    for n in range(many):
        words = chance.choices(("ba", "bo", "ná", "cá", "bola", "dia"), (30, 20, 9, 3, 1, 1), k=3)
        words += ["zás"] if n < many // 20 and n % 9 == 0 else []
        kind = chance.choice(("text", "text", "image"))
        each = message(f"m{n}", " ".join(words), at=NOON + n // 3, chat=chance.choice(CHATS))
        yield each._replace(sender=chance.choice(SENDERS), type=kind)


def fits(each: StoredMessage, query: SearchQuery) -> bool:
    """Tell what a search should find, the plain way."""
    have = (each.text or "").translate(str.maketrans("áã", "aa")).split()
    *whole, beginning = query.words
    return (
        each.chat.workspace == query.workspace
        and all(word in have for word in whole)
        and any(word.startswith(beginning) for word in have)
        and (query.sessions is None or each.chat.session in query.sessions)
        and (query.chats is None or each.chat in query.chats)
        and (query.senders is None or each.sender in query.senders)
        and query.type in (None, each.type)
        and (query.since is None or each.at >= query.since)
        and (query.until is None or each.at <= query.until)
    )


def narrowings(chance: random.Random) -> Iterator[SearchQuery]:
    """Yield searches for beginnings of one letter and more, narrowed in every way."""
    for words in [("b",), ("c",), ("z",), ("x",), ("ca",), ("dia", "b"), ("ba", "z"), ("na", "bo")]:
        plain = SearchQuery("acme", words, limit=chance.choice((1, 7, 50)))
        yield plain
        yield plain._replace(senders=(chance.choice(SENDERS),))
        yield plain._replace(senders=tuple(chance.sample(SENDERS, 2)), type="image")
        yield plain._replace(chats=(LID, CHAT), type="text")
        yield plain._replace(sessions=frozenset({"second-1"}), since=NOON + 100, until=NOON + 500)
        yield plain._replace(sessions=frozenset({"main", "none"}), until=NOON + 20)


async def every_page(store: SqliteHistory, query: SearchQuery) -> list[str]:
    """Return the ids on all pages."""
    found: list[str] = []
    while True:
        page = await store.search(query)
        assert len(page.found) <= query.limit
        found += [each.message.id for each in page.found]
        if page.end is None:
            return found
        query = query._replace(after=page.end)


async def test_beginnings_are_found_whether_common_or_rare(tmp_path: Path) -> None:
    """On pages of any size, narrowed by anything: what looking at each message finds."""
    rows = list(said(1, 2400))
    store = await SqliteHistory.open(tmp_path)
    await store.write(rows)
    lengths = set()
    for query in narrowings(random.Random(2)):  # noqa: S311 - any will do
        expected = [each.id for each in reversed(rows) if fits(each, query)]
        assert await every_page(store, query) == expected, query
        lengths.add(len(expected))
    assert len(lengths) > 20  # hardly any search finds what another does
    await store.close()


async def test_the_index_says_of_messages_what_their_rows_say(tmp_path: Path) -> None:
    """After chats were joined, texts changed, people erased and the old left."""
    rows = list(said(3, 600))
    store = await SqliteHistory.open(tmp_path)
    await store.write(rows)
    await store.write([each._replace(text=None, type="deleted") for each in rows[:50]])
    await store.write([each._replace(text="new", type="edited") for each in rows[40:90]])
    await store.write([Moved(LID, CHAT)])
    await store.erase_contact(CHATS[1].key, frozenset({BOB}))
    await store.prune(NOON + 5, None)
    await store.close()
    with closing(sqlite3.connect(tmp_path / FILE)) as raw:
        raw.execute("INSERT INTO words(words, rank) VALUES('integrity-check', 1)")
        raw.execute("UPDATE messages SET sender = 'x@lid' WHERE n = (SELECT max(n) FROM messages)")
        raw.execute("INSERT INTO words(words, rank) VALUES('integrity-check', 1)")
        raw.execute("DROP TRIGGER words_changed")
        raw.execute("UPDATE messages SET sender = 'y@lid' WHERE n = (SELECT max(n) FROM messages)")
        with pytest.raises(sqlite3.DatabaseError):  # so the check can tell
            raw.execute("INSERT INTO words(words, rank) VALUES('integrity-check', 1)")


class Ticks:
    """A clock that is a second later at each look."""

    def __init__(self) -> None:
        self._looks = count()

    def __call__(self) -> float:
        """Return the time."""
        return next(self._looks)


async def test_what_takes_too_long_tells_how_far_it_came(tmp_path: Path) -> None:
    """The pages after it go on there; all is found once."""
    rows = [message(f"m{n}", "the sun is out", at=NOON + n) for n in range(3000)]
    store = await SqliteHistory.open(tmp_path, Watch(30, Ticks()))
    await store.write(rows)
    for word in ("s", "sunn", "outs"):
        assert await every_page(store, SearchQuery("acme", (word, "sun"), limit=9000)) == []
    query, found, pages = SearchQuery("acme", ("the", "s"), limit=9000), list[str](), 0
    while True:
        page = await store.search(query)
        pages += 1
        found += [each.message.id for each in page.found]
        if page.end is None:
            break
        assert page.end == page.found[-1].place
        query = query._replace(after=page.end)
    assert found == [each.id for each in reversed(rows)]
    assert pages > 2
    await store.close()


async def test_what_finds_nothing_in_its_time_fails(tmp_path: Path) -> None:
    """With what to do about it; the next search is none the worse."""
    store = await SqliteHistory.open(tmp_path)
    await store.write([message(f"m{n}", "sun", at=NOON + n) for n in range(500)])
    await store.close()
    with closing(connect(tmp_path / FILE, writes=False)) as connection:
        hasty = Searcher(connection, Watch(0, Ticks()))
        with pytest.raises(HistoryFailed, match="takes too long") as caught:
            hasty.find(SearchQuery("acme", ("s",)))
        assert "words" in (caught.value.user_action or "")
        assert len(Searcher(connection, Watch()).find(SearchQuery("acme", ("s",))).found) == 50


async def test_no_page_waits_for_a_search(tmp_path: Path) -> None:
    """However many searches there are, and however long each takes."""
    go_on = threading.Event()

    def clock() -> float:
        assert go_on.wait(20)
        return 0.0

    store = await SqliteHistory.open(tmp_path, Watch(1, clock))
    await store.write([message("m1", "sun")])
    async with asyncio.TaskGroup() as tasks:
        slow = [tasks.create_task(store.search(SearchQuery("acme", ("sun",)))) for _ in range(5)]
        assert [each.id for _, each in await store.before(CHAT, None, 10)] == ["m1"]
        assert await store.chat(CHAT) is not None
        assert not any(task.done() for task in slow)
        go_on.set()
    assert [len(task.result().found) for task in slow] == [1] * 5
    await store.close()
