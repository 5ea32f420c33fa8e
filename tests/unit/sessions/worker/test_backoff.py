from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from sessions.worker.backoff import Backoff

BACKOFF = Backoff(first=1.0, longest=8.0, forgiven_after=10.0)


@pytest.mark.parametrize(
    ("failures", "least", "most"), [(1, 0.5, 1), (2, 1, 2), (4, 4, 8), (9, 4, 8), (10**6, 4, 8)]
)
def test_delays_double_up_to_the_longest(failures: int, least: float, most: float) -> None:
    """Half of each is fixed, half is chance."""
    assert least == BACKOFF.delay(failures, 0.0)
    assert most == pytest.approx(BACKOFF.delay(failures, 1.0))


@given(st.integers(1, 1000), st.floats(0, 1, exclude_max=True))
def test_delays_stay_within_bounds(failures: int, chance: float) -> None:
    """Never at once, never longer than the longest."""
    assert 0.5 <= BACKOFF.delay(failures, chance) <= 8.0


def test_a_long_life_forgives() -> None:
    """What lived long enough begins to count anew."""
    assert BACKOFF.failures_after(5, 9.9) == 6
    assert BACKOFF.failures_after(5, 10.0) == 1
