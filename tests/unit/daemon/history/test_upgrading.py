"""A ``history.db`` of an earlier zapd is brought up to date when it is opened."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from daemon.history.alphabet import TOKENIZER
from daemon.history.history import History
from daemon.history.models import SearchQuery
from daemon.history.port import HistoryFailed
from daemon.history.schema import VERSION
from daemon.history.sqlite import FILE, SqliteHistory
from tests.support.recorders import SetClock
from tests.unit.daemon.history.lives import confirmations, put, settings
from tests.unit.daemon.history.samples import ANNA, BOB, CHAT, NOON, chat, message

#: What differed in version 1: tokens of workspace and chat alone, in a column of the messages.
FIRST = (
    "DROP TRIGGER words_changed",
    "DROP TRIGGER words_gone",
    "DROP TABLE words",
    "DROP VIEW indexed",
    """ALTER TABLE messages ADD COLUMN
        scope TEXT GENERATED ALWAYS AS ('w' || workspace || ' c' || chat) VIRTUAL""",
    f"""CREATE VIRTUAL TABLE words USING fts5(
        scope, text, content = 'messages', content_rowid = 'n', tokenize = {TOKENIZER}
    )""",
    """INSERT INTO words(rowid, scope, text)
        SELECT n, scope, text FROM messages WHERE text IS NOT NULL""",
    """CREATE TRIGGER words_changed AFTER UPDATE OF chat, text ON messages
    WHEN old.chat IS NOT new.chat OR old.text IS NOT new.text BEGIN
        INSERT INTO words(words, rowid, scope, text)
            SELECT 'delete', old.n, old.scope, old.text WHERE old.text IS NOT NULL;
        INSERT INTO words(rowid, scope, text)
            SELECT new.n, new.scope, new.text WHERE new.text IS NOT NULL;
    END""",
    """CREATE TRIGGER words_gone AFTER DELETE ON messages WHEN old.text IS NOT NULL BEGIN
        INSERT INTO words(words, rowid, scope, text) VALUES('delete', old.n, old.scope, old.text);
    END""",
    "PRAGMA user_version = 1",
)
SHAPE = "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'words_%' ORDER BY name"


async def _first(data: Path) -> None:
    """Leave a file as version 1 did."""
    store = await SqliteHistory.open(data)
    rows = [message(f"m{n}", f"word{n} again" if n % 3 else None, at=NOON + n) for n in range(300)]
    await store.write([chat(), *rows, message("b1", "again", at=NOON + 500, sender=BOB)])
    await store.close()
    with closing(sqlite3.connect(data / FILE, isolation_level=None)) as raw:
        for statement in FIRST:
            raw.execute(statement)


async def test_a_file_of_the_version_before_is_searched_like_a_new_one(tmp_path: Path) -> None:
    """All messages are there, the index is made again, and changes reach it."""
    data = tmp_path / "data"
    await _first(data)
    store = await SqliteHistory.open(data)
    assert store.notice is None
    assert len(await store.before(CHAT, None, 1000)) == 301
    by_bob = SearchQuery("acme", ("again",), senders=(BOB,), sessions=frozenset({"main"}))
    assert [each.message.id for each in (await store.search(by_bob)).found] == ["b1"]
    assert len((await store.search(SearchQuery("acme", ("again",), limit=500))).found) == 201
    await store.write([message("b1", "again", at=NOON + 500, sender=ANNA)])
    assert (await store.search(by_bob)).found == []
    await store.prune(NOON + 400, None)
    assert len((await store.search(SearchQuery("acme", ("again",)))).found) == 1
    await store.close()
    with closing(sqlite3.connect(data / FILE)) as raw:
        raw.execute("INSERT INTO words(words, rank) VALUES('integrity-check', 1)")
        upgraded = raw.execute(SHAPE).fetchall()
        assert raw.execute("PRAGMA user_version").fetchone() == (VERSION,)
    fresh = await SqliteHistory.open(tmp_path / "fresh")
    await fresh.close()
    with closing(sqlite3.connect(tmp_path / "fresh" / FILE)) as raw:
        assert upgraded == raw.execute(SHAPE).fetchall()


async def test_an_upgrade_that_breaks_off_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """All of it or nothing; where the cause is gone, it is done."""
    data = tmp_path / "data"
    await _first(data)
    with closing(sqlite3.connect(data / FILE, isolation_level=None)) as raw:
        raw.execute("DROP TRIGGER words_gone")  # as no version left it: the upgrade cannot be done
        before = raw.execute(SHAPE).fetchall()
    with pytest.raises(HistoryFailed):
        await SqliteHistory.open(data)
    with closing(sqlite3.connect(data / FILE, isolation_level=None)) as raw:
        assert raw.execute(SHAPE).fetchall() == before
        assert raw.execute("PRAGMA user_version").fetchone() == (1,)
        raw.execute("CREATE TRIGGER words_gone AFTER DELETE ON messages BEGIN SELECT 1; END")
    store = await SqliteHistory.open(data)
    assert len(await store.before(CHAT, None, 1000)) == 301
    await store.close()


async def test_no_start_waits_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes meanwhile is written after the upgrade."""
    monkeypatch.setattr("daemon.history.history._OPEN_SECONDS", 0.0)
    data = tmp_path / "data"
    await _first(data)
    with closing(sqlite3.connect(data / FILE, isolation_level=None)) as raw:
        raw.execute("BEGIN IMMEDIATE")  # another program holds the upgrade back
        history = await History.open(settings(data), SetClock(), confirmations().take)
        raw.execute("COMMIT")
    async with history.running():
        await put(history, range(1000, 1003))
        await history.flusher.flush()
        found = await history.store.search(SearchQuery("acme", ("again",), limit=500))
        assert len(found.found) == 204
    await history.close()
