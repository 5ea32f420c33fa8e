"""An LRU bounded in bytes, that tells who was evicted and counts how it is used.

The order of use is our own, beside cachetools' cache: what is read back in the background must
be able to enter at the cold end, and to weigh more without being used.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Protocol, TypeVar

from cachetools import Cache

from sessions.models import Value


class Sized(Protocol):
    """A value that knows its weight."""

    @property
    def nbytes(self) -> int:
        """Bytes that the value holds."""
        ...


K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Sized)


class Usage(Value, frozen=True, kw_only=True):
    """How a cache stands: bytes, entries, and counts since the start."""

    used_bytes: int
    max_bytes: int
    entries: int
    hits: int
    misses: int
    evictions: int


class ByteLRU(Cache[K, V]):
    """Least recently used values go first when the sum of ``nbytes`` reaches the bound."""

    def __init__(self, max_bytes: int, on_evict: Callable[[K, V], None] | None = None) -> None:
        """Hold at most ``max_bytes``; call ``on_evict`` for what had to go (not for deletions)."""
        super().__init__(max_bytes, getsizeof=_weigh)
        self._on_evict = on_evict
        self._order: OrderedDict[K, None] = OrderedDict()  # the coldest first
        self.hits = self.misses = self.evictions = 0

    def __getitem__(self, key: K) -> V:
        """Return the value and make it the most recently used."""
        value: V = super().__getitem__(key)
        self._order.move_to_end(key)
        return value

    def __setitem__(self, key: K, value: V) -> None:
        """Keep the value as the most recently used."""
        super().__setitem__(key, value)
        self._order[key] = None
        self._order.move_to_end(key)

    def __delitem__(self, key: K) -> None:
        """Drop the value; nobody is told."""
        super().__delitem__(key)
        del self._order[key]

    def find(self, key: K) -> V | None:
        """Return the value and count it as used, or None."""
        value: V | None = self.get(key)
        if value is None:
            self.misses += 1
        else:
            self.hits += 1
        return value

    def peek(self, key: K) -> V | None:
        """Return the value without counting it as used, or None."""
        return super().__getitem__(key) if key in self else None

    def room(self, share: float) -> int:
        """Return how many bytes are free below ``share`` of the bound."""
        return int(self.maxsize * share - self.currsize)

    def put_cold(self, key: K, value: V) -> None:
        """Keep a value as the least recently used, or weigh it anew where it stands.

        For who has asked for :meth:`room`: nobody else has to leave.
        """
        super().__setitem__(key, value)
        if key not in self._order:
            self._order[key] = None
            self._order.move_to_end(key, last=False)

    def put(self, key: K, value: V) -> bool:
        """Keep the value, or weigh it anew; return False if it alone is over the bound."""
        if value.nbytes > self.maxsize:
            self.pop(key, None)
            return False
        self.get(key)  # used now: what makes room must be somebody else
        self[key] = value
        return True

    def popitem(self) -> tuple[K, V]:
        """Evict the least recently used value (cachetools calls this to make room)."""
        key = next(iter(self._order))
        value: V = super().__getitem__(key)
        del self[key]
        self.evictions += 1
        if self._on_evict is not None:
            self._on_evict(key, value)
        return key, value

    def usage(self) -> Usage:
        """Return the figures."""
        return Usage(
            used_bytes=int(self.currsize),
            max_bytes=int(self.maxsize),
            entries=len(self),
            hits=self.hits,
            misses=self.misses,
            evictions=self.evictions,
        )


def _weigh(value: Sized) -> int:
    return value.nbytes
