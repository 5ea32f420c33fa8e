"""Which LID is which phone number: our own map, because the library's aborts the process.

It answers while nothing is connected, which replaying events needs. Bounded: the least
recently used pairs go first.
"""

from __future__ import annotations

from cachetools import LRUCache

from sessions import ids

#: A pair weighs some 300 bytes with both its keys.
MAX_PAIRS = 20_000


class LidMap:
    """Pairs of addresses (canonical JIDs), and the LIDs that nobody could name."""

    def __init__(self, max_pairs: int = MAX_PAIRS) -> None:
        """Hold ``max_pairs`` pairs."""
        self._pn: LRUCache[str, str] = LRUCache(max_pairs)
        self._lid: LRUCache[str, str] = LRUCache(max_pairs)
        self._unknown: LRUCache[str, bool] = LRUCache(max_pairs)

    def __len__(self) -> int:
        """Return how many pairs are known."""
        return len(self._pn)

    def learn(self, one: str, other: str) -> tuple[str, str] | None:
        """Take two addresses of one person; return (lid, pn) where that is news."""
        lid, pn = (one, other) if one.endswith("@lid") else (other, one)
        if not lid.endswith("@lid") or not pn.endswith(f"@{ids.USER}"):
            return None
        if self._pn.get(lid) == pn:
            return None
        self._pn[lid] = pn
        self._lid[pn] = lid
        self._unknown.pop(lid, None)
        return lid, pn

    def pn_of(self, lid: str) -> str | None:
        """Return the phone number's address of a LID."""
        return self._pn.get(lid)

    def lid_of(self, pn: str) -> str | None:
        """Return the LID of a phone number's address."""
        return self._lid.get(pn)

    def give_up(self, lid: str) -> None:
        """Remember that nobody knows this LID, so that it is asked once."""
        self._unknown[lid] = True

    def wants(self, jid: str) -> bool:
        """Tell whether ``jid`` is a LID worth asking for."""
        return jid.endswith("@lid") and jid not in self._pn and jid not in self._unknown
