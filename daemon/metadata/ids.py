"""Ids that are made here: UUIDs, since Supabase's columns take nothing else."""

from __future__ import annotations

import secrets
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sessions.ports import Clock

_COUNTER_MAX = 0xFFF  # rand_a of RFC 9562 has 12 bits


class Ids:
    """UUIDv7s of one process: each sorts after the one before, also within a millisecond."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ms = 0
        self._counter = 0

    def new(self) -> str:
        """Return the next id."""
        now = self._clock.now_ms()
        if now > self._ms:
            self._ms, self._counter = now, 0
        elif self._counter < _COUNTER_MAX:
            self._counter += 1
        else:  # 4096 in a millisecond, or the clock went back: borrow from the next
            self._ms, self._counter = self._ms + 1, 0
        return str(uuid7(self._ms, self._counter))


def uuid7(ms: int, rand_a: int) -> uuid.UUID:
    """Return the UUIDv7 (RFC 9562) of a time and 12 bits; the other 62 are random."""
    number = (ms & (1 << 48) - 1) << 80 | 0x7 << 76 | (rand_a & _COUNTER_MAX) << 64
    return uuid.UUID(int=number | 0b10 << 62 | secrets.randbits(62))


def is_uuid(text: str) -> bool:
    """Tell whether the text is a UUID as PostgreSQL writes it."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
