"""The native API as Starlette routes: the table, the streams, and what describes them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from daemon.auth.scopes import Scope
from daemon.transports.rest import (
    chats,
    metadata_chats,
    metadata_workspace,
    own,
    people,
    search,
    sessions,
    shapes,
)
from daemon.transports.rest.gate import Gate, by_method, endpoint
from daemon.transports.rest.openapi import document
from daemon.transports.rest.route import ApiRoute, Call, Services

STREAM_SCOPES = (Scope.READ, Scope.STREAM)
_STREAM_QUERY = {
    "after": "Go on after this event's id.",
    "session": "Sessions to see, repeated or with commas; all if not given.",
    "chat": "Chats to see, `{session}:{jid}`, repeated or with commas; all if not given.",
    "types": "Types of event to see, repeated or with commas; all if not given.",
}
Endpoint = Callable[[Request], Awaitable[Response]]


class Streams(NamedTuple):
    """The endpoints of the stream transports, given by the composition root."""

    events: Endpoint
    poll: Endpoint
    websocket: Callable[[WebSocket], Awaitable[None]]


def table(streams: Streams) -> list[ApiRoute]:
    """Return every HTTP route of the native API."""
    return [
        *sessions.ROUTES,
        *chats.ROUTES,
        *search.ROUTES,
        *metadata_chats.ROUTES,
        *metadata_workspace.ROUTES,
        *people.ROUTES,
        *own.ROUTES,
        *_stream_routes(streams),
    ]


def _stream_routes(streams: Streams) -> list[ApiRoute]:
    async def get_events(call: Call) -> Response:
        return await streams.events(call.request)

    async def get_poll(call: Call) -> Response:
        return await streams.poll(call.request)

    return [
        ApiRoute(
            method="GET",
            path="/v1/events",
            handler=get_events,
            summary="Open a stream of events (SSE); ?after=, ?session=, ?chat=, ?types=",
            scopes=STREAM_SCOPES,
            errors=(
                "invalid_parameter",
                "unknown_parameter",
                "unknown_event_type",
                "ticket_expired",
            ),
            media=("text/event-stream",),
            own_query=_STREAM_QUERY,
            headers={"Last-Event-ID": "As `after`, and before it; browsers send it by themselves."},
        ),
        ApiRoute(
            method="GET",
            path="/v1/poll",
            handler=get_poll,
            summary="Wait for events (long poll); ?after=, ?timeout=, and the filters of /v1/events",
            scopes=STREAM_SCOPES,
            answer=shapes.Poll,
            own_query=_STREAM_QUERY | {"timeout": "Seconds to wait: 0 to 60, 25 if not given."},
            errors=(
                "invalid_parameter",
                "unknown_parameter",
                "unknown_event_type",
                "ticket_expired",
            ),
        ),
    ]


def starlette_routes(
    streams: Streams, gate: Gate, services: Services, body_max: int
) -> list[BaseRoute]:
    """Return the routes; each path once, with its methods."""
    paths: dict[str, dict[str, Endpoint]] = {}
    for route in table(streams):
        handlers = paths.setdefault(route.path, {})
        handlers[route.method] = endpoint(route, gate, services, body_max)
    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"]
    made: list[BaseRoute] = [
        Route(path, by_method(handlers), methods=methods) for path, handlers in paths.items()
    ]
    return [*made, WebSocketRoute("/v1/ws", streams.websocket)]


def openapi_route(description: dict[str, Any]) -> Route:
    """Return ``/openapi.json``; it holds no secret and needs no credential."""
    body = orjson.dumps(description)

    async def openapi(request: Request) -> Response:
        return Response(body, media_type="application/json")

    return Route("/openapi.json", openapi)


def describe(streams: Streams, version: str) -> dict[str, Any]:
    """Return the OpenAPI document of the table."""
    return document(table(streams), version)
