"""Server-Sent Events: ``GET /v1/events``.

sse-starlette's response is kept for its headers and its answer to HEAD; the sending is ours (see
``docs/decisions/0010-streams.md`` for what each part was measured to cost).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from sse_starlette.sse import AppStatus, EventSourceResponse
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from daemon.hub.envelope import envelope_id
from daemon.hub.ring import Frame
from daemon.services.stream_session import StreamSession
from daemon.services.streams import StreamService
from daemon.transports.stream_request import (
    ended_by_disconnect,
    last_event_id,
    principal_of,
    stream_query,
)
from daemon.transports.uvicorn_protocols import Body, aborter_of, body_of

# Its own watch over the server's exit is off: streams are ended by their service.
AppStatus.disable_automatic_graceful_drain()  # type: ignore[no-untyped-call]  # theirs

#: The most that one write carries, in bytes of JSON.
BATCH_BYTES = 128 << 10
RETRY_MS = 3000
_FAREWELL = {
    "restart": b": restart\n\n",
    "credential": b": the credential ended\n\n",
    "slow": b": slow\n\n",  # for who reads, but fell out of the ring; who does not was cut
}


def frame_events(frames: Sequence[Frame]) -> bytes:
    """Return the events as SSE, in one piece. Without a number there is no ``id:`` line."""
    parts: list[bytes] = []
    for frame in frames:
        if frame.offset:
            parts += (b"id: ", envelope_id(frame.json), b"\n")
        parts += (b"event: ", frame.type.encode(), b"\ndata: ", frame.json, b"\n\n")
    return b"".join(parts)


def frame_chunks(frames: Sequence[Frame]) -> bytes:
    """Return the events as SSE in one HTTP/1.1 chunk."""
    return _chunk(frame_events(frames))


def _chunk(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


def sse_endpoint(streams: StreamService) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of ``GET /v1/events``. Scope ``read`` or ``stream`` is checked before."""

    async def events(request: Request) -> Response:
        query = stream_query(request.query_params)
        resumed = last_event_id(request.headers)
        if resumed is not None:
            query = query._replace(after=resumed)
        if request.method == "HEAD":
            return EventSourceResponse(_nothing(), ping=0)
        return EventStream(streams.open(principal_of(request), query))

    return events


class EventStream(EventSourceResponse):
    """One open stream. Owns the session: it is closed when the response ends."""

    def __init__(self, stream: StreamSession) -> None:
        super().__init__(_nothing(), ping=0)
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the stream or the connection ends. Called by the server."""
        with self._stream as stream:
            stream.abort = aborter_of(scope)
            async with ended_by_disconnect(receive, stream):
                await self._run(send, body_of(scope))

    async def _run(self, send: Send, body: Body | None) -> None:
        headers = self.raw_headers
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._write(send, b"retry: %d\n" % _retry_ms() + (self._position() or b"\n"))
        if body is None:
            await self._pump(send)
        else:
            await self._pump_chunks(body)
        if self._stream.ended in _FAREWELL:
            farewell = b"retry: %d\n" % _retry_ms() + _FAREWELL[self._stream.ended]
            await send({"type": "http.response.body", "body": farewell, "more_body": False})

    async def _pump(self, send: Send) -> None:
        stream = self._stream
        while not stream.ended:
            body = self._own() if stream.due else stream.take(frame_events, BATCH_BYTES)
            if body:
                await self._write(send, body)
            else:
                await stream.wait()

    async def _pump_chunks(self, body: Body) -> None:
        """The same for our server's connections: a quarter of the time a delivery.

        What comes while the task waits is written from where it was published.
        """
        stream, subscriber = self._stream, self._stream.subscriber

        def send() -> bool:
            chunk = None if body.lost() else subscriber.take(frame_chunks, BATCH_BYTES)
            if chunk is not None:
                body.write(chunk)
            return subscriber.caught_up and not (body.full or body.lost())

        while not (subscriber.ended or body.lost()):
            if stream.due:
                body.write(_chunk(self._own()))
            elif (chunk := subscriber.take(frame_chunks, BATCH_BYTES)) is not None:
                body.write(chunk)
            elif (parked := subscriber.park(send)) is not None:
                await parked
            else:
                await asyncio.sleep(0)
            if body.full:
                subscriber.busy = True
                await body.drain()
                subscriber.busy = False

    def _own(self) -> bytes:
        return (self._position() or b"") + frame_events(self._stream.own())

    def _position(self) -> bytes | None:
        """Return a block that moves the browser's Last-Event-ID and is no event, where it helps.

        Without it, a stream that is cut before its first event comes back at the head and has
        lost what was between.
        """
        position = self._stream.unannounced()
        return b"id: %b\n\n" % position.encode() if position else None

    async def _write(self, send: Send, body: bytes) -> None:
        self._stream.busy = True
        await send({"type": "http.response.body", "body": body, "more_body": True})
        self._stream.busy = False


def _retry_ms() -> int:
    """Return 75-125 % of the usual pause: not all clients come back at once."""
    return RETRY_MS * (750 + secrets.randbelow(501)) // 1000


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield  # makes it a generator
