"""What a kill, a full disk, a closed folder and a damaged file leave of the history."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from daemon.history import lane
from daemon.history.history import History
from daemon.history.models import SearchQuery
from daemon.history.port import HistoryFailed
from daemon.history.sqlite import FILE, SqliteHistory
from tests.support.recorders import SetClock
from tests.unit.daemon.history.disks import anybodys_folder, closed_to_us, in_namespace
from tests.unit.daemon.history.lives import KEY, confirmations, holds, put, settings, until
from tests.unit.daemon.history.samples import ANNA, CHAT, NOON, message

PAGE = 4096


async def written(data: Path, count: int = 500) -> None:
    """Leave a file with some messages."""
    store = await SqliteHistory.open(data)
    await store.write([message(f"m{n}", f"word{n} again", at=NOON + n) for n in range(count)])
    await store.close()


@pytest.mark.parametrize("where", ["store", "spill"])
async def test_what_was_confirmed_outlives_a_kill(tmp_path: Path, where: str) -> None:
    """Whenever the kill comes, and again in the next life; nothing is there twice."""
    data = tmp_path / "data"
    first = confirmed = 0
    for _ in range(4):
        command = [sys.executable, "-m", "tests.unit.daemon.history.killed"]
        child = await asyncio.create_subprocess_exec(
            *command, str(data), str(first), where, stdout=asyncio.subprocess.PIPE
        )
        assert child.stdout is not None
        for _ in range(random.randint(1, 25)):  # noqa: S311 - when the kill comes
            confirmed = int(await child.stdout.readline())
        child.kill()
        rest = (await child.stdout.read()).split()
        await child.wait()
        if rest and child.returncode:
            confirmed = max(confirmed, int(rest[-1]))
        first = confirmed + 1
    history = await History.open(settings(data), SetClock(), confirmations().take)
    async with history.running():
        await history.flusher.flush()
    await history.close()
    await holds(data, range(confirmed + 1))


def test_a_full_disk_is_told_and_mends_itself() -> None:
    """On a file system that gets full: see ``full_disk``."""
    command = in_namespace([sys.executable, "-m", "tests.unit.daemon.history.full_disk"])
    done = subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)
    assert done.stdout.endswith("ok\n"), done.stderr


@pytest.mark.parametrize("there", [False, True])
async def test_a_closed_folder_is_told_and_mends_itself(there: bool) -> None:
    """Where there was a file before, and where there was none."""
    confirmed = confirmations()
    with anybodys_folder() as data, closed_to_us(data):
        if there:
            data.chmod(0o700)
            await written(data, 10)
            data.chmod(0o500)
        history = await History.open(settings(data), SetClock(), confirmed.take)
        async with history.running():
            await put(history, range(20))
            await until(lambda: history.health().state == "failing")
            health = history.health()
            assert health.user_action
            assert confirmed.marks == []
            data.chmod(0o700)
            await until(lambda: history.health().state == "ok")
            await history.flusher.flush()
            assert confirmed.marks[-1] == 19
        await history.close()
        await holds(data, range(20))


async def test_a_file_that_is_damaged_later_is_set_aside(tmp_path: Path) -> None:
    """A write that meets the damage begins a new file, says so, and loses nothing of its own."""
    data = tmp_path / "data"
    await written(data)
    raw = bytearray((data / FILE).read_bytes())
    assert len(raw) > 64 * PAGE
    sound = 32 * PAGE  # the tables' names and roots: with them it opens
    raw[sound:] = random.Random(1).randbytes(len(raw) - sound)  # noqa: S311 - noise
    (data / FILE).write_bytes(raw)
    history = await History.open(settings(data), SetClock(), confirmations().take)
    async with history.running():
        with pytest.raises(HistoryFailed, match="damaged"):
            await history.store.before(CHAT, None, 10)
        await put(history, range(1000, 1010))
        await history.flusher.flush()
        health = history.health()
        assert health.state == "ok"
        assert health.sentence is not None
        assert "history.db.damaged-1" in health.sentence
        assert len(await history.store.before(CHAT, None, 100)) == 10
    await history.close()
    assert (data / "history.db.damaged-1").read_bytes() == raw


async def test_a_damaged_index_is_made_again(tmp_path: Path) -> None:
    """From the messages, which are all there: the file stays."""
    data = tmp_path / "data"
    await written(data)
    with closing(sqlite3.connect(data / FILE)) as outside, outside:
        outside.execute("UPDATE words_data SET block = x'ffffffffffff' WHERE id > 1")
        outside.execute("UPDATE words_data SET block = x'00' WHERE id = 10")
    store = await SqliteHistory.open(data)
    await store.write([message(f"n{n}", f"word{n} new", at=NOON + 9000 + n) for n in range(3000)])
    found = await store.search(SearchQuery("acme", ("word7", "again")))
    assert [each.message.id for each in found.found] == ["m7"]
    assert store.notice is None
    await store.close()


async def test_a_file_that_is_removed_is_made_again(tmp_path: Path) -> None:
    """What is written then is under its name, and not in a file that nobody finds again."""
    data = tmp_path / "data"
    await written(data, 10)
    store = await SqliteHistory.open(data)
    await store.before(CHAT, None, 1)
    for path in data.iterdir():
        path.unlink()
    await store.write([message("new")])
    assert [each.id for _, each in await store.before(CHAT, None, 100)] == ["new"]
    await store.close()
    again = await SqliteHistory.open(data)
    assert await again.message("acme", "new") == message("new")
    await again.close()


async def test_a_reader_of_another_program_does_not_hold_writes_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log grows meanwhile; an erasure says that it could not clean it, and can be repeated."""
    monkeypatch.setattr(lane, "_BUSY_SECONDS", 0.05)
    data = tmp_path / "data"
    await written(data)
    store = await SqliteHistory.open(data)
    log = data / f"{FILE}-wal"
    with closing(sqlite3.connect(data / FILE)) as outside:
        outside.execute("BEGIN")
        outside.execute("SELECT count(*) FROM messages").fetchone()
        for batch in range(4):
            some = [message(f"b{batch}-{n}", "y" * 3000, at=NOON + n) for n in range(2000)]
            async with asyncio.timeout(5):
                await store.write(some)
        assert log.stat().st_size > 16 << 20
        with pytest.raises(HistoryFailed, match="backup"):
            await store.erase_contact(KEY, frozenset({ANNA}))
        outside.execute("ROLLBACK")
    await store.erase_contact(KEY, frozenset({ANNA}))
    assert log.stat().st_size == 0
    raw = b"".join(path.read_bytes() for path in data.iterdir())
    assert b"word7 again" not in raw
    assert b"yyyy" not in raw
    await store.close()


async def test_the_oldest_leave_by_themselves(tmp_path: Path) -> None:
    """By days, while new ones come."""
    data = tmp_path / "data"
    day = 86_400_000
    clock = SetClock(NOON + 100 * day)
    history = await History.open(
        settings(data, ZAPD_HISTORY_DAYS="30"), clock, confirmations().take
    )
    old = [message(f"old{n}", at=NOON + n) for n in range(2500)]
    await history.store.write([*old, message("new", at=NOON + 80 * day)])
    async with history.running():
        await until_left(history, ["new"])
    await history.close()


async def until_left(history: History, ids: list[str]) -> None:
    """Wait until only those messages are there."""
    async with asyncio.timeout(20):
        while [each.id for _, each in await history.store.before(CHAT, None, 5)] != ids:
            await asyncio.sleep(0.02)


async def test_what_leaves_gives_its_room_back(tmp_path: Path) -> None:
    """To the disk, but for some pages that are used again."""
    data = tmp_path / "data"
    store = await SqliteHistory.open(data)
    for batch in range(8):
        some = [message(f"b{batch}-{n}", "z" * 2000, at=NOON + n) for n in range(2000)]
        await store.write(some)
    await store.erase_contact(KEY, frozenset({"nobody"}))  # moves the log into the file
    before = (data / FILE).stat().st_size
    await store.prune(NOON + 2000, None)
    await store.erase_contact(KEY, frozenset({"nobody"}))
    assert (data / FILE).stat().st_size < before / 3
    await store.close()
