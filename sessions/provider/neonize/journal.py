"""The inbound journal's records, and the book of what may go where. Sans-I/O.

A segment is a row of records, each 18 bytes and its data: CRC-32 of all that follows, length,
sequence number, code. Reading stops at the first that is not whole, so whatever cut the file
costs what stood behind the cut. A ``CONFIRMED`` record has no data: up to its number the
daemon has everything. There are two segments, used in turn; one that holds nothing
unconfirmed is emptied.
"""

from __future__ import annotations

import secrets
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

#: Not a code of the library: those are 0 and up, our own from -1 down to -4.
CONFIRMED = -100
_REST = struct.Struct(">IQh")
_CHECKSUM = struct.Struct(">I")
OVERHEAD = _CHECKSUM.size + _REST.size
#: How far a confirmation may be ahead of what was confirmed, and still be of this journal.
_REACH = 2**32


class Record(NamedTuple):
    """One event as Go gave it, with its number; numbers rise by one from record to record."""

    sequence: int
    code: int
    data: bytes


class Bound(NamedTuple):
    """What a segment may hold, in bytes and records; ``idle`` bytes are kept rather than emptied.

    Two segments of these: 64 MiB and 200,000 records a session.
    """

    size: int = 32 * 1024 * 1024
    records: int = 100_000
    idle: int = 256 * 1024


def head(sequence: int, code: int, data: bytes) -> bytes:
    """Return the 18 bytes that stand before ``data``."""
    rest = _REST.pack(len(data), sequence, code)
    return _CHECKSUM.pack(zlib.crc32(data, zlib.crc32(rest))) + rest


def read(segment: bytes) -> Iterator[Record]:
    """Yield the records of a segment up to the first that is not whole."""
    place = 0
    while (start := place + OVERHEAD) <= len(segment):
        (checksum,) = _CHECKSUM.unpack_from(segment, place)
        length, sequence, code = _REST.unpack_from(segment, place + _CHECKSUM.size)
        end = start + length
        if end > len(segment):
            return
        data = segment[start:end]
        rest = segment[place + _CHECKSUM.size : start]
        if checksum != zlib.crc32(data, zlib.crc32(rest)):
            return
        yield Record(sequence, code, data)
        place = end


class Segment:
    """What is known of one segment; ``first`` and ``last`` number its events, 0 for none."""

    __slots__ = ("confirmed", "first", "last", "records", "size")

    def __init__(self, records: Iterable[Record] = ()) -> None:
        """Take stock of what a segment holds."""
        self.size = self.records = self.first = self.last = self.confirmed = 0
        for record in records:
            self.add(record.sequence, record.code, len(record.data))

    def add(self, sequence: int, code: int, length: int) -> None:
        """Note a record that was written."""
        self.size += OVERHEAD + length
        if code == CONFIRMED:
            self.confirmed = max(self.confirmed, sequence)
        else:
            self.records += 1
            self.first = self.first or sequence
            self.last = max(self.last, sequence)

    def clear(self) -> None:
        """Note that the segment is empty."""
        self.size = self.records = self.first = self.last = self.confirmed = 0


class Ledger:
    """Which segment takes the next record, and which may be emptied.

    The caller writes, and says so with ``added`` and ``emptied``; what it does not say has
    not happened. Numbers of a journal that begins start at random, so that a confirmation
    that was meant for one before it confirms nothing.
    """

    def __init__(
        self, segments: Sequence[Segment], bound: Bound, origin: int | None = None
    ) -> None:
        """Go on with two segments; ``origin`` is where the numbers start if both are empty."""
        self.segments = segments
        self._bound = bound
        confirmed = max(segment.confirmed for segment in segments)
        begun = [segment.first - 1 for segment in segments if segment.first]
        if not confirmed and not begun:
            confirmed = secrets.randbits(61) + 1 if origin is None else origin
        self.confirmed = confirmed or min(begun)
        self.last = max(self.confirmed, *(segment.last for segment in segments))
        first, second = segments
        self.active = int(second.last > first.last)

    @property
    def unconfirmed(self) -> int:
        """How many numbers are not confirmed."""
        return self.last - self.confirmed

    def place(self, length: int) -> int | None:
        """Return the segment for a record of ``length`` bytes; None where the bound is reached.

        Another than ``active`` is to be emptied first. What is unconfirmed is never displaced.
        """
        size = OVERHEAD + length
        active, other = self.segments[self.active], self.segments[1 - self.active]
        if active.size + size <= self._bound.size and active.records < self._bound.records:
            return self.active
        is_free = other.last <= self.confirmed
        return 1 - self.active if is_free and size <= self._bound.size else None

    def added(self, index: int, sequence: int, code: int, length: int) -> None:
        """Note a record that stands in a segment now."""
        self.segments[index].add(sequence, code, length)
        self.active = index
        self.last = max(self.last, sequence)

    def emptied(self, index: int) -> None:
        """Note that a segment is empty now."""
        self.segments[index].clear()

    def confirm(self, mark: int) -> bool:
        """Take that the daemon has all up to ``mark``; False if that is no news.

        A mark beyond the last record is right: a cut tail may have held it.
        """
        if not 0 < mark - self.confirmed < _REACH:
            return False
        self.confirmed = mark
        self.last = max(self.last, mark)
        return True

    def spent(self) -> list[int]:
        """Return the segments to empty: all confirmed, and worth the call. The active one last.

        The confirmation must stand in the active one before: an emptied one may have held it.
        """
        order = (1 - self.active, self.active)
        least = {self.active: self._bound.idle, 1 - self.active: 1}
        return [
            index
            for index in order
            if self.segments[index].size >= least[index]
            and self.segments[index].last <= self.confirmed
        ]
