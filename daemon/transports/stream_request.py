"""What the stream transports read from a request, alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.datastructures import Headers, QueryParams
from starlette.requests import HTTPConnection
from starlette.types import Receive

from daemon.auth.principal import Principal
from daemon.errors import ApiError
from daemon.hub.envelope import Cursor, parse_cursor
from daemon.services.stream_query import StreamQuery, read_cursor
from daemon.services.stream_session import StreamSession

#: ``ticket`` and ``workspace`` were read by the authentication.
PARAMETERS = frozenset({"after", "session", "chat", "types", "ticket", "workspace"})
MAX_VALUE = 8192
#: A place in no life: what a ``Last-Event-ID`` that we never gave stands for.
_NOWHERE = Cursor("", 0)


def principal_of(connection: HTTPConnection) -> Principal:
    """Return who asks, as the authentication left it in the request's state."""
    principal: Principal = connection.state.principal
    return principal


def stream_query(params: QueryParams, *more: str) -> StreamQuery:
    """Return the query of a stream's URL; raise ``ApiError``. ``more`` names other parameters."""
    for name, value in params.multi_items():
        if name not in PARAMETERS and name not in more:
            raise ApiError("unknown_parameter", f"There is no parameter {name[:60]!r} here.")
        if len(value) > MAX_VALUE:
            raise ApiError("invalid_parameter", f"The parameter {name!r} is too long.")
    after = params.get("after")
    return StreamQuery(
        read_cursor(after) if after else None,
        words(params.getlist("session")),
        words(params.getlist("chat")),
        words(params.getlist("types")),
    )


def words(values: list[str]) -> tuple[str, ...]:
    """Return the names of repeated parameters and of lists with commas."""
    return tuple(word.strip() for value in values for word in value.split(",") if word.strip())


def last_event_id(headers: Headers) -> Cursor | None:
    """Return where an EventSource comes back to.

    An id that is not ours is not refused: the browser would give up for good. It is reset.
    """
    text = headers.get("last-event-id")
    if not text:
        return None
    try:
        return parse_cursor(text)
    except ValueError:
        return _NOWHERE


@asynccontextmanager
async def ended_by_disconnect(receive: Receive, stream: StreamSession) -> AsyncIterator[None]:
    """End the stream when the client is gone, as long as the block runs. Owns the task that looks."""
    watcher = asyncio.get_running_loop().create_task(_watch(receive, stream))
    try:
        yield
    finally:
        watcher.cancel()
        await asyncio.wait([watcher])


async def _watch(receive: Receive, stream: StreamSession) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    stream.end("gone")
