"""The recent past of one workspace: bounded by count and by bytes, any offset found at once."""

from __future__ import annotations

import msgspec

#: What a frame costs beside its JSON: the objects themselves, two names and a place in the list.
FRAME_OVERHEAD = 250
_COMPACT_AT = 1024


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One event, ready to be framed by any transport.

    ``offset`` counts from 1; 0 marks a stream's own event, which has no place in the order.
    ``json`` is the whole envelope.
    """

    offset: int
    type: str
    session: str | None
    chat: str | None
    json: bytes

    @property
    def size(self) -> int:
        """What the frame costs in memory, in bytes."""
        return len(self.json) + FRAME_OVERHEAD


class Ring:
    """Frames with contiguous offsets, the newest never dropped by a bound.

    A list whose dead front is cut off when it is as long as the living rest: reading by offset
    is O(1), appending and dropping are O(1) amortised, and an idle workspace holds no empty slots.
    """

    __slots__ = ("_dead", "_frames", "_max_bytes", "_max_events", "bytes", "first", "head")

    def __init__(self, max_events: int, max_bytes: int) -> None:
        self._frames: list[Frame | None] = []
        self._dead = 0
        self._max_events = max_events
        self._max_bytes = max_bytes
        self.head = 0
        """The last offset given, 0 before the first."""
        self.first = 1
        """The oldest offset that is held; ``head + 1`` when none is."""
        self.bytes = 0
        """What the held frames cost, in bytes."""

    def __len__(self) -> int:
        return len(self._frames) - self._dead

    def append(self, frame: Frame) -> None:
        """Hold the frame, whose offset must be ``head + 1``; drop what is over the bounds."""
        self._frames.append(frame)
        self.head += 1
        self.bytes += frame.size
        self._shrink(self._max_events, self._max_bytes)

    def after(self, offset: int, limit: int) -> list[Frame]:
        """Return at most ``limit`` frames that follow ``offset``, which must be ``>= first - 1``."""
        start = self._dead + offset + 1 - self.first
        return self._frames[start : start + limit]  # type: ignore[return-value]  # dead ones precede

    def set_bounds(self, max_events: int, max_bytes: int) -> None:
        """Change the bounds, both at least 1, and drop what is over them."""
        self._max_events, self._max_bytes = max_events, max_bytes
        self._shrink(max_events, max_bytes)

    def trim(self, max_bytes: int) -> None:
        """Drop the oldest down to so many bytes, this once. Called when all rings are over theirs."""
        self._shrink(self._max_events, max_bytes)

    def clear(self) -> None:
        """Drop all, and skip an offset: whoever resumes, from the head too, has missed something."""
        self._frames, self._dead, self.bytes = [], 0, 0
        self.head += 1
        self.first = self.head + 1

    def _shrink(self, max_events: int, max_bytes: int) -> None:
        while len(self) > 1 and (len(self) > max_events or self.bytes > max_bytes):
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        frame = self._frames[self._dead]
        assert frame is not None  # noqa: S101 - the living part has no gaps
        self.bytes -= frame.size
        self._frames[self._dead] = None
        self._dead += 1
        self.first += 1
        if self._dead >= _COMPACT_AT and self._dead * 2 >= len(self._frames):
            del self._frames[: self._dead]
            self._dead = 0
