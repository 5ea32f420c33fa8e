"""What processes take of the machine: memory and processor time."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)
MB = 1_000_000
_TICK = os.sysconf("SC_CLK_TCK")


def pss(pids: Iterable[int]) -> int:
    """Return bytes: each page's share of all that map it, summed over the processes."""
    return sum(_pss(pid) for pid in pids)


def _pss(pid: int) -> int:
    found = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
    assert found is not None
    return int(found[1]) * 1024


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the processor time that the processes have taken so far, all threads."""
    return sum(_ticks(pid) for pid in pids) / _TICK


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])  # utime, stime
