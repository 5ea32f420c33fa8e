from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import aiosqlite
import pytest

from daemon.storage.database import Database
from daemon.storage.failures import StorageError
from daemon.storage.integrity import check_file, check_open


async def large(data_dir: Path) -> Path:
    """Make a database of some megabytes; return its path."""
    database = await Database.open(data_dir)
    await database.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
        "INSERT INTO meta SELECT 'k' || i, hex(randomblob(100)) FROM n"
    )
    await database.close()
    return data_dir / "zapd.db"


def damage(path: Path) -> None:
    """Overwrite pages in the middle."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xa5" * 4096 * 8)


async def test_a_damaged_file_is_told_at_the_start(data_dir: Path) -> None:
    """Before anything is read from it or written to it; with what to do."""
    damage(await large(data_dir))
    with pytest.raises(StorageError, match=r"zapd\.db is damaged") as caught:
        await Database.open(data_dir, daemon=True)
    assert "zapd restore" in str(caught.value.user_action)


async def test_a_sound_file_is_opened(data_dir: Path) -> None:
    """The look costs little and changes nothing."""
    path = await large(data_dir)
    database = await Database.open(data_dir, daemon=True)
    await database.close()
    assert check_file(path) > 0


async def test_the_look_ends_in_its_time(data_dir: Path) -> None:
    """A file that is too large for it is not looked through whole; the connection goes on."""
    path = await large(data_dir)
    async with aiosqlite.connect(path) as connection:
        assert not await check_open(connection, seconds=0.0)
        assert await check_open(connection)
        rows = await connection.execute_fetchall("SELECT count(*) FROM meta")
        assert [row[0] for row in rows] == [20000]


async def test_a_closed_file_is_looked_through_whole(data_dir: Path, tmp_path: Path) -> None:
    """Damaged pages, rubbish, and what is not there."""
    path = await large(data_dir)
    damage(path)
    with pytest.raises(StorageError, match=r"zapd\.db is damaged"):
        check_file(path)
    rubbish = tmp_path / "rubbish.db"
    rubbish.write_bytes(b"rubbish" * 1000)
    with pytest.raises(StorageError, match=r"rubbish\.db is damaged"):
        check_file(rubbish)
    with pytest.raises(StorageError):
        check_file(tmp_path / "nothing.db")
    with closing(sqlite3.connect(tmp_path / "empty.db")):
        pass
