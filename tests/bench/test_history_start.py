"""What a start's figures say, and that the disk is read again after the cache was let go."""

from __future__ import annotations

from pathlib import Path

from tests.bench.history_start import Start, figures, let_go

START = Start(
    ready=1.0,
    listed=1.1,
    told=1.2,
    hot=2.0,
    filled=20.0,
    late_ms=5.0,
    latest_ms=50.0,
    page_ms=6.0,
    longest_page_ms=60.0,
    cpu_seconds=10.0,
    read_mb=0.1,
    resident_mb=900.0,
    wrong=0,
)


def _short(*starts: Start) -> list[str]:
    return [figure.name for figure in figures(list(starts), "") if figure.falls_short]


def test_hot_chats_have_ten_seconds() -> None:
    """The rest of the memory may take longer."""
    assert _short(START) == []
    assert _short(START._replace(hot=10.1)) == ["start: hot chats served"]


def test_one_wrong_answer_of_one_start_is_too_many() -> None:
    """It is counted, not taken by its median."""
    assert _short(START, START, START._replace(wrong=1)) == ["start: not as it was written"]


def test_files_are_the_same_after_their_cache_was_let_go(tmp_path: Path) -> None:
    """Also in folders, also what was not on the disk yet."""
    (tmp_path / "sessions").mkdir()
    files = [tmp_path / "history.db", tmp_path / "sessions" / "main.db"]
    for file in files:
        file.write_bytes(b"x" * 100_000)
    let_go(tmp_path)
    assert {file.read_bytes() for file in files} == {b"x" * 100_000}
