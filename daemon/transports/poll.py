"""Long poll: ``GET /v1/poll?after=&timeout=``, for clients that can do nothing better."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response

from daemon.errors import ApiError
from daemon.hub.ring import Frame
from daemon.services.stream_session import StreamSession
from daemon.services.streams import StreamService
from daemon.transports.stream_request import ended_by_disconnect, principal_of, stream_query

#: The most that one answer carries: envelopes, and bytes of them.
PAGE_ITEMS = 500
PAGE_BYTES = 1 << 20
DEFAULT_SECONDS = 25.0
MAX_SECONDS = 60.0


def poll_endpoint(streams: StreamService) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of ``GET /v1/poll``. Scope ``read`` or ``stream`` is checked before."""

    async def poll(request: Request) -> Response:
        query = stream_query(request.query_params, "timeout")
        seconds = _seconds(request.query_params.get("timeout"))
        with streams.open(principal_of(request), query, greet=False) as stream:
            if query.after is None or stream.subscriber.reset:
                return _page(stream, b"")
            async with ended_by_disconnect(request.receive, stream):
                items = await _items(stream, seconds)
            if stream.ended == "credential":
                raise ApiError("unauthorized")
            return _page(stream, items)

    return poll


def _seconds(text: str | None) -> float:
    if not text:
        return DEFAULT_SECONDS
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_SECONDS:
        raise ApiError("invalid_parameter", "timeout is 0 to 60 seconds.")
    return seconds


async def _items(stream: StreamSession, seconds: float) -> bytes:
    """Return what follows as soon as there is some, or nothing when the time is up."""
    try:
        async with asyncio.timeout(seconds):
            while not stream.ended:
                items: bytes | None = stream.take(_join, PAGE_BYTES, PAGE_ITEMS)
                if items:
                    return items
                await stream.wait()
    except TimeoutError:
        pass
    return b""


def _join(frames: Sequence[Frame]) -> bytes:
    return b",".join(frame.json for frame in frames)


def _page(stream: StreamSession, items: bytes) -> Response:
    reset = b"true" if stream.subscriber.reset else b"false"
    parts = (b'{"items":[', items, b'],"next":"', stream.position.encode(), b'","reset":', reset)
    body = b"".join((*parts, b"}"))
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})
