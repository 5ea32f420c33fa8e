"""The journal's files."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sessions.provider.neonize.journal import OVERHEAD, Bound
from sessions.provider.neonize.journal_file import FILES, Journal

SMALL = Bound(size=400, records=100, idle=100)


@contextmanager
def opened(store: Path, bound: Bound | None = None) -> Iterator[Journal]:
    """Yield the journal of a store."""
    journal = Journal(str(store), bound) if bound else Journal(str(store))
    try:
        yield journal
    finally:
        journal.close()


def datas(journal: Journal) -> list[bytes]:
    """Return the data of what would be replayed."""
    return [record.data for record in journal.unconfirmed()]


def test_what_was_not_confirmed_is_there_in_the_next_life(tmp_path: Path) -> None:
    """In order, with code, number and bytes; what was confirmed is not."""
    with opened(tmp_path) as journal:
        marks = [journal.append(17, b"%d" % number) for number in range(5)]
        journal.confirm(marks[1])
    with opened(tmp_path) as journal:
        assert [(m, 17, b"%d" % n) for n, m in enumerate(marks)][2:] == journal.unconfirmed()
        assert journal.append(18, b"") == marks[-1] + 1


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    """Whatever the umask is."""
    before = os.umask(0)
    try:
        with opened(tmp_path):
            modes = {(tmp_path / name).stat().st_mode & 0o777 for name in FILES}
    finally:
        os.umask(before)
    assert modes == {0o600}


def test_a_torn_tail_is_cut_off_and_written_over(tmp_path: Path) -> None:
    """After a power cut the last record may be half there."""
    with opened(tmp_path) as journal:
        for number in range(3):
            journal.append(17, b"%d" % number)
    file = tmp_path / FILES[0]
    os.truncate(file, file.stat().st_size - 1)
    with opened(tmp_path) as journal:
        journal.append(17, b"new")
        assert datas(journal) == [b"0", b"1", b"new"]


def test_segments_are_used_in_turn_and_emptied(tmp_path: Path) -> None:
    """The files stay within the bound however much flows through."""
    with opened(tmp_path, SMALL) as journal:
        waiting: list[int] = []
        for _ in range(200):
            waiting.append(journal.append(17, b"x" * 60))
            if len(waiting) > 4:
                journal.confirm(waiting.pop(0))
            sizes = [(tmp_path / name).stat().st_size for name in FILES]
            assert max(sizes) <= SMALL.size + 60
        assert waiting == [record.sequence for record in journal.unconfirmed()]


def test_the_bound_refuses_the_newest(tmp_path: Path) -> None:
    """Nothing unconfirmed is displaced."""
    with opened(tmp_path, SMALL) as journal:
        marks = [journal.append(17, b"x" * 60) for _ in range(20)]
        kept = 2 * (SMALL.size // (OVERHEAD + 60))
        assert [bool(mark) for mark in marks] == [True] * kept + [False] * (20 - kept)


def test_a_full_disk_keeps_what_is_there(tmp_path: Path) -> None:
    """The event is not kept, nothing is raised, and no half record hides what comes later."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with opened(tmp_path) as journal:
        journal.append(17, b"before")
        size = (tmp_path / FILES[0]).stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 30, hard))
        try:
            assert journal.append(17, b"x" * 100) == 0
            assert journal.append(17, b"x" * 100) == 0
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert journal.append(17, b"after")
        assert datas(journal) == [b"before", b"after"]


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """A worker whose daemon died still drains into it."""
    with opened(tmp_path), pytest.raises(BlockingIOError):
        Journal(str(tmp_path))
    with opened(tmp_path):
        pass


def test_a_closed_one_keeps_nothing(tmp_path: Path) -> None:
    """Without an error: Go may still hand over."""
    with opened(tmp_path) as journal:
        pass
    assert journal.append(17, b"x") == 0
    journal.confirm(1)


def test_discarding_leaves_no_file(tmp_path: Path) -> None:
    """What it held was of an account that is gone."""
    with opened(tmp_path) as journal:
        journal.append(17, b"x")
        journal.discard()
    assert list(tmp_path.iterdir()) == []


def test_threads_take_turns(tmp_path: Path) -> None:
    """Go appends while the loop confirms; no number comes twice."""
    with opened(tmp_path, Bound(size=20_000, records=10_000, idle=1000)) as journal:
        marks: list[int] = []

        def fill() -> None:
            marks.extend(journal.append(17, b"y" * 20) for _ in range(500))

        thread = threading.Thread(target=fill)
        thread.start()
        while thread.is_alive():
            if marks:
                journal.confirm(marks[-1])
        thread.join()
        assert len(set(marks)) == 500


def test_a_store_that_is_not_there_is_an_error_without_a_leak(tmp_path: Path) -> None:
    """The caller goes on without a journal."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(FileNotFoundError):
        Journal(str(tmp_path / "nowhere"))
    assert before == len(list(Path("/proc/self/fd").iterdir()))
