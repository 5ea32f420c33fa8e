"""Marks are found wherever a read cuts the stream, each once."""

from __future__ import annotations

import pytest

from tests.bench.marks import MarkReader, mark, marks_in


def test_a_mark_says_line_and_number() -> None:
    """What is written is what is read."""
    assert marks_in(f'x{mark(7, 12)}"{mark(999, 9_999_999)}'.encode()) == [(7, 12), (999, 9999999)]


@pytest.mark.parametrize("size", [1, 2, 5, 12, 13, 14, 40, 1000])
def test_reads_of_any_size_find_each_mark_once(size: int) -> None:
    """A mark that is cut is found with the next read, and none is found again."""
    found: list[tuple[int, int]] = []
    reader = MarkReader(lambda line, number: found.append((line, number)))
    stream = "".join(f'data: {{"text": "{mark(1, n)}"}}\n\n' for n in range(20)).encode()
    for start in range(0, len(stream), size):
        reader.data_received(stream[start : start + size])
    assert found == [(1, n) for n in range(20)]


def test_what_is_asked_for_may_come_in_parts() -> None:
    """An answer's beginning is kept for the next read."""
    reader = MarkReader(lambda _line, _number: None)
    reader.expect(b"200 OK")
    reader.data_received(b"HTTP/1.1 20")
    assert not reader.is_heard
    reader.data_received(b"0 OK\r\n")
    assert reader.is_heard
