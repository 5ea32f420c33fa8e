from __future__ import annotations

from hypothesis import given, strategies as st

from sessions.sending import rate_limit
from sessions.sending.rate_limit import RateLimiter


def test_a_burst_passes_and_then_the_rate_holds() -> None:
    """What was saved up goes at once; afterwards it says how long to wait."""
    limiter = RateLimiter(rate=10, burst=2)
    assert [limiter.take("a", 5.0) for _ in range(3)] == [0.0, 0.0, 0.1]
    assert limiter.take("a", 5.05) > 0
    assert limiter.take("a", 5.2) == 0.0


def test_names_do_not_share() -> None:
    """Each name has a bucket of its own."""
    limiter = RateLimiter(rate=1, burst=1)
    limiter.take("a", 0)
    assert limiter.take("b", 0) == 0.0


def test_a_rate_of_nothing_lets_everything_through() -> None:
    """0 switches the limit off."""
    limiter = RateLimiter(rate=0, burst=0)
    assert {0.0} == {limiter.take("a", 0) for _ in range(100)}


def test_names_are_bounded() -> None:
    """The names that were not seen longest are forgotten, and start full."""
    limiter = RateLimiter(rate=1, burst=1)
    limiter.take("first", 0)
    for number in range(rate_limit.MAX_NAMES):
        limiter.take(str(number), 0)
    assert limiter.take("first", 0) == 0.0


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 3)), max_size=50))
def test_never_more_passes_than_burst_and_rate_allow(steps: list[tuple[float, float]]) -> None:
    """Over any time, at most the burst plus what the time has earned."""
    limiter = RateLimiter(rate=2, burst=5)
    now = passed = 0.0
    for pause, tokens in steps:
        now += pause
        wait = limiter.take("a", now, tokens)
        if wait == 0.0:
            passed += tokens
        elif tokens <= 5:
            assert limiter.take("a", now + wait + 1e-9, tokens) == 0.0
            now, passed = now + wait + 1e-9, passed + tokens
        assert passed <= 5 + 2 * now + 1e-6
