"""Moments, whatever their unit."""

from __future__ import annotations

import pytest

from sessions.provider.neonize.times import FOREVER_MS, to_ms, until_ms

AT = 1_790_000_000_123


@pytest.mark.parametrize("value", [AT, AT * 1000, AT * 1_000_000])
def test_units_are_told_apart(value: int) -> None:
    """Milli-, micro- and nanoseconds."""
    assert to_ms(value) == AT


def test_seconds() -> None:
    """Receipts have them."""
    assert to_ms(1_790_000_000) == 1_790_000_000_000


@pytest.mark.parametrize(
    ("value", "expected"), [(0, None), (-1, FOREVER_MS), (2**63, FOREVER_MS), (AT, AT)]
)
def test_ends(value: int, expected: int | None) -> None:
    """0 is none, a mute for ever is the year 9999."""
    assert expected == until_ms(value)
