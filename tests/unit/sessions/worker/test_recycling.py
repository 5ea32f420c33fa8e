"""When a worker is worn out."""

from __future__ import annotations

import os
import socket

import pytest

from sessions.worker.recycling import Bounds, Use, measure, reason

BOUNDS = Bounds(rss=1000, fds=100, reconnects=10, rest=600)
FRESH = Use(rss=1000, fds=100, reconnects=10, age=600)


@pytest.mark.parametrize(
    ("use", "why"),
    [
        (FRESH, None),
        (FRESH._replace(rss=1001), "1001 resident bytes, more than 1000"),
        (FRESH._replace(fds=101), "101 open files, more than 100"),
        (FRESH._replace(reconnects=11), "11 reconnects, more than 10"),
        (FRESH._replace(rss=9999, age=599), None),
    ],
)
def test_reasons(use: Use, why: str | None) -> None:
    """Over a bound, and old enough: a new process that needs as much is let be."""
    assert reason(use, BOUNDS) == why


def test_zero_is_no_bound() -> None:
    """Each bound can be given up by itself."""
    endless = Bounds(rss=0, fds=0, reconnects=0, rest=0)
    assert reason(Use(10**12, 10**6, 10**6, 10**6), endless) is None


def test_a_process_is_measured() -> None:
    """Its memory is some megabytes, and each open file counts."""
    rss, fds = measure(os.getpid())
    assert 4 * 2**20 < rss < 2**33
    with socket.socket():
        assert measure(os.getpid())[1] == fds + 1


def test_a_process_that_is_gone_holds_nothing() -> None:
    """It ended between two looks."""
    assert measure(2**22 + 1) == (0, 0)
