from __future__ import annotations

import asyncio
from pathlib import Path

import aiosqlite
import pytest

from daemon.storage.database import Database
from daemon.storage.outbox import REASON_MAX, Counts, Entry, Item, Outbox, put
from daemon.storage.workspaces import WorkspaceStore
from tests.unit.daemon.manual_clock import START_MS, ManualClock

pytestmark = pytest.mark.usefixtures("workspaces")


@pytest.fixture
def outbox(database: Database, clock: ManualClock) -> Outbox:
    """Return the outbox of the database."""
    return Outbox(database, clock)


def entry(key: str, op: str, kind: str = "tag", workspace: str = "acme") -> Entry:
    """Return an entry whose document tells its operation."""
    return Entry(workspace, kind, key, op, f"doc of {op}".encode())


async def write(database: Database, clock: ManualClock, *entries: Entry) -> None:
    """Put entries in one transaction."""

    async def job(connection: aiosqlite.Connection) -> None:
        await put(connection, entries, clock.now_ms())

    await database.write(job)


async def ops(outbox: Outbox, kind: str = "tag", limit: int = 100) -> list[str]:
    """Return the operations that a sender would be given."""
    return [item.op_id for item in await outbox.take(kind, limit)]


async def test_entries_are_given_in_the_order_they_came(
    outbox: Outbox, database: Database, clock: ManualClock
) -> None:
    """Kind by kind, as many as are asked for; they stay until they are acknowledged."""
    await write(database, clock, entry("a", "1"), entry("b", "2"), entry("a", "3", kind="note"))
    await write(database, clock, entry("c", "4"), entry("a", "5", workspace="beta"))
    assert await ops(outbox) == ["1", "2", "4", "5"]
    assert await ops(outbox, limit=2) == ["1", "2"]
    assert await ops(outbox, "note") == ["3"]
    assert await outbox.kinds() == {"tag", "note"}
    assert await ops(outbox) == ["1", "2", "4", "5"]


async def test_a_newer_write_takes_the_place_of_the_one_that_waits(
    outbox: Outbox, database: Database, clock: ManualClock
) -> None:
    """One row a key, whole, in its turn, as old as the first write."""
    await write(database, clock, entry("a", "1"), entry("b", "2"))
    clock.forward(60)
    await write(database, clock, entry("a", "3"), entry("a", "4"))
    (first, second) = await outbox.take("tag", 10)
    assert first == Item(first.seq, "acme", "tag", "a", "4", b"doc of 4", START_MS, 0)
    assert second.op_id == "2"
    assert await outbox.counts() == Counts(2, START_MS, 0)


async def test_what_was_sent_is_forgotten(
    outbox: Outbox, database: Database, clock: ManualClock
) -> None:
    """An acknowledged item is gone; acknowledged twice is no harm."""
    await write(database, clock, *(entry(str(n), str(n)) for n in range(500)))
    batch = await outbox.take("tag", 300)
    assert await outbox.ack(batch) == 300
    assert await outbox.ack(batch) == 0
    assert await outbox.ack([]) == 0
    assert len(await ops(outbox, limit=1000)) == 200


async def test_a_write_that_comes_while_one_is_sent_stays(
    outbox: Outbox, database: Database, clock: ManualClock
) -> None:
    """The acknowledgement is of the operation that was sent, not of the key."""
    await write(database, clock, entry("a", "1"))
    sent = await outbox.take("tag", 10)
    await write(database, clock, entry("a", "2"))
    assert await outbox.ack(sent) == 0
    assert await outbox.later(sent, 60) == 0
    assert not await outbox.bury(sent[0], "23514", "no")
    assert await ops(outbox) == ["2"]
    assert (await outbox.counts()).dead == 0


async def test_an_item_waits_until_it_is_due(
    outbox: Outbox, database: Database, clock: ManualClock
) -> None:
    """A try is counted; a newer write is due at once and has its own tries."""
    await write(database, clock, entry("a", "1"), entry("b", "2"))
    await outbox.later(await outbox.take("tag", 1), 30)
    assert await ops(outbox) == ["2"]
    assert (await outbox.counts()).pending == 2
    assert await outbox.kinds() == {"tag"}
    clock.forward(30)
    assert [(item.op_id, item.tries) for item in await outbox.take("tag", 9)] == [
        ("1", 1),
        ("2", 0),
    ]
    await outbox.later(await outbox.take("tag", 1), 30)
    await write(database, clock, entry("a", "3"))
    assert [(item.op_id, item.tries) for item in await outbox.take("tag", 9)] == [
        ("3", 0),
        ("2", 0),
    ]


async def test_what_cannot_arrive_is_buried_with_the_reason(
    outbox: Outbox, database: Database, clock: ManualClock
) -> None:
    """It waits no longer, can be seen, and only in its own workspace."""
    await write(database, clock, entry("a", "1"), entry("b", "2"))
    clock.forward(5)
    (item, _) = await outbox.take("tag", 2)
    assert await outbox.bury(item, "23514", "x" * 5000)
    assert await ops(outbox) == ["2"]
    (letter,) = await outbox.letters("acme")
    assert letter[1:] == (
        *("acme", "tag", "a", "1", b"doc of 1"),
        *(START_MS, START_MS + 5000, 1, "23514", "x" * REASON_MAX),
    )
    assert await outbox.letters("beta") == []
    assert await outbox.counts() == Counts(1, START_MS, 1)


async def test_what_was_buried_can_be_sent_again(
    outbox: Outbox, database: Database, clock: ManualClock
) -> None:
    """Of one's own workspace; it is sent after what waits."""
    await write(database, clock, entry("a", "1"), entry("b", "2"))
    (item, _) = await outbox.take("tag", 2)
    await outbox.bury(item, "23514", "no")
    (letter,) = await outbox.letters()
    assert await outbox.retry([letter.id], "beta") == 0
    assert await outbox.drop([letter.id], "beta") == 0
    assert await outbox.retry([letter.id, 99], "acme") == 1
    assert await outbox.retry([letter.id]) == 0
    assert await ops(outbox) == ["2", "1"]
    assert await outbox.letters() == []


async def test_what_was_buried_can_be_dropped(
    outbox: Outbox, database: Database, clock: ManualClock
) -> None:
    """It is gone for good."""
    await write(database, clock, entry("a", "1"))
    await outbox.bury((await outbox.take("tag", 1))[0], "23514", "no")
    assert await outbox.drop([letter.id for letter in await outbox.letters()]) == 1
    assert await outbox.counts() == Counts(0, None, 0)


async def test_a_newer_write_replaces_what_was_buried(
    outbox: Outbox, database: Database, clock: ManualClock
) -> None:
    """The row was mended: what was wrong with it need not be seen any more."""
    await write(database, clock, entry("a", "1"), entry("a", "9", workspace="beta"))
    for item in await outbox.take("tag", 2):
        await outbox.bury(item, "23514", "no")
    await write(database, clock, entry("a", "2"))
    assert [letter.op_id for letter in await outbox.letters()] == ["9"]
    assert await ops(outbox) == ["2"]
    await outbox.bury((await outbox.take("tag", 1))[0], "22001", "still no")
    assert [(letter.op_id, letter.code) for letter in await outbox.letters("acme")] == [
        ("2", "22001")
    ]


async def test_letters_are_paged(outbox: Outbox, database: Database, clock: ManualClock) -> None:
    """A page goes on after the id of the last."""
    await write(database, clock, *(entry(str(n), str(n)) for n in range(5)))
    for item in await outbox.take("tag", 5):
        await outbox.bury(item, "23514", "no")
    page = await outbox.letters(limit=3)
    rest = await outbox.letters(limit=3, after=page[-1].id)
    assert [letter.op_id for letter in page + rest] == ["0", "1", "2", "3", "4"]


async def test_an_entry_lives_and_dies_with_its_change(
    outbox: Outbox, database: Database, clock: ManualClock
) -> None:
    """A job that fails after it has put leaves nothing to send."""

    async def job(connection: aiosqlite.Connection) -> None:
        await put(connection, [entry("a", "1")], clock.now_ms())
        raise LookupError("the change is refused")

    with pytest.raises(LookupError):
        await database.write(job)
    assert await outbox.counts() == Counts(0, None, 0)


async def test_what_waits_survives_and_nothing_is_lost_or_doubled(
    data_dir: Path, clock: ManualClock
) -> None:
    """600 writes to 200 keys while a sender takes, fails and is started anew: the last values go."""
    sent: dict[str, str] = {}
    written = 0
    for life in range(3):
        database = await Database.open(data_dir)
        await WorkspaceStore(database, clock).ensure("acme")
        outbox = Outbox(database, clock)

        async def send(outbox: Outbox = outbox) -> None:
            for turn in range(20):
                batch = await outbox.take("tag", 25)
                await asyncio.sleep(0)
                if turn % 3:  # every third batch is lost on the way
                    sent.update((item.key, item.op_id) for item in batch)
                    await outbox.ack(batch)

        sending = asyncio.ensure_future(send())
        for _ in range(200):
            await write(database, clock, entry(str(written * 7 % 200), f"{written:03}"))
            written += 1
        await sending
        if life == 2:
            while batch := await outbox.take("tag", 25):
                sent.update((item.key, item.op_id) for item in batch)
                assert await outbox.ack(batch) == len(batch)
        await database.close()
    last = {str(n * 7 % 200): f"{n:03}" for n in range(600)}
    assert sent == last
