from __future__ import annotations

import uuid

import pytest

from daemon.metadata.ids import Ids, is_uuid, uuid7
from tests.unit.daemon.manual_clock import START_MS, ManualClock


def test_an_id_is_a_uuid_of_its_time() -> None:
    """Version 7 of RFC 9562: milliseconds first, then the counter."""
    made = uuid7(START_MS, 0xABC)
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == START_MS
    assert made.int >> 64 & 0xFFF == 0xABC


def test_ids_sort_as_they_were_made(clock: ManualClock) -> None:
    """Within a millisecond, more of them than it has room for, and when the clock goes back."""
    ids = Ids(clock)
    made = [ids.new() for _ in range(10_000)]
    clock.forward(-60)
    made += [ids.new() for _ in range(10)]
    clock.forward(120)
    made.append(ids.new())
    assert made == sorted(made)
    assert len(set(made)) == len(made)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a0000000-0000-4000-8000-00000000000a", True),
        ("A0000000-0000-4000-8000-00000000000A", True),
        ("a000000000004000800000000000000a", False),
        ("{a0000000-0000-4000-8000-00000000000a}", False),
        ("key:3f", False),
        ("", False),
    ],
)
def test_what_is_a_uuid(text: str, expected: bool) -> None:
    """As PostgreSQL writes it, not in the other forms that Python reads."""
    assert is_uuid(text) is expected
