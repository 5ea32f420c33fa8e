"""The queue of records on disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from daemon.history.models import Dropped, Moved, Record
from daemon.history.spill import FOLDER, Spill, SpillFailed
from sessions.ids import ChatRef
from tests.unit.daemon.history.samples import CHAT, NOON, chat, contact, message

MANY = 64 << 20
LID = ChatRef("acme", "main", "200000000000001@lid")


def opened(tmp_path: Path, most: int = MANY) -> Spill:
    """Return the spill of that directory."""
    spill = Spill(tmp_path, most)
    spill.open()
    return spill


def drained(spill: Spill) -> list[Record]:
    """Return all records, in order, and leave the spill empty."""
    found: list[Record] = []
    while records := spill.peek():
        found += records
        spill.advance()
    return found


def some(first: int, count: int) -> list[Record]:
    """Return messages."""
    return [message(f"m{n}", f"text {n}", at=NOON + n) for n in range(first, first + count)]


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    """Every kind, byte for byte, in order."""
    records: list[Record] = [
        message("m1", None),
        chat(),
        contact(),
        Moved(LID, CHAT),
        Dropped("acme", "main"),
        message("m2", "não"),
    ]
    spill = opened(tmp_path)
    assert spill.append(records) == 0
    assert (spill.records, drained(spill)) == (6, records)


def test_what_is_peeked_stays_until_it_is_forgotten(tmp_path: Path) -> None:
    """So that a failed write finds it again."""
    spill = opened(tmp_path)
    spill.append(some(0, 2))
    spill.append(some(2, 2))
    assert spill.peek() == spill.peek() == some(0, 2)
    spill.advance()
    spill.advance()  # of nothing that was peeked: does nothing
    assert spill.peek() == some(2, 2)
    assert spill.records == 2


def test_it_survives_a_kill(tmp_path: Path) -> None:
    """Another process finds all of it, in order; what it had read of a segment comes again."""
    first = opened(tmp_path, most=16_000)  # segments of a kilobyte
    for n in range(8):
        first.append(some(n, 1))
    assert len(list((tmp_path / FOLDER).iterdir())) > 2
    first.peek()
    first.advance()
    second = opened(tmp_path)
    assert second.records in {7, 8}
    assert drained(second)[-7:] == some(1, 7)
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_a_half_written_frame_is_cut_off(tmp_path: Path) -> None:
    """What was written before is there, and what is appended then is found."""
    spill = opened(tmp_path)
    spill.append(some(0, 3))
    path = next((tmp_path / FOLDER).iterdir())
    spill.append(some(3, 3))
    os.truncate(path, path.stat().st_size - 1)
    again = opened(tmp_path)
    assert again.records == 3
    again.append(some(6, 1))
    assert drained(again) == some(0, 3) + some(6, 1)


@pytest.mark.parametrize("at", [0, 5, 9, 40, 300])
def test_a_damaged_frame_is_counted_and_kept(tmp_path: Path, at: int) -> None:
    """Whatever byte it is: nothing wrong is read, the segment is set aside, others are read."""
    spill = opened(tmp_path, most=16_000)
    for n in range(6):
        spill.append(some(n, 1))
    first = min((tmp_path / FOLDER).iterdir())
    raw = bytearray(first.read_bytes())
    raw[at] ^= 0xFF
    first.write_bytes(raw)
    found = drained(spill)
    assert found == some(6 - len(found), len(found))
    assert spill.lost == 6 - len(found) > 0
    assert (spill.records, spill.bytes) == (0, 0)
    assert first.with_suffix(".damaged").read_bytes() == raw


def test_the_bound_holds(tmp_path: Path) -> None:
    """What does not fit is refused whole; what was read makes room."""
    spill = opened(tmp_path, most=20_000)
    count = 0
    while spill.bytes < 19_400:
        spill.append(some(count, 1))
        count += 1
    with pytest.raises(SpillFailed, match="bound"):
        spill.append(some(count, 2))
    files = list((tmp_path / FOLDER).iterdir())
    assert sum(path.stat().st_size for path in files) == spill.bytes <= 20_000
    assert spill.records == count > 20
    for _ in range(count // 2):
        spill.peek()
        spill.advance()
    spill.append(some(count, 1))
    assert drained(spill) == some(count // 2, count - count // 2 + 1)


def test_what_was_in_hand_goes_before_all(tmp_path: Path) -> None:
    """Before segments of this life and, after a restart, still."""
    spill = opened(tmp_path)
    spill.append(some(1, 1))
    spill.prepend(some(0, 1))
    spill.append(some(2, 1))
    assert drained(opened(tmp_path)) == some(0, 3)


def test_an_empty_spill_takes_up_again(tmp_path: Path) -> None:
    """After it was prepended to and drained as well."""
    spill = opened(tmp_path)
    for n in range(3):
        spill.prepend(some(n, 1))
        spill.append(some(n, 1))
        assert len(drained(spill)) == 2
    spill.append(some(5, 1))
    assert drained(opened(tmp_path)) == some(5, 1)


def test_what_cannot_be_encoded_is_counted(tmp_path: Path) -> None:
    """And the others are kept."""
    spill = opened(tmp_path)
    assert spill.append([message("m1")._replace(text="\ud800"), *some(0, 1)]) == 1
    assert drained(spill) == some(0, 1)


def test_the_files_are_their_owners(tmp_path: Path) -> None:
    """The folder 0700, each file 0600."""
    opened(tmp_path).append(some(0, 1))
    folder = tmp_path / FOLDER
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_an_old_file_is_never_written_over(tmp_path: Path) -> None:
    """One that could not be read at the start stays as it is."""
    opened(tmp_path).append(some(0, 1))
    blind = Spill(tmp_path, MANY)
    with pytest.raises(SpillFailed):
        blind.append(some(1, 1))
    assert drained(opened(tmp_path)) == some(0, 1)
