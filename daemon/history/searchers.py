"""Threads that search ``history.db`` and do nothing else.

A search may take its whole time, so no page waits behind one, and there are two: who searches does
not always wait for who searches for long.
"""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from daemon.history.lane import Lane
from daemon.history.models import Searched, SearchQuery
from daemon.history.searching import Searcher, Watch

_COUNT = 2
_CACHE_KIB = 16 * 1024  # of each


class Searchers:
    """Gives each search to a thread that has none."""

    def __init__(self, path: Path, watch: Watch) -> None:
        """Search the file at ``path``; it is opened when the first search comes."""
        self._seats = [_Seat(path, f"history-search-{n}", watch) for n in range(_COUNT)]
        self._free: asyncio.Queue[_Seat] = asyncio.Queue()
        for seat in self._seats:
            self._free.put_nowait(seat)

    async def find(self, query: SearchQuery) -> Searched:
        """Return what is found. Raises ``HistoryFailed``."""
        seat = await self._free.get()
        try:
            return await seat.lane.run(lambda connection: seat.find(connection, query))
        finally:
            self._free.put_nowait(seat)

    async def close(self) -> None:
        """Close the connections after what they are doing."""
        for seat in self._seats:
            await seat.close()


class _Seat:
    """A thread, and what searches on its connection."""

    def __init__(self, path: Path, name: str, watch: Watch) -> None:
        self.lane = Lane(path, name, cache_kib=_CACHE_KIB)
        self._watch = watch
        self._searcher: Searcher | None = None

    def find(self, connection: sqlite3.Connection, query: SearchQuery) -> Searched:
        """Search on this connection; on the lane's thread."""
        searcher = self._searcher
        if searcher is None or searcher.connection is not connection:
            if searcher is not None:
                searcher.close()
            searcher = self._searcher = Searcher(connection, self._watch)
        return searcher.find(query)

    async def close(self) -> None:
        """Close the connection after what is under way."""
        await self.lane.close()
        if self._searcher is not None:
            self._searcher.close()
