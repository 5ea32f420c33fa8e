from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import aiosqlite
import pytest

from daemon.storage.database import Database
from daemon.storage.failures import StorageFull
from daemon.storage.sends import SqliteSendJournal
from daemon.storage.workspaces import WorkspaceStore
from sessions.errors import SessionNotFound
from sessions.ports import SendJournal
from tests.unit.daemon.manual_clock import ManualClock
from tests.unit.daemon.storage.rows import add_session, send

ROOT = Path(__file__).parents[4]
ACCEPT_FOREVER = """
import asyncio, sys
from pathlib import Path
from daemon.clock import SystemClock
from daemon.storage.database import Database
from daemon.storage.sends import SqliteSendJournal
from tests.unit.daemon.storage.rows import send

async def main():
    journal = SqliteSendJournal(await Database.open(Path(sys.argv[1])), SystemClock())
    number = 0
    while True:
        names = [f"m{number + step}" for step in range(5)]
        await asyncio.gather(*(journal.accept(send(message=name)) for name in names))
        print(*names, flush=True)
        number += 5

asyncio.run(main())
"""


@pytest.fixture
async def journal(
    database: Database, workspaces: WorkspaceStore, clock: ManualClock
) -> SqliteSendJournal:
    """Return a journal of a database with one session."""
    await add_session(database)
    return SqliteSendJournal(database, clock)


async def test_a_row_comes_back_as_it_was(journal: SendJournal) -> None:
    """Every field survives; a row without a key is found among the unfinished."""
    row = send()
    assert await journal.accept(row) is None
    assert await journal.unfinished() == [row]


async def test_the_same_key_gives_the_row_that_has_it(journal: SendJournal) -> None:
    """A second accept with a key writes nothing and answers the first row."""
    first = send(key="k")
    assert await journal.accept(first) is None
    assert await journal.accept(send(key="k", message="m2", text="other")) == first
    assert await journal.find("acme", "s1", "k") == first
    assert await journal.find("acme", "s1", "other") is None
    assert await journal.find("beta", "s1", "k") is None
    assert len(await journal.unfinished()) == 1


async def test_many_at_once_with_one_key_accept_one(journal: SendJournal) -> None:
    """However many come together, one is accepted and the others are answered with it."""
    answers = await asyncio.gather(
        *(journal.accept(send(key="k", message=f"m{n}")) for n in range(50))
    )
    accepted = [n for n, answer in enumerate(answers) if answer is None]
    assert len(accepted) == 1
    assert {answer.id for answer in answers if answer} == {f"m{accepted[0]}"}


async def test_keys_of_other_workspaces_are_others(
    journal: SendJournal, database: Database
) -> None:
    """The same key in another workspace is another send."""
    await add_session(database, "beta")
    assert await journal.accept(send(key="k")) is None
    assert await journal.accept(send(key="k", workspace="beta")) is None


async def test_states_and_wa_ids_are_marked(journal: SendJournal) -> None:
    """A mark changes the state, and WhatsApp's id where it is given."""
    row = send(key="k")
    await journal.accept(row)
    await journal.mark(row, "trying", "3EB0")
    assert (await journal.unfinished())[0].wa_id == "3EB0"
    await journal.mark(row, "sent")
    found = await journal.find("acme", "s1", "k")
    assert found is not None
    assert (found.state, found.wa_id) == ("sent", "3EB0")
    assert await journal.unfinished() == []


async def test_the_unfinished_are_told_oldest_first(journal: SendJournal) -> None:
    """By their time, and in the order of acceptance within one."""
    for message, at in (("m1", 5), ("m2", 3), ("m3", 5)):
        await journal.accept(send(message=message, at=at))
    assert [row.id for row in await journal.unfinished()] == ["m2", "m1", "m3"]


async def test_a_session_that_is_gone_takes_no_send(journal: SendJournal) -> None:
    """A send that lost the race with a deletion is refused as such."""
    with pytest.raises(SessionNotFound):
        await journal.accept(send(workspace="beta"))


async def test_finished_rows_are_pruned_in_time(
    journal: SqliteSendJournal, clock: ManualClock
) -> None:
    """Rows that were finished longer ago than they are kept go; the unfinished stay."""
    rows = [send(message=f"m{n}", key=f"k{n}") for n in range(3)]
    for row in rows:
        await journal.accept(row)
    await journal.mark(rows[0], "sent")
    clock.forward(50)
    await journal.mark(rows[1], "failed")
    clock.forward(50)
    assert await journal.prune(60_000) == 1
    assert await journal.find("acme", "s1", "k0") is None
    assert [row.id for row in await journal.unfinished()] == ["m2"]
    clock.forward(3600)
    assert await journal.prune(60_000) == 1


async def test_many_rows_are_pruned(journal: SqliteSendJournal, clock: ManualClock) -> None:
    """More rows than one transaction takes are all pruned."""
    rows = [send(message=f"m{n}") for n in range(1100)]
    await asyncio.gather(*(journal.accept(row) for row in rows))
    await asyncio.gather(*(journal.mark(row, "sent") for row in rows))
    clock.forward(1)
    assert await journal.prune(0) == 1100


async def test_a_full_disk_is_told_and_loses_nothing(
    journal: SqliteSendJournal, database: Database, data_dir: Path, clock: ManualClock
) -> None:
    """What was accepted stays, what has no room is refused, and with room it goes on."""

    async def limit(connection: aiosqlite.Connection, pages: int) -> None:
        await connection.execute(f"PRAGMA max_page_count = {pages}")

    await database.write(lambda connection: limit(connection, 120))
    names = [f"m{number}" for number in range(200)]
    text = "x" * 3000
    answers = await asyncio.gather(
        *(journal.accept(send(message=name, text=text)) for name in names), return_exceptions=True
    )
    accepted = [name for name, answer in zip(names, answers, strict=True) if answer is None]
    refused = [answer for answer in answers if answer is not None]
    assert accepted
    assert refused
    assert {type(answer) for answer in refused} == {StorageFull}
    await database.close()
    again = await Database.open(data_dir)
    kept = SqliteSendJournal(again, clock)
    assert sorted(row.id for row in await kept.unfinished()) == sorted(accepted)
    assert await kept.accept(send(message="with-room", text=text)) is None
    await again.close()


async def test_what_was_accepted_survives_a_kill(
    journal: SqliteSendJournal, database: Database, data_dir: Path
) -> None:
    """A process that is killed while it accepts has lost nothing that it had answered."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ACCEPT_FOREVER, str(data_dir), cwd=ROOT, stdout=PIPE
    )
    assert child.stdout is not None
    told: list[str] = []
    while len(told) < 100:
        told += (await child.stdout.readline()).decode().split()
    child.kill()
    rest = await child.stdout.read()
    told += rest.decode().rpartition("\n")[0].split()
    await child.wait()
    kept = {row.id for row in await journal.unfinished()}
    assert set(told) <= kept
