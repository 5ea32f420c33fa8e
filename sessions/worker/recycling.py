"""When a worker process is worn out: what it holds, and the bounds.

Each reconnect of the core leaves some memory and sometimes a file descriptor behind, and
nothing gives them back but the end of its process. So a worker that has grown is drained,
ended and started again with its sessions, before the system ends it at a bad moment.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

_PAGE = os.sysconf("SC_PAGE_SIZE")


class Bounds(NamedTuple):
    """What a worker may come to; 0 is no bound. ``rest`` is in seconds."""

    rss: int = 512 * 1024 * 1024  # bytes
    fds: int = 800  # below the 1,024 that many systems allow
    reconnects: int = 500
    rest: float = 600.0  # a process lives so long at least: a new one over its bound is no loop


class Use(NamedTuple):
    """What a process holds: bytes, descriptors, logins since its start, seconds of life."""

    rss: int
    fds: int
    reconnects: int
    age: float


def reason(use: Use, bounds: Bounds) -> str | None:
    """Return why the process is to be renewed, for the log; None where it is not."""
    if use.age < bounds.rest:
        return None
    for name, is_, most in (
        ("resident bytes", use.rss, bounds.rss),
        ("open files", use.fds, bounds.fds),
        ("reconnects", use.reconnects, bounds.reconnects),
    ):
        if most and is_ > most:
            return f"{is_} {name}, more than {most}"
    return None


def measure(pid: int) -> tuple[int, int]:
    """Return resident bytes and open files of a process, from ``/proc``; zeros where it is gone."""
    process = Path(f"/proc/{pid}")
    try:
        pages = int((process / "statm").read_text().split()[1])
        return pages * _PAGE, len(os.listdir(process / "fd"))  # noqa: PTH208 - counted, not used
    except (OSError, IndexError, ValueError):
        return 0, 0
