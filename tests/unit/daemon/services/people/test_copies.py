"""What an erasure's report names of the data directory: what the daemon itself set aside there."""

from __future__ import annotations

import os
from pathlib import Path

from daemon.history import lane
from daemon.history.spill import Spill
from daemon.history.sqlite import SqliteHistory
from daemon.services.people.copies import set_aside
from sessions.models import iso
from tests.unit.daemon.history.samples import message

LONG_AGO = 1_700_000_000  # seconds


def names(data_dir: Path) -> list[str]:
    """Return the files that are named."""
    return [copy.file for copy in set_aside(data_dir)]


async def test_a_damaged_history_is_named(tmp_path: Path) -> None:
    """The second as well as the first."""
    for number in (1, 2):
        (tmp_path / "history.db").write_bytes(b"no database" * 1000)
        store = await SqliteHistory.open(tmp_path)
        await store.write([message("m1")])
        await store.close()
        assert names(tmp_path) == [f"history.db.damaged-{each}" for each in range(1, number + 1)]


def test_a_damaged_historys_log_is_named(tmp_path: Path) -> None:
    """What was written last may be there alone."""
    for end in ("", "-wal", "-shm"):
        (tmp_path / f"history.db{end}").write_bytes(b"x")
    lane.set_aside(tmp_path / "history.db")
    assert names(tmp_path) == [f"history.db.damaged-1{end}" for end in ("", "-shm", "-wal")]


def test_a_damaged_part_of_the_spill_is_named(tmp_path: Path) -> None:
    """It holds what was not in the history yet."""
    spill = Spill(tmp_path, 1 << 20)
    spill.open()
    spill.append([message("m1")])
    (segment,) = (tmp_path / "history-spill").iterdir()
    segment.write_bytes(segment.read_bytes()[:-1] + b"?")
    assert names(tmp_path) == []
    assert spill.peek() == []
    assert names(tmp_path) == [f"history-spill/{segment.stem}.damaged"]


def test_each_says_how_old_it_is_and_what_to_do(tmp_path: Path) -> None:
    """Of a folder the newest file counts."""
    damaged, folder = tmp_path / "history.db.damaged-1", tmp_path / "before-restore-20260101-000000"
    (folder / "sessions").mkdir(parents=True)
    for place, path in enumerate(
        (damaged, folder / "zapd.db", folder / "sessions" / "whatsapp.db")
    ):
        path.write_bytes(b"old")
        os.utime(path, (0, LONG_AGO + place))
    first, second = set_aside(tmp_path)
    assert (first.file, first.written_at) == (folder.name, iso((LONG_AGO + 2) * 1000))
    assert (second.file, second.written_at) == (damaged.name, iso(LONG_AGO * 1000))
    assert "restore" in first.user_action
    assert "cannot be searched" in second.user_action
    assert all("Delete it" in copy.user_action for copy in (first, second))


async def test_what_is_in_use_is_not_named(tmp_path: Path) -> None:
    """Neither the history nor what waits for it, nor where there is nothing yet."""
    assert names(tmp_path / "nowhere") == []
    store = await SqliteHistory.open(tmp_path)
    spill = Spill(tmp_path, 1 << 20)
    spill.append([message("m1")])
    assert names(tmp_path) == []
    await store.close()
