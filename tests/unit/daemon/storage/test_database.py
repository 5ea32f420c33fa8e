from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import aiosqlite
import pytest

from daemon.storage import database as module
from daemon.storage.data_dir import DaemonLock
from daemon.storage.database import Database, changed
from daemon.storage.failures import DatabaseTooNew, FileGone, StorageBusy, StorageError
from daemon.storage.meta import Meta
from daemon.storage.migrations import MIGRATIONS


async def pragma(connection: aiosqlite.Connection, name: str) -> object:
    """Return the value of a pragma."""
    rows = list(await connection.execute_fetchall(f"PRAGMA {name}"))
    return rows[0][0]


def modes_in(folder: Path) -> dict[str, int]:
    """Return the permission bits of a directory and of its files."""
    paths = {".": folder, **{path.name: path for path in folder.iterdir()}}
    return {name: path.stat().st_mode & 0o777 for name, path in paths.items()}


def put_rubbish(folder: Path) -> None:
    """Write what is no database."""
    folder.mkdir(mode=0o700)
    (folder / "zapd.db").write_bytes(b"rubbish" * 1000)


async def test_the_writer_is_durable(database: Database) -> None:
    """The file is in WAL mode, each commit is synced, foreign keys hold."""

    async def job(connection: aiosqlite.Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "user_version")
        return [await pragma(connection, name) for name in names]

    assert await database.write(job) == ["wal", 2, 1, 5000, len(MIGRATIONS)]


async def test_all_files_are_their_owners_alone(database: Database, data_dir: Path) -> None:
    """The database, its log and its index are 0600 in a directory of 0700."""
    await Meta(database).set("a", "b")
    modes = modes_in(data_dir)
    assert modes == {
        ".": 0o700,
        **dict.fromkeys(("zapd.db", "zapd.db-wal", "zapd.db-shm"), 0o600),
    }


async def test_what_was_written_is_there_after_a_restart(data_dir: Path) -> None:
    """A closed database opens again with what it had."""
    first = await Database.open(data_dir)
    await Meta(first).set("base_url", "http://a")
    await Meta(first).set("base_url", "http://b")
    await first.close()
    await first.close()
    second = await Database.open(data_dir)
    assert await Meta(second).get("base_url") == "http://b"
    assert await Meta(second).get("other") is None
    await second.close()


async def test_writes_that_come_together_cost_one_transaction(database: Database) -> None:
    """Jobs that wait while a commit is under way share the next one."""
    begun: list[str] = []

    async def watch(connection: aiosqlite.Connection) -> None:
        await connection.set_trace_callback(begun.append)

    await database.write(watch)
    begun.clear()
    await asyncio.gather(*(Meta(database).set(f"k{number}", "v") for number in range(100)))
    assert begun.count("BEGIN IMMEDIATE") <= 2
    assert await database.one("SELECT count(*) AS n FROM meta") is not None


async def test_one_callers_error_is_not_anothers(database: Database) -> None:
    """Of jobs in one group the wrong one fails, and the others are written."""
    meta = Meta(database)
    results = await asyncio.gather(
        meta.set("a", "1"),
        database.execute("INSERT INTO meta VALUES('b', NULL)"),
        meta.set("c", "3"),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [type(None), StorageError, type(None)]
    rows = await database.all("SELECT key FROM meta ORDER BY key")
    assert [row["key"] for row in rows] == ["a", "c"]


async def test_a_jobs_own_exception_reaches_its_caller(database: Database) -> None:
    """What a job raises is raised where it was asked for, and nothing of it is written."""

    async def job(connection: aiosqlite.Connection) -> None:
        await changed(connection, "INSERT INTO meta VALUES('x', 'y')")
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await database.write(job)
    assert await Meta(database).get("x") is None


async def test_a_caller_that_gave_up_harms_nobody(database: Database) -> None:
    """A cancelled wait leaves the job and its neighbours to be written."""
    gone = asyncio.ensure_future(Meta(database).set("gone", "1"))
    stays = asyncio.ensure_future(Meta(database).set("stays", "1"))
    await asyncio.sleep(0)
    gone.cancel()
    await stays
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await Meta(database).get("stays") == "1"


async def test_closing_writes_what_was_handed_over(data_dir: Path) -> None:
    """What was submitted before the close is on disk after it; after it nothing is taken."""
    database = await Database.open(data_dir)
    pending = [asyncio.ensure_future(Meta(database).set(f"k{n}", "v")) for n in range(20)]
    await asyncio.sleep(0)
    await database.close()
    await asyncio.gather(*pending)
    with pytest.raises(StorageError, match="closed"):
        await Meta(database).set("late", "v")
    again = await Database.open(data_dir)
    assert len(await again.all("SELECT * FROM meta")) == 20
    await again.close()


async def test_the_reader_cannot_write(database: Database) -> None:
    """A query that writes is refused: writes go through the writer."""
    with pytest.raises(StorageError):
        await database.all("INSERT INTO meta VALUES('a', 'b')")


async def test_a_newer_file_is_refused(data_dir: Path) -> None:
    """A database of a newer zapd is left alone, with what to do."""
    await (await Database.open(data_dir)).close()
    with closing(sqlite3.connect(data_dir / "zapd.db")) as raw:
        raw.execute("PRAGMA user_version = 99")
    with pytest.raises(DatabaseTooNew, match="version 99") as caught:
        await Database.open(data_dir)
    assert "newer" in str(caught.value.user_action)


async def test_a_file_that_is_no_database_is_told(data_dir: Path) -> None:
    """Rubbish in place of the file is a sentence, not a traceback."""
    put_rubbish(data_dir)
    with pytest.raises(StorageError, match="damaged or no database"):
        await Database.open(data_dir)


async def test_a_step_is_taken_whole_or_not(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that fails leaves the file as it was; mended, it is taken."""
    await (await Database.open(data_dir)).close()
    broken = (*MIGRATIONS, ("CREATE TABLE extra(a) STRICT", "CREATE NONSENSE"))
    monkeypatch.setattr(module, "MIGRATIONS", broken)
    with pytest.raises(StorageError):
        await Database.open(data_dir)
    monkeypatch.setattr(module, "MIGRATIONS", (*MIGRATIONS, ("CREATE TABLE extra(a INT) STRICT",)))
    database = await Database.open(data_dir)
    assert await database.all("SELECT * FROM extra") == []
    await database.close()


async def test_a_command_does_not_reshape_what_a_daemon_uses(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While an older daemon runs, a newer command asks for its restart."""
    await (await Database.open(data_dir)).close()
    lock = DaemonLock.acquire(data_dir)
    monkeypatch.setattr(module, "MIGRATIONS", (*MIGRATIONS, ("CREATE TABLE extra(a INT) STRICT",)))
    with pytest.raises(StorageError, match="older zapd"):
        await Database.open(data_dir)
    await (await Database.open(data_dir, daemon=True)).close()
    lock.release()


async def test_another_writer_is_waited_for(
    database: Database, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that writes holds the daemon up for a moment only; one that hangs is told."""
    with closing(sqlite3.connect(data_dir / "zapd.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.ensure_future(Meta(database).set("a", "1"))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        other.execute("COMMIT")
        await waiting
        monkeypatch.setattr(module, "BUSY_MS", 50)
        impatient = await Database.open(data_dir)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageBusy):
            await Meta(impatient).set("a", "2")
        other.execute("ROLLBACK")
        await impatient.close()


async def test_nothing_is_written_to_a_file_that_is_gone(
    database: Database, data_dir: Path
) -> None:
    """Removed or replaced: what is written would be lost with the process."""
    await Meta(database).set("a", "b")
    path = data_dir / "zapd.db"
    path.rename(data_dir / "moved.db")
    with pytest.raises(FileGone):
        await Meta(database).set("a", "c")
    path.write_bytes((data_dir / "moved.db").read_bytes())
    with pytest.raises(FileGone):
        await Meta(database).set("a", "c")
    path.unlink()
    (data_dir / "moved.db").rename(path)
    await Meta(database).set("a", "d")
