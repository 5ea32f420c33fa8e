from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter

import aiosqlite
import pytest
from hypothesis import given, strategies as st

from daemon.storage import known_chats as module
from daemon.storage.database import Database
from daemon.storage.known_chats import SqliteKnownChats, chat_hash
from daemon.storage.workspaces import WorkspaceStore
from sessions.ids import SessionKey
from sessions.ports import KnownChats
from tests.unit.daemon.storage.rows import add_session

JID = "5511999990000@s.whatsapp.net"


@pytest.fixture
async def ready(database: Database, workspaces: WorkspaceStore) -> Database:
    """Return a database with one session in each workspace."""
    await add_session(database, "acme")
    await add_session(database, "beta")
    return database


async def stored(database: Database) -> list[str]:
    """Return the chats on disk."""
    rows = await database.all("SELECT workspace, jid FROM known_chats ORDER BY workspace, jid")
    return [f"{row['workspace']}/{row['jid']}" for row in rows]


async def eventually(ask: Callable[[], Awaitable[object]], expected: object) -> None:
    """Wait until the answer is as expected."""
    async with asyncio.timeout(10):
        while await ask() != expected:
            await asyncio.sleep(0.01)


async def test_a_chat_is_new_once(ready: Database) -> None:
    """The second time, and after a restart, it is known; elsewhere it is new."""
    known: KnownChats = await SqliteKnownChats.load(ready)
    assert known.add("acme", "s1", JID)
    assert not known.add("acme", "s1", JID)
    assert known.add("beta", "s1", JID)
    assert isinstance(known, SqliteKnownChats)
    await known.close()
    again = await SqliteKnownChats.load(ready)
    assert not again.add("acme", "s1", JID)
    assert again.add("acme", "s1", "other@g.us")
    assert again.size_bytes == 2 * 8 + 72
    await again.close()


async def test_chats_reach_the_disk_by_themselves(ready: Database) -> None:
    """Without a close the rows are written some 50 ms later."""
    known = await SqliteKnownChats.load(ready)
    known.add("acme", "s1", "b@g.us")
    known.add("acme", "s1", "a@g.us")
    await eventually(lambda: stored(ready), ["acme/a@g.us", "acme/b@g.us"])
    known.add("acme", "s1", "c@g.us")
    await eventually(lambda: stored(ready), ["acme/a@g.us", "acme/b@g.us", "acme/c@g.us"])
    await known.close()
    await known.close()


async def test_what_comes_while_a_batch_is_written_is_written_too(ready: Database) -> None:
    """A chat that is added during a flush is in the next, also on close."""
    known = await SqliteKnownChats.load(ready)
    for number in range(300):
        known.add("acme", "s1", f"{number}@g.us")
        if number % 50 == 0:
            await asyncio.sleep(0.06)
    await known.close()
    assert len(await stored(ready)) == 300


async def test_a_session_that_is_gone_spoils_no_batch(ready: Database) -> None:
    """A chat of a deleted session is left out, its neighbours are written."""
    known = await SqliteKnownChats.load(ready)
    known.add("acme", "gone", JID)
    known.add("acme", "s1", JID)
    await known.close()
    assert await stored(ready) == [f"acme/{JID}"]


async def test_forgetting_drops_what_was_not_written(ready: Database) -> None:
    """The rows of a forgotten session are not written any more."""
    known = await SqliteKnownChats.load(ready)
    known.add("acme", "s1", JID)
    known.add("beta", "s1", JID)
    known.forget(SessionKey("acme", "s1"))
    await known.close()
    assert await stored(ready) == [f"beta/{JID}"]


async def set_pages(database: Database, pages: int) -> None:
    """Let the database file have that many pages at most; it never gets smaller by that."""

    async def job(connection: aiosqlite.Connection) -> None:
        await connection.execute(f"PRAGMA max_page_count = {pages}")

    await database.write(job)


async def test_a_failed_write_is_tried_again(
    ready: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk is full the rows wait, and are written once there is room."""
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.02)
    await set_pages(ready, 1)
    known = await SqliteKnownChats.load(ready)
    known.add("acme", "s1", JID * 1000)
    await asyncio.sleep(0.2)
    assert await stored(ready) == []
    await set_pages(ready, 100_000)
    await eventually(lambda: stored(ready), [f"acme/{JID * 1000}"])
    await known.close()


async def test_closing_on_a_full_disk_ends(ready: Database) -> None:
    """A close that cannot write gives up instead of waiting for ever."""
    await set_pages(ready, 1)
    known = await SqliteKnownChats.load(ready)
    known.add("acme", "s1", JID * 1000)
    await asyncio.wait_for(known.close(), 5)


async def test_an_answer_takes_less_than_a_tenth_of_a_millisecond(ready: Database) -> None:
    """With a hundred thousand chats loaded, the answer still comes from memory at once."""

    async def fill(connection: aiosqlite.Connection) -> None:
        rows = [("acme", "s1", chat_hash(f"{n}@g.us"), f"{n}@g.us") for n in range(100_000)]
        await connection.executemany("INSERT INTO known_chats VALUES(?, ?, ?, ?)", rows)

    await ready.write(fill)
    known = await SqliteKnownChats.load(ready)
    assert known.size_bytes == 800_000
    begin = perf_counter()
    assert not any(known.add("acme", "s1", f"{number}@g.us") for number in range(10_000))
    assert (perf_counter() - begin) / 10_000 < 0.0001
    await known.close()


@given(st.text())
def test_a_hash_is_what_sqlite_takes(jid: str) -> None:
    """Any address becomes a signed number of eight bytes, always the same."""
    number = chat_hash(jid.encode("utf-8", "replace").decode())
    assert -(1 << 63) <= number < 1 << 63
    assert number == chat_hash(jid.encode("utf-8", "replace").decode())
