"""The language between the daemon and a worker: frames of msgpack, without any I/O.

A frame is a 4-byte big-endian length and one msgpack object of a tagged union:
:data:`ToWorker` one way, :data:`FromWorker` the other. The caller feeds bytes as they come
and writes what the encoders return; after :class:`~sessions.errors.WireError` the stream
is lost and the process behind it must be ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

from sessions.commands import AnyAnswer, AnyCommand
from sessions.errors import WireError
from sessions.events import AnyEvent
from sessions.models import Value
from sessions.provider.optional import Counts

#: A history sync chunk is decoded chat by chat, so a frame is a message at most; WhatsApp's
#: text limit is 64 Ki characters, a thumbnail some 10 KB.
MAX_FRAME = 16 * 1024 * 1024
_LENGTH = 4


class Frame(Value, frozen=True, kw_only=True, tag_field="frame"):
    """Base of the frames."""


class Request(Frame, frozen=True, kw_only=True, tag="request"):
    """A command for a session; ``number`` names the answer."""

    number: int
    workspace: str
    session: str
    command: AnyCommand


class Ping(Frame, frozen=True, kw_only=True, tag="ping"):
    """A heartbeat: a worker whose loop lives answers with ``Pong`` at once."""

    number: int


class Confirm(Frame, frozen=True, kw_only=True, tag="confirm"):
    """The daemon has all of a session up to ``mark``, as ``Emitted`` told it.

    Before a ``Start`` it says what an earlier worker told.
    """

    workspace: str
    session: str
    mark: int


class Shutdown(Frame, frozen=True, kw_only=True, tag="shutdown"):
    """Drain all sessions, stop them, end."""


ToWorker = Request | Ping | Confirm | Shutdown


class Ready(Frame, frozen=True, kw_only=True, tag="ready"):
    """The worker can take commands."""

    pid: int


class Pong(Frame, frozen=True, kw_only=True, tag="pong"):
    """The answer to ``Ping``."""

    number: int


class Reply(Frame, frozen=True, kw_only=True, tag="reply"):
    """The answer to ``Request``."""

    number: int
    answer: AnyAnswer


class Emitted(Frame, frozen=True, kw_only=True, tag="emitted"):
    """An event of a session; ``sequence`` counts within the session, from 1.

    ``mark`` is for ``Confirm``: with this event all up to there is told; 0 says nothing.
    """

    workspace: str
    session: str
    sequence: int
    mark: int = 0
    body: AnyEvent


class Health(Frame, frozen=True, kw_only=True, tag="health"):
    """What a session's provider counted since the last such frame; only where it did."""

    workspace: str
    session: str
    counts: Counts


FromWorker = Ready | Pong | Reply | Emitted | Health

_encoder = msgspec.msgpack.Encoder()
FrameT = TypeVar("FrameT", ToWorker, FromWorker)


def encode(frame: ToWorker | FromWorker) -> bytes:
    """Return the frame's bytes; raise ``WireError`` if it cannot be told or is too large."""
    try:
        body = _encoder.encode(frame)
    except (OverflowError, UnicodeEncodeError) as error:  # a number of 65 bits, half a surrogate
        raise WireError(f"A frame cannot be encoded: {error}") from error
    if len(body) > MAX_FRAME:
        raise WireError(f"A frame of {len(body)} bytes is over the limit of {MAX_FRAME}.")
    return len(body).to_bytes(_LENGTH, "big") + body


class FrameReader(Generic[FrameT]):
    """Cuts a byte stream into frames; ``feed`` it whatever arrives."""

    def __init__(self, decoder: msgspec.msgpack.Decoder[FrameT]) -> None:
        """Read frames of the union that ``decoder`` knows."""
        self._decoder: msgspec.msgpack.Decoder[FrameT] = decoder
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[FrameT]:
        """Yield the frames that are complete with ``data``; raise ``WireError`` on nonsense."""
        self._buffer += data
        position = 0
        try:
            while (body := self._next(position)) is not None:
                position += _LENGTH + len(body)
                yield self._decode(body)
        finally:
            del self._buffer[:position]

    def _next(self, position: int) -> bytes | None:
        start = position + _LENGTH
        if len(self._buffer) < start:
            return None
        length = int.from_bytes(self._buffer[position:start], "big")
        if length > MAX_FRAME:
            raise WireError(f"A frame of {length} bytes was announced; the limit is {MAX_FRAME}.")
        end = start + length
        return bytes(self._buffer[start:end]) if len(self._buffer) >= end else None

    def _decode(self, body: bytes) -> FrameT:
        try:
            frame: FrameT = self._decoder.decode(body)
        except msgspec.DecodeError as error:
            raise WireError(f"A frame makes no sense: {error}") from error
        return frame


def worker_side() -> FrameReader[ToWorker]:
    """Return the reader for a worker."""
    decoder: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
    return FrameReader(decoder)


def parent_side() -> FrameReader[FromWorker]:
    """Return the reader for the daemon."""
    decoder: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)
    return FrameReader(decoder)
