"""A short memory in front of a lookup: fresh enough for revocation, bounded in number."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import TYPE_CHECKING, Generic, TypeVar

from cachetools import TTLCache

from daemon.clock import Steady

if TYPE_CHECKING:
    from sessions.ports import Clock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

#: Half of what revocation may take: a stream asks once a second, a request at once.
FRESH_MS = 500
CAPACITY = 4096


class ReadThrough(Generic[K, V]):
    """Answers from memory for half a second, from the lookup after that; "no" is kept too.

    Keeping "no" makes a name that exists and one that does not take the same time. Lookups
    go one after the other: many streams of one key that ask at once cost one lookup.
    """

    def __init__(self, fetch: Callable[[K], Awaitable[V | None]], clock: Clock) -> None:
        self._fetch = fetch
        self._lock = asyncio.Lock()
        timer = Steady(clock)
        self._kept: TTLCache[K, tuple[V | None]] = TTLCache(CAPACITY, FRESH_MS, timer=timer)

    async def get(self, key: K) -> V | None:
        """Return what the lookup answers, or answered less than half a second ago."""
        kept = self._kept.get(key)
        if kept is None:
            async with self._lock:
                kept = self._kept.get(key)
                if kept is None:
                    kept = self._kept[key] = (await self._fetch(key),)
        return kept[0]

    def drop(self, key: K) -> None:
        """Ask anew the next time."""
        self._kept.pop(key, None)
