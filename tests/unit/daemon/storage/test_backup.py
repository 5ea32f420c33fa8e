from __future__ import annotations

import asyncio
import io
import json
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from daemon.storage.archive import MANIFEST
from daemon.storage.backup import make
from daemon.storage.data_dir import RESTORING, DaemonLock
from daemon.storage.database import Database
from daemon.storage.failures import AlreadyRunning, DatabaseTooNew, StorageError
from daemon.storage.meta import Meta
from daemon.storage.migrations import MIGRATIONS
from daemon.storage.restore import restore
from daemon.storage.sends import SqliteSendJournal
from daemon.storage.workspaces import WorkspaceStore
from tests.unit.daemon.manual_clock import ManualClock
from tests.unit.daemon.storage.rows import add_session, send

STORE = "sessions/0f"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Return where the backup is to be."""
    (tmp_path / "kept").mkdir()
    return tmp_path / "kept" / "zapd.tar"


def keep(data_dir: Path, target: Path) -> list[str]:
    """Make a backup; return what it left out."""
    return make(data_dir, target, zapd="1.2.3", made_at="2027-01-15T08:00:00.000Z").left_out


def put_back(data_dir: Path, source: Path) -> Path | None:
    """Restore; return where what was there before lies."""
    return restore(data_dir, source, stamp="20270115-080000").aside


async def fill(data_dir: Path, value: str = "v") -> None:
    """Make a database with one text in it, and a session's store of several files."""
    database = await Database.open(data_dir)
    await Meta(database).set("k", value)
    await database.close()
    store = data_dir / STORE
    store.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(store / "whatsapp.db")) as keys:
        keys.execute("PRAGMA journal_mode = WAL")
        keys.execute("CREATE TABLE IF NOT EXISTS device(name TEXT)")
        keys.execute("INSERT INTO device VALUES(?)", (value,))
        keys.commit()
    (store / "inbound.0").write_bytes(b"what came in")
    (store / "inbound.people").write_bytes(value.encode())
    (store / "inbound.people.new").write_bytes(b"half")


async def text_in(data_dir: Path) -> str | None:
    """Return the text that the database holds."""
    database = await Database.open(data_dir)
    try:
        return await Meta(database).get("k")
    finally:
        await database.close()


def device_in(data_dir: Path) -> list[str]:
    """Return what the session's keys say."""
    with closing(sqlite3.connect(data_dir / STORE / "whatsapp.db")) as keys:
        return [name for (name,) in keys.execute("SELECT name FROM device")]


def names_in(folder: Path) -> set[str]:
    """Return the paths of the files below a directory."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def members(source: Path) -> dict[str, bytes]:
    """Return what the tar holds."""
    with tarfile.open(source) as tar:
        return {info.name: tar.extractfile(info).read() for info in tar}  # type: ignore[union-attr]  # all are files


def repack(target: Path, files: dict[str, bytes]) -> None:
    """Write a tar of our own."""
    with tarfile.open(target, "w") as tar:
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))


async def test_a_backup_holds_the_database_and_the_sessions_keys(
    data_dir: Path, target: Path
) -> None:
    """In one file of its owner's alone; not the inbound journal, nothing half written."""
    await fill(data_dir)
    DaemonLock.acquire(data_dir).release()
    assert keep(data_dir, target) == []
    assert target.stat().st_mode & 0o777 == 0o600
    assert list(target.parent.iterdir()) == [target]
    found = members(target)
    assert list(found) == [
        "zapd.db",
        f"{STORE}/inbound.people",
        f"{STORE}/whatsapp.db",
        MANIFEST,
    ]
    manifest = json.loads(found[MANIFEST])
    assert (manifest["zapd"], manifest["database"]) == ("1.2.3", len(MIGRATIONS))


async def test_a_backup_brings_all_back(data_dir: Path, target: Path, tmp_path: Path) -> None:
    """Into an empty directory; all modes are right, nothing else lies there."""
    await fill(data_dir)
    keep(data_dir, target)
    there = tmp_path / "there"
    assert put_back(there, target) is None
    assert names_in(there) == {
        "zapd.db",
        "zapd.lock",
        f"{STORE}/whatsapp.db",
        f"{STORE}/inbound.people",
    }
    for path in (there, *there.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)
    assert await text_in(there) == "v"
    assert device_in(there) == ["v"]


async def test_what_was_there_is_set_aside(data_dir: Path, target: Path) -> None:
    """Also the write-ahead log: left in place it would be applied to another database."""
    await fill(data_dir, "old")
    keep(data_dir, target)
    await fill(data_dir, "new")
    (data_dir / "zapd.db-wal").write_bytes(b"of the other")
    aside = put_back(data_dir, target)
    assert aside == data_dir / "before-restore-20270115-080000"
    assert await text_in(data_dir) == "old"
    assert device_in(data_dir) == ["old"]
    assert (aside / "zapd.db-wal").read_bytes() == b"of the other"
    assert device_in(aside) == ["old", "new"]
    assert put_back(data_dir, target) == data_dir / "before-restore-20270115-080000-1"
    keep(data_dir, target)
    assert not [name for name in members(target) if "before-restore" in name]


async def test_a_backup_is_of_one_moment_while_others_write(
    data_dir: Path, target: Path, clock: ManualClock, tmp_path: Path
) -> None:
    """Pairs of rows are written all the time: each backup has both of a pair or none."""
    database = await Database.open(data_dir)
    stop = asyncio.Event()

    async def write() -> int:
        number = 0
        while not stop.is_set():
            number += 1
            await database.execute(
                "INSERT INTO meta VALUES(?, ?), (?, ?)", (f"a{number}", "x", f"b{number}", "x" * 99)
            )
        return number

    writing = asyncio.ensure_future(write())
    for turn in range(5):
        await asyncio.to_thread(keep, data_dir, target)
        there = tmp_path / f"there{turn}"
        put_back(there, target)
        copy = await Database.open(there)
        keys = {row["key"] for row in await copy.all("SELECT key FROM meta")}
        await copy.close()
        assert {key[1:] for key in keys if key[0] == "a"} == {
            key[1:] for key in keys if key[0] == "b"
        }
    stop.set()
    assert await writing > 0
    await WorkspaceStore(database, clock).ensure("acme")
    await database.close()


async def test_a_restored_send_does_not_go_out_a_second_time(
    data_dir: Path, target: Path, clock: ManualClock
) -> None:
    """What waited when the backup was made may have been sent since: its outcome is unknown."""
    database = await Database.open(data_dir)
    await WorkspaceStore(database, clock).ensure("acme")
    await add_session(database)
    await SqliteSendJournal(database, clock).accept(send())
    await database.close()
    keep(data_dir, target)
    put_back(data_dir, target)
    database = await Database.open(data_dir)
    (row,) = await SqliteSendJournal(database, clock).unfinished()
    await database.close()
    assert row.state == "trying"


async def test_a_running_daemons_directory_is_not_replaced(data_dir: Path, target: Path) -> None:
    """The restore asks to stop it; nothing is changed."""
    await fill(data_dir)
    keep(data_dir, target)
    await fill(data_dir, "new")
    lock = DaemonLock.acquire(data_dir)
    before = names_in(data_dir)
    with pytest.raises(AlreadyRunning):
        put_back(data_dir, target)
    lock.release()
    assert names_in(data_dir) == before
    assert await text_in(data_dir) == "new"


async def test_a_newer_backup_is_refused(data_dir: Path, target: Path) -> None:
    """By the version in the database itself; by the format of the backup."""
    await fill(data_dir)
    with closing(sqlite3.connect(data_dir / "zapd.db")) as raw:
        raw.execute("PRAGMA user_version = 99")
    keep(data_dir, target)
    before = names_in(data_dir)
    with pytest.raises(DatabaseTooNew, match="version 99"):
        put_back(data_dir, target)
    files = members(target)
    files[MANIFEST] = json.dumps({"format": 2, "something": "else"}).encode()
    repack(target, files)
    with pytest.raises(DatabaseTooNew, match="format 2"):
        put_back(data_dir, target)
    assert names_in(data_dir) == before | {"zapd.lock"}


async def test_an_older_backup_is_brought_up(data_dir: Path, target: Path) -> None:
    """The steps that its database lacks are taken at the next start."""
    await fill(data_dir)
    with closing(sqlite3.connect(data_dir / "zapd.db")) as raw:
        for table in ("outbox", "tags", "assignments", "chat_tags", "notes", "quick_replies"):
            raw.execute(f"DROP TABLE {table}")
        for table in ("settings", "activity", "chat_aliases", "dead_letters", "sync_marks"):
            raw.execute(f"DROP TABLE {table}")
        for table in ("members", "supabase_workspaces", "jobs", "backups"):
            raw.execute(f"DROP TABLE {table}")
        for table in ("login_links", "browser_sessions"):
            raw.execute(f"ALTER TABLE {table} DROP COLUMN user")
        raw.execute("PRAGMA user_version = 1")
    keep(data_dir, target)
    put_back(data_dir, target)
    database = await Database.open(data_dir)
    assert await database.all("SELECT * FROM tags") == []
    await database.close()


@pytest.mark.parametrize("damage", ["cut", "flipped", "no manifest", "not a tar", "empty", "extra"])
async def test_a_damaged_backup_is_refused(data_dir: Path, target: Path, damage: str) -> None:
    """Cut off, changed or something else: told, and nothing is touched."""
    await fill(data_dir)
    keep(data_dir, target)
    whole, files = target.read_bytes(), members(target)
    if damage == "cut":
        target.write_bytes(whole[: len(whole) // 2])
    elif damage == "flipped":
        place = whole.index(b"SQLite format 3") + 30_000
        target.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    elif damage == "no manifest":
        repack(target, {name: body for name, body in files.items() if name != MANIFEST})
    elif damage == "extra":
        repack(target, {"more": b"x"} | files)
    else:
        target.write_bytes(b"" if damage == "empty" else b"rubbish" * 1000)
    before = names_in(data_dir)
    with pytest.raises(StorageError, match="is no backup of zapd, or was cut off or damaged"):
        put_back(data_dir, target)
    assert names_in(data_dir) == before | {"zapd.lock"}
    assert await text_in(data_dir) == "v"


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "a//b", ".hidden", "a\nb"])
async def test_a_backup_writes_nowhere_else(data_dir: Path, target: Path, name: str) -> None:
    """A name that leads out of the directory is refused, whoever made the file."""
    await fill(data_dir)
    repack(target, {name: b"x", MANIFEST: b"{}"})
    with pytest.raises(StorageError, match="is no backup"):
        put_back(data_dir, target)
    assert not (data_dir.parent / "evil").exists()


async def test_links_in_a_backup_are_refused(data_dir: Path, target: Path) -> None:
    """A tar can hold more than files; a backup does not."""
    info = tarfile.TarInfo("zapd.db")
    info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with tarfile.open(target, "w") as tar:
        tar.addfile(info)
    with pytest.raises(StorageError, match="is no backup"):
        put_back(data_dir, target)


async def test_a_backup_without_the_database_is_refused(data_dir: Path, target: Path) -> None:
    """It would leave an empty daemon."""
    manifest = {"format": 1, "zapd": "1", "made_at": "", "database": 1, "files": []}
    repack(target, {MANIFEST: json.dumps(manifest).encode()})
    with pytest.raises(StorageError, match=r"holds no zapd\.db"):
        put_back(data_dir, target)


async def test_a_restore_that_was_cut_off_is_told(data_dir: Path, target: Path) -> None:
    """Neither a daemon nor a command starts with half of it; done again, all is well."""
    await fill(data_dir)
    keep(data_dir, target)
    (data_dir / "zapd.db").unlink()
    (data_dir / RESTORING).touch()
    with pytest.raises(StorageError, match="was cut off"):
        await Database.open(data_dir, daemon=True)
    assert not (data_dir / "zapd.db").exists()
    put_back(data_dir, target)
    assert await text_in(data_dir) == "v"


async def test_a_damaged_database_is_not_kept(data_dir: Path, target: Path) -> None:
    """A backup that could not be used would be found out too late; the one before stays."""
    await fill(data_dir)
    keep(data_dir, target)
    whole = target.read_bytes()
    (data_dir / "zapd.db").write_bytes(b"rubbish" * 1000)
    with pytest.raises(StorageError, match=r"zapd\.db is damaged"):
        keep(data_dir, target)
    assert target.read_bytes() == whole
    assert list(target.parent.iterdir()) == [target]


async def test_one_sessions_damaged_keys_are_left_out(data_dir: Path, target: Path) -> None:
    """The others are kept, and it is told."""
    await fill(data_dir)
    keys = data_dir / STORE / "whatsapp.db"
    keys.write_bytes(keys.read_bytes()[:100] + b"\xff" * 8000)
    assert keep(data_dir, target) == [f"{STORE}/whatsapp.db"]
    assert f"{STORE}/inbound.people" in members(target)


async def test_what_cannot_be_is_told(data_dir: Path, target: Path) -> None:
    """No database, no directory for the file, a file in the directory itself, no such backup."""
    with pytest.raises(StorageError, match=r"There is no zapd\.db in"):
        keep(data_dir, target)
    await fill(data_dir)
    with pytest.raises(StorageError, match=r"nowhere/zapd\.tar cannot be used: No such file"):
        keep(data_dir, target.parent / "nowhere" / "zapd.tar")
    with pytest.raises(StorageError, match="does not belong"):
        keep(data_dir, data_dir / "sessions" / "zapd.tar")
    with pytest.raises(StorageError, match="There is no file"):
        put_back(data_dir, target)
