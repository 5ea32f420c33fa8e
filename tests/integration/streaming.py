"""A real server with nothing but the streams on it, and clients that read as browsers do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope as AsgiScope, Send
from starlette.websockets import WebSocket

from daemon.auth.principal import Principal
from daemon.auth.scopes import Scope
from daemon.clock import SystemClock
from daemon.errors import ApiError
from daemon.hub.hub import Hub, HubBounds
from daemon.hub.interest import Filter
from daemon.services.streams import StreamLimits, StreamService
from daemon.transports.poll import poll_endpoint
from daemon.transports.sockets import listening_socket
from daemon.transports.sse import sse_endpoint
from daemon.transports.uvicorn_protocols import HttpProtocol, WebSocketProtocol
from daemon.transports.websocket import SocketPorts, websocket_endpoint
from sessions.ports import Published

#: Times in the tests are multiples of this, in seconds.
UNIT = 0.05
CHAT = "main:5511999990000@s.whatsapp.net"


def message(
    text: str = "hi", *, workspace: str = "acme", session: str = "main", chat: str = CHAT
) -> Published:
    """Return a new_message event."""
    return Published(
        workspace, "new_message", session, chat, 0, "live", orjson.dumps({"text": text})
    )


def status(session: str, workspace: str = "acme") -> Published:
    """Return a connection_status event."""
    extra = {"connected": True}
    return Published(workspace, "connection_status", session, None, 0, "live", b"{}", extra)


def principal_of(connection: HTTPConnection) -> Principal:
    """Return the principal that the test's headers name: ``X-Who: workspace/credential/scope``."""
    who = connection.headers.get("x-who", "acme/key:1/send")
    if who == "nobody":
        raise ApiError("unauthorized")
    workspace, credential, scope = who.split("/")
    return Principal(workspace, "test", frozenset({Scope(scope)}), "api_key", credential)


class _SetPrincipal:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["state"]["principal"] = principal_of(HTTPConnection(scope))
        await self.app(scope, receive, send)


class QuietServer(uvicorn.Server):
    """A server that leaves the test's signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class Scene:
    """A hub, its streams and a server in the test's own loop."""

    def __init__(self, bounds: HubBounds, limits: StreamLimits) -> None:
        self.hub = Hub("e1", bounds)
        self.clock = SystemClock()
        self.revoked: set[str] = set()
        self.done: list[tuple[str, dict[str, Any]]] = []
        self.statuses = [status("main"), status("second"), status("main", "other")]
        self.streams = StreamService(
            self.hub, self.clock, self._snapshot, self._still_valid, limits
        )
        self.base = ""

    def _snapshot(self, workspace: str, filter_: Filter) -> list[Published]:
        return self.statuses

    async def _still_valid(self, principal: Principal) -> bool:
        return principal.credential not in self.revoked

    async def _authenticate(self, socket: WebSocket) -> Principal:
        return principal_of(socket)

    def app(self) -> Starlette:
        """Return the application."""

        async def act(principal: Principal, frame: dict[str, Any]) -> None:
            if frame["chat"] == "boom":
                raise RuntimeError("a bug")
            if frame["chat"] != CHAT:
                raise ApiError("chat_not_found")
            self.done.append((principal.workspace, frame))

        ports = SocketPorts(
            self._authenticate,
            lambda socket: socket.headers.get("origin") != "https://evil.example",
            {"typing": act, "read": act},
            self.clock,
        )
        app = Starlette(
            routes=[
                Route("/v1/events", sse_endpoint(self.streams)),
                Route("/v1/poll", poll_endpoint(self.streams)),
                WebSocketRoute("/v1/ws", websocket_endpoint(self.streams, ports)),
            ],
            exception_handlers={ApiError: _problem},
        )
        app.add_middleware(_SetPrincipal)
        return app


async def _problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    return JSONResponse(error.body(), error.status)


@asynccontextmanager
async def serving(
    bounds: HubBounds | None = None,
    limits: StreamLimits | None = None,
    *,
    plain: bool = False,
    send_buffer: int = 16 << 10,
) -> AsyncIterator[Scene]:
    """Serve on a free port; ``plain`` without our protocol classes. Times are scaled."""
    scene = Scene(bounds or HubBounds(), limits or StreamLimits(tick_seconds=UNIT))
    listener = listening_socket("127.0.0.1", 0, send_buffer)
    config = uvicorn.Config(
        scene.app(),
        http="httptools" if plain else HttpProtocol,
        ws="websockets-sansio" if plain else WebSocketProtocol,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
    )
    server = QuietServer(config)
    scene.base = f"127.0.0.1:{listener.getsockname()[1]}"
    async with asyncio.TaskGroup() as tasks:
        beat = tasks.create_task(scene.streams.run())
        serve = tasks.create_task(server.serve(sockets=[listener]))
        await until(lambda: server.started)
        try:
            yield scene
        finally:
            await scene.streams.close(deadline_seconds=10 * UNIT)
            beat.cancel()
            server.should_exit = True
            await asyncio.wait([serve])


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Return when the condition holds; fail when it does not in time."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)


class Event(NamedTuple):
    """One event as an EventSource dispatches it."""

    id: str
    type: str
    json: dict[str, Any]


class EventSource:
    """A browser's EventSource: only what the standard says."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.last_event_id = ""
        self.retry: int | None = None
        self.comments: list[str] = []
        self._events = self._read()

    async def _read(self) -> AsyncIterator[Event]:
        fields: dict[str, str] = {}
        async for line in self.response.aiter_lines():
            name, _, value = line.partition(": ")
            if line and name:
                fields[name] = fields.get(name, "") + value
            elif line:
                self.comments.append(value)
            else:
                self._settle(fields)
                if "data" in fields:
                    json = orjson.loads(fields["data"])
                    yield Event(fields.get("id", ""), fields["event"], json)
                fields = {}

    def _settle(self, fields: dict[str, str]) -> None:
        self.last_event_id = fields.get("id", self.last_event_id)
        if "retry" in fields:
            self.retry = int(fields["retry"])

    async def next(self, *types: str, seconds: float = 10.0) -> Event:
        """Return the next event, of one of the types if some are given."""
        async with asyncio.timeout(seconds):
            async for event in self._events:
                if not types or event.type in types:
                    return event
        raise EOFError

    async def rest(self, seconds: float = 10.0) -> list[Event]:
        """Return all events to the stream's end."""
        async with asyncio.timeout(seconds):
            return [event async for event in self._events]


@asynccontextmanager
async def event_source(scene: Scene, query: str = "", **headers: str) -> AsyncIterator[EventSource]:
    """Open ``/v1/events``."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        httpx.AsyncClient(timeout=10) as client,
        client.stream("GET", f"http://{scene.base}/v1/events{query}", headers=names) as response,
    ):
        yield EventSource(response)
