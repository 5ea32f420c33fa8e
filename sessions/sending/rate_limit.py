"""A token bucket for each name, as values that take ``now``; bounded in names."""

from __future__ import annotations

from cachetools import LRUCache

#: Buckets kept; the least recently used name starts full again, which costs nobody anything.
MAX_NAMES = 10_000


class RateLimiter:
    """``rate`` tokens a second and name, at most ``burst`` saved up."""

    def __init__(self, rate: float, burst: float) -> None:
        """Every name starts with a full bucket; a ``rate`` of 0 lets everything through."""
        self._rate = rate
        self._burst = burst
        self._buckets: LRUCache[str, tuple[float, float]] = LRUCache(MAX_NAMES)

    def take(self, name: str, now: float, tokens: float = 1.0) -> float:
        """Take tokens; return 0, or the seconds to wait when there are not enough."""
        if self._rate <= 0:
            return 0.0
        saved, then = self._buckets.get(name, (self._burst, now))
        saved = min(self._burst, saved + max(0.0, now - then) * self._rate)
        if saved >= tokens:
            self._buckets[name] = (saved - tokens, now)
            return 0.0
        self._buckets[name] = (saved, now)
        return (tokens - saved) / self._rate
