"""Which core does what: the measured side has one, the load another.

A box with one core measures both on it, and says so by its figures.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_ALLOWED = sorted(os.sched_getaffinity(0))
MEASURED = _ALLOWED[0]
LOAD = _ALLOWED[-1]


@contextmanager
def on(core: int) -> Iterator[None]:
    """Let the processes that this thread starts meanwhile begin, and stay, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
