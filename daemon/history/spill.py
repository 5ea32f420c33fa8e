"""Where records wait on disk when the store cannot follow: a queue of files, oldest first.

A folder ``history-spill`` (0700) of segments (0600), each a row of frames: CRC-32, length and
number of records, then the records as MessagePack. A frame is written whole or cut off again, and
the page cache outlives a killed process, so nothing is synced. A segment leaves when all of it is
in the store; after a restart the first is read from its beginning, as records that are written
twice change nothing.

One caller at a time; every method works with files and belongs on a thread.
"""

from __future__ import annotations

import errno
import logging
import os
import struct
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from daemon.history.failures import from_system
from daemon.history.models import (
    Dropped,
    Moved,
    Record,
    StoredChat,
    StoredContact,
    StoredMessage,
)
from daemon.history.port import HistoryFailed

log = logging.getLogger("zapd.history")

FOLDER = "history-spill"
_HEAD = struct.Struct("<III")  # CRC-32 of all that follows it, bytes of the payload, records
_CHECKED = 4  # bytes of the head before what the checksum is over
_SEGMENTS = 16  # of this share of the bound each, so that what was read makes room
_MIDDLE = 10**9  # the first segment's number: there is room before it
_SHAPES: tuple[type[Record], ...] = (StoredMessage, StoredChat, StoredContact, Moved, Dropped)
_KINDS = {shape: kind for kind, shape in enumerate(_SHAPES)}
_DECODERS = [msgspec.msgpack.Decoder(shape) for shape in _SHAPES]
_FRAME = msgspec.msgpack.Decoder(list[tuple[int, msgspec.Raw]])
_ENCODE = msgspec.msgpack.Encoder().encode


class SpillFailed(HistoryFailed):
    """The spill has reached its bound, or cannot be written. Nothing of the call is in it."""


class _Segment:
    """A file of frames, and what is known of it."""

    def __init__(self, path: Path, size: int = 0, records: int = 0) -> None:
        self.path = path
        self.size = size
        self.records = records


class Spill:
    """A queue of records on disk, with a bound in bytes."""

    def __init__(self, data_dir: Path, max_bytes: int) -> None:
        self._folder = data_dir / FOLDER
        self._max = max_bytes
        self._segment_bytes = max(max_bytes // _SEGMENTS, 1)
        self._segments: deque[_Segment] = deque()
        self._offset = 0  # of what was read, in the first segment
        self._next: tuple[int, int] | None = None  # bytes and records of the frame that was peeked
        self._numbers = (_MIDDLE, _MIDDLE)  # of the next segment before all, and behind all
        self.records = 0
        self.bytes = 0
        self.lost = 0
        """Records of damaged frames."""

    def open(self) -> None:
        """Find what an earlier life left. Raises ``HistoryFailed``."""
        try:
            found = sorted(self._folder.iterdir()) if self._folder.is_dir() else []
            for path in found:
                if path.suffix == ".frames":
                    self._take_up(path)
        except OSError as error:
            raise from_system(error) from error
        if self._segments:
            self._numbers = (_number(self._segments[0]) - 1, _number(self._segments[-1]) + 1)
        self.records = sum(segment.records for segment in self._segments)
        self.bytes = sum(segment.size for segment in self._segments)

    def append(self, records: Sequence[Record]) -> int:
        """Put the records behind all others; return how many could not be encoded, and are not.

        Raises ``SpillFailed``.
        """
        frame, count = _frame(records)
        if count:
            last = self._segments[-1] if self._segments else None
            if last is None or last.size >= self._segment_bytes:
                before, behind = self._numbers
                last = self._begin(behind)
                self._write(last, frame, count)
                self._segments.append(last)
                self._numbers = (min(before, behind - 1), behind + 1)
            else:
                self._write(last, frame, count)
        return len(records) - count

    def prepend(self, records: Sequence[Record]) -> int:
        """Put the records before all others; nothing may have been read since the spill was empty.

        Else like ``append``.
        """
        frame, count = _frame(records)
        if count:
            before, behind = self._numbers
            segment = self._begin(before)
            self._write(segment, frame, count)
            self._segments.appendleft(segment)
            self._numbers = (before - 1, max(behind, before + 1))
        return len(records) - count

    def peek(self) -> list[Record]:
        """Return the records of the oldest frame; none when the spill is empty."""
        while self._segments:
            segment = self._segments[0]
            try:
                records = self._read(segment)
            except OSError as error:
                raise from_system(error) from error
            if records is not None:
                return records
            self._give_up(segment)
        return []

    def advance(self) -> None:
        """Forget the frame that ``peek`` returned: it is in the store."""
        if self._next is None:
            return
        size, count = self._next
        self._next = None
        self._offset += size
        self.records -= count
        self.bytes -= size
        segment = self._segments[0]
        segment.records -= count
        if self._offset >= segment.size:
            self._leave(segment)

    def _begin(self, number: int) -> _Segment:
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise _failed(error) from error
        return _Segment(self._folder / f"{number:010d}.frames")

    def _write(self, segment: _Segment, frame: bytes, count: int) -> None:
        if self.bytes + len(frame) > self._max:
            raise SpillFailed(
                "The spill file of the history has reached its bound.",
                "Mend what keeps the history from being written, or raise ZAPD_HISTORY_SPILL.",
            )
        try:
            # A new segment is never an old file that could not be taken up at the start.
            made = os.O_APPEND if segment.size else os.O_APPEND | os.O_CREAT | os.O_EXCL
            flags = os.O_WRONLY | made | os.O_CLOEXEC
            descriptor = os.open(segment.path, flags, 0o600)
            try:
                _write_whole(descriptor, frame, segment)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _failed(error) from error
        segment.size += len(frame)
        segment.records += count
        self.records += count
        self.bytes += len(frame)

    def _read(self, segment: _Segment) -> list[Record] | None:
        """Return the records of the frame at the offset; None where it is damaged."""
        with segment.path.open("rb") as stream:
            stream.seek(self._offset)
            head = stream.read(_HEAD.size)
            if len(head) < _HEAD.size:
                return None
            checksum, length, count = _HEAD.unpack(head)
            payload = stream.read(length)
        if len(payload) < length or zlib.crc32(payload, zlib.crc32(head[_CHECKED:])) != checksum:
            return None
        try:
            records = [_DECODERS[kind].decode(raw) for kind, raw in _FRAME.decode(payload)]
        except (msgspec.DecodeError, IndexError):  # of a newer zapd, with kinds of its own
            return None
        self._next = (_HEAD.size + length, count)
        return records

    def _give_up(self, segment: _Segment) -> None:
        """Set a damaged segment aside: what follows a broken frame cannot be found."""
        log.error(
            "%s is damaged: about %d records of it are lost to the history; it is kept as .damaged",
            segment.path.name,
            segment.records,
        )
        self.lost += segment.records
        self.records -= segment.records
        self.bytes -= segment.size - self._offset
        try:
            segment.path.rename(segment.path.with_suffix(".damaged"))
        except OSError as error:
            log.warning("%s cannot be renamed: %s", segment.path.name, error)
        self._segments.popleft()
        self._offset, self._next = 0, None

    def _leave(self, segment: _Segment) -> None:
        self._segments.popleft()
        self._offset = 0
        try:
            segment.path.unlink()
        except OSError as error:  # read again after a restart, which changes nothing
            log.warning("%s cannot be removed: %s", segment.path.name, error)

    def _take_up(self, path: Path) -> None:
        """Count a segment's frames, and cut off what a killed process left half written."""
        segment = _Segment(path)
        for size, count in _frames(path):
            segment.size += size
            segment.records += count
        if segment.size < path.stat().st_size:
            os.truncate(path, segment.size)
        if segment.size:
            self._segments.append(segment)
        else:
            path.unlink()


def _frame(records: Sequence[Record]) -> tuple[bytes, int]:
    """Return the records as a frame, and how many of them it has."""
    encoded = []
    for record in records:
        try:
            encoded.append((_KINDS[type(record)], msgspec.Raw(_ENCODE(record))))
        except (TypeError, ValueError, OverflowError):  # half a surrogate, 2**64
            log.exception("a record cannot be encoded")
    payload = _ENCODE(encoded)
    rest = struct.pack("<II", len(payload), len(encoded))
    return struct.pack("<I", zlib.crc32(payload, zlib.crc32(rest))) + rest + payload, len(encoded)


def _frames(path: Path) -> Iterator[tuple[int, int]]:
    """Yield bytes and records of each frame that is there in full length."""
    left = path.stat().st_size
    with path.open("rb") as stream:
        while len(head := stream.read(_HEAD.size)) == _HEAD.size:
            _, length, count = _HEAD.unpack(head)
            left -= _HEAD.size + length
            if left < 0:
                return
            stream.seek(length, os.SEEK_CUR)
            yield _HEAD.size + length, count


def _write_whole(descriptor: int, frame: bytes, segment: _Segment) -> None:
    """Append the frame, or leave the segment as it was: where it is new, not there at all."""
    written = 0
    try:
        while written < len(frame):
            written += os.write(descriptor, memoryview(frame)[written:])
    except OSError:
        os.ftruncate(descriptor, segment.size)
        if not segment.size:
            segment.path.unlink()
        raise


def _number(segment: _Segment) -> int:
    return int(segment.path.stem)


def _failed(error: OSError) -> SpillFailed:
    if error.errno == errno.EFBIG:
        return SpillFailed("A file may not grow as large as the spill file of the history would.")
    failed = from_system(error)
    return SpillFailed(str(failed), failed.user_action)
