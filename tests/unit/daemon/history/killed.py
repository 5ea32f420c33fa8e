"""A life that ends by SIGKILL: ``python -m …killed DATA FIRST store|spill``.

Hands messages over without end, numbered from FIRST, and prints each mark that was confirmed.
With ``spill`` the store refuses, so that all of it goes to the spill.
"""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from pathlib import Path

from daemon.history.flusher import Bounds, Flusher
from daemon.history.history import History
from daemon.history.spill import Spill
from sessions.ids import SessionKey
from tests.support.recorders import SetClock
from tests.unit.daemon.history.lives import put
from tests.unit.daemon.history.stores import FULL, Governed


def _told(_: SessionKey, mark: int) -> None:
    print(mark, flush=True)  # noqa: T201 - what the test reads


async def life(data: Path, first: int, *, refuses: bool) -> None:
    """Hand over until killed."""
    store = Governed(data)
    await store.ready()
    store.refusal = FULL if refuses else None
    spill = Spill(data, 1 << 30)
    spill.open()
    flusher = Flusher(store, spill, _told, Bounds(interval=0.001, retry=0.005))
    async with History(store, flusher, SetClock(), 0, 0).running() as history:
        for start in count(first, 50):
            await put(history, range(start, start + 50))


if __name__ == "__main__":
    asyncio.run(life(Path(sys.argv[1]), int(sys.argv[2]), refuses=sys.argv[3] == "spill"))
