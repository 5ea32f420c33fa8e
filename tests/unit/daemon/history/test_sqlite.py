"""The history's own file: what it does beyond the contract (tests/contract/history)."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from daemon.history.models import StoredMessage
from daemon.history.port import HistoryFailed
from daemon.history.sqlite import FILE, SqliteHistory
from sessions.ids import ChatRef, SessionKey
from tests.contract.history.asking import ids, search
from tests.unit.daemon.history.samples import ANNA, BOB, NOON, chat, contact, message


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteHistory]:
    """Yield an open store."""
    store = await SqliteHistory.open(tmp_path / "data")
    yield store
    await store.close()


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
