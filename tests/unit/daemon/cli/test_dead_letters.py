from __future__ import annotations

from pathlib import Path

import pytest

from daemon.clock import SystemClock
from daemon.storage.database import Database
from daemon.storage.outbox import Counts, Entry, Outbox, put
from daemon.storage.workspaces import WorkspaceStore
from tests.unit.daemon.cli.running import zapd


@pytest.fixture
def at(data_dir: Path) -> tuple[str, str]:
    """Return the option that names the data directory."""
    return ("--data-dir", str(data_dir))


async def buried(data_dir: Path, count: int) -> None:
    """Make a database with dead letters."""
    clock, database = SystemClock(), await Database.open(data_dir)
    await WorkspaceStore(database, clock).ensure("acme")
    outbox = Outbox(database, clock)
    entries = [Entry("acme", "tag", f'["{n}"]', f"op{n}", b"{}") for n in range(count)]
    await database.write(lambda connection: put(connection, entries, clock.now_ms()))
    for item in await outbox.take("tag", count):
        await outbox.bury(item, "23514", "Supabase can never store this row.\nnew row violates")
    await database.close()


async def counts(data_dir: Path) -> Counts:
    """Return what waits and what is buried."""
    database = await Database.open(data_dir)
    found = await Outbox(database, SystemClock()).counts()
    await database.close()
    return found


async def test_dead_letters_are_listed_on_a_line_each(at: tuple[str, str], data_dir: Path) -> None:
    """With why; more of them than a page holds."""
    await buried(data_dir, 501)
    shown = zapd("supabase", "letters", *at)
    lines = shown.out.splitlines()
    assert len(lines) == 502
    assert lines[1].split()[:4] == ["1", "acme", "tag", '["0"]']
    assert lines[1].endswith("23514  Supabase can never store this row. new row violates")
    assert zapd("supabase", "letters", "--workspace", "beta", *at).out.count("\n") == 1


async def test_a_letter_can_be_sent_again_or_forgotten(at: tuple[str, str], data_dir: Path) -> None:
    """By its id, or all."""
    await buried(data_dir, 4)
    assert zapd("supabase", "retry", "2", *at).code == 0
    found = await counts(data_dir)
    assert (found.pending, found.dead) == (1, 3)
    assert zapd("supabase", "forget", "1", *at).code == 0
    assert zapd("supabase", "retry", "--all", *at).code == 0
    found = await counts(data_dir)
    assert (found.pending, found.dead) == (3, 0)


@pytest.mark.parametrize("words", [("retry",), ("retry", "7"), ("forget", "7")])
async def test_a_letter_that_is_not_there_is_told(
    at: tuple[str, str], data_dir: Path, words: tuple[str, ...]
) -> None:
    """With the command that shows those there are."""
    await buried(data_dir, 1)
    ran = zapd("supabase", *words, *at)
    assert ran.code == 1
    assert "zapd supabase letters" in ran.err
    assert zapd("supabase", "retry", "--all", *at).code == 0
