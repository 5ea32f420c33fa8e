"""What processes take is read from the system, and adds up."""

from __future__ import annotations

import os
from pathlib import Path

from tests.bench.use import cpu_seconds, pss

ME = os.getpid()


def test_a_share_is_not_more_than_what_is_resident() -> None:
    """PSS divides shared pages among those who map them."""
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert 1_000_000 < pss([ME]) <= resident


def test_processes_add_up() -> None:
    """Nobody has nothing."""
    assert pss([]) == 0
    assert pss([ME, ME]) > pss([ME])


def test_work_takes_time() -> None:
    """Counting grows it."""
    before = cpu_seconds([ME])
    while cpu_seconds([ME]) < before + 0.02:
        sum(range(10_000))
    assert cpu_seconds([ME, ME]) >= 2 * before
