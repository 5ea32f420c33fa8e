"""Stopping a process in its tracks, as a machine does that is suspended or out of memory."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.support.waiting import eventually

_STOPPED = "T"
"""The state in ``/proc/<pid>/task/<thread>/stat``, third field (proc_pid_stat(5))."""


async def freeze(*pids: int) -> None:
    """Stop processes with SIGSTOP; return when none of their threads runs any more.

    The signal alone is only a wish: a thread goes on until the kernel interrupts it, and on a
    busy machine that is long enough to read a message and to pass it on.
    """
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)

    async def all_stopped() -> bool:
        return all(state == _STOPPED for pid in pids for state in _states(pid))

    await eventually(all_stopped)


def _states(pid: int) -> list[str]:
    """Return the state of each thread; one that ended while we looked has none."""
    states = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            stat = (task / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        states.append(stat.rpartition(")")[2].split()[0])  # the name before may hold spaces
    return states
