"""The composition root: joins transports to the runtime, and serves until told to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route
from starlette.websockets import WebSocket

from daemon import health, scrape
from daemon.auth.login import login_url
from daemon.auth.origins import may_open_websocket
from daemon.auth.principal import Principal
from daemon.auth.scopes import Scope
from daemon.clock import Steady
from daemon.config import Settings
from daemon.errors import ApiError
from daemon.notify import Notifier
from daemon.runtime import Runtime, Surroundings
from daemon.services.actions import actions
from daemon.storage.workspaces import DEFAULT
from daemon.transports.poll import poll_endpoint
from daemon.transports.rest import api
from daemon.transports.rest.gate import (
    Gate,
    on_api_error,
    on_engine_error,
    on_http_error,
    on_surprise,
)
from daemon.transports.rest.route import Services
from daemon.transports.sockets import listening_socket
from daemon.transports.sse import sse_endpoint
from daemon.transports.uvicorn_protocols import HttpProtocol, WebSocketProtocol
from daemon.transports.websocket import MAX_FRAME, SocketPorts, websocket_endpoint
from daemon.web import pages, reference
from sessions.errors import EngineError
from sessions.sending.rate_limit import RateLimiter

log = logging.getLogger("zapd")

WORKER_COMMAND = (sys.executable, "-I", "-m", "sessions.worker")
_HEADERS = (
    "Authorization",
    "X-Api-Key",
    "X-Workspace",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",  # who streams by fetch(), to show a token, sends it by hand
)


def run(
    settings: Settings,
    environment: Mapping[str, str],
    worker_command: Sequence[str] = WORKER_COMMAND,
) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code.

    ``worker_command`` is the tests' way to another worker; nothing from outside reaches it.
    Whether the address may be open to the world was asked before (``daemon.cli``). Raises
    ``StorageError`` or ``OSError`` (the address is taken).
    """
    around = Surroundings(environment, worker_command)
    uvloop.run(_serve(settings, around, Notifier(environment.get("NOTIFY_SOCKET"))))
    return 0


async def _serve(settings: Settings, around: Surroundings, notifier: Notifier) -> None:
    runtime = await Runtime.open(settings, around)
    try:
        with _listen(settings) as listener:
            base = settings.base_url(listener.getsockname()[1])
            await _live(runtime, _server(runtime), listener, base, notifier)
    finally:
        await runtime.close()


def _listen(settings: Settings) -> socket.socket:
    try:
        return listening_socket(settings.host, settings.port, settings.stream_sndbuf)
    except OSError as error:
        raise OSError(
            f"Cannot listen on {settings.host} port {settings.port}: {error.strerror}. "
            "End what uses it, or choose another with --port or ZAPD_PORT."
        ) from error


async def _live(
    runtime: Runtime,
    server: _Server,
    listener: socket.socket,
    base: str,
    notifier: Notifier,
) -> None:
    """Start, serve, and stop in order: work, workers, streams, and last the port."""
    await _print_link(runtime, base)
    await runtime.start(base)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(server.serve(sockets=[listener]))
        serving.add_done_callback(lambda _: stop.set())
        running = tasks.create_task(runtime.run())
        beating = tasks.create_task(_beat(notifier))
        await server.up.wait()
        _spare_the_collector()
        notifier.ready()
        log.info("zapd %s serves at %s", version("zapd"), base)
        await stop.wait()
        notifier.stopping()
        log.info("stopping: sends finish, workers drain, streams close")
        await runtime.drain()
        server.should_exit = True
        await serving
        running.cancel()
        beating.cancel()


def _spare_the_collector() -> None:
    """Let the garbage collector leave alone what lives as long as the daemon.

    Its full passes stop the loop. `scripts/bench live --per-second 1000`, three runs each: a p99
    of 147-185 ms without this, 2-93 ms with it. Messages in the caches are not tracked at all.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)


async def _print_link(runtime: Runtime, base: str) -> None:
    """Print the console's link for a person; it works once, for ten minutes."""
    token = await runtime.auth.logins.create_link(DEFAULT)
    print(f"Sign in (once, within ten minutes): {login_url(base, token)}", flush=True)  # noqa: T201 - for a person, on stdout


async def _beat(notifier: Notifier) -> None:
    """Tell systemd's watchdog that the loop turns; well within WatchdogSec of the unit."""
    while True:
        notifier.watchdog()
        await asyncio.sleep(5.0)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the order of the stop is ours."""

    def __init__(self, config: uvicorn.Config) -> None:
        """Serve as ``config`` says; ``up`` is set when it does."""
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept (uvicorn calls this)."""
        await super().startup(sockets)
        self.up.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def _server(runtime: Runtime) -> _Server:
    config = uvicorn.Config(
        build(runtime),
        http=HttpProtocol,
        ws=WebSocketProtocol,
        ws_per_message_deflate=False,
        ws_max_size=MAX_FRAME,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=75,  # longer than proxies and clients keep a connection themselves
        timeout_graceful_shutdown=2,
    )
    return _Server(config)


def build(runtime: Runtime) -> Starlette:
    """Return the ASGI application over a runtime."""
    settings = runtime.settings
    limiter = RateLimiter(settings.rate_limit, settings.rate_burst)
    origins = _origins(settings)
    gate = Gate(runtime.auth, limiter, Steady(runtime.clock), origins, lambda: runtime.stopping)
    services = Services(
        engine=runtime.engine,
        hub=runtime.hub,
        auth=runtime.auth,
        metadata=runtime.metadata,
        people=runtime.people,
        search=runtime.search,
    )
    streams = _streams(runtime, gate)
    description = api.describe(streams, version("zapd"))
    app = Starlette(
        routes=[
            *api.starlette_routes(streams, gate, services, settings.body_max_bytes),
            api.openapi_route(description),
            *reference.routes(description),
            *_health_routes(runtime),
            *scrape.routes(runtime),
            *pages.routes(runtime.auth, settings.public_url),
        ],
        middleware=[
            Middleware(
                CORSMiddleware,
                allow_origins=settings.cors_origins,
                allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
                allow_headers=_HEADERS,
                expose_headers=["ETag", "Retry-After"],
                max_age=600,
            )
        ],
        exception_handlers=_HANDLERS,
    )
    app.router.redirect_slashes = (
        False  # a redirect names the Host that was sent, and http behind TLS
    )
    return app


def _health_routes(runtime: Runtime) -> list[Route]:
    supabase = runtime.supabase.health if runtime.supabase else None
    history = runtime.remembering.history.health if runtime.remembering else None
    return health.routes(runtime, supabase, history)


_HANDLERS: dict[Any, Any] = {
    ApiError: on_api_error,
    EngineError: on_engine_error,
    HTTPException: on_http_error,
    Exception: on_surprise,
}


def _streams(runtime: Runtime, gate: Gate) -> api.Streams:
    async def authenticate(websocket: WebSocket) -> Principal:
        return await gate.admit(websocket, (Scope.READ, Scope.STREAM))

    def origin_allowed(websocket: WebSocket) -> bool:
        headers = websocket.headers
        return may_open_websocket(headers.get("origin"), headers.get("host"), gate.origins)

    ports = SocketPorts(
        authenticate, origin_allowed, actions(runtime.engine, runtime.metadata), runtime.clock
    )
    return api.Streams(
        sse_endpoint(runtime.streams),
        poll_endpoint(runtime.streams),
        websocket_endpoint(runtime.streams, ports),
    )


def _origins(settings: Settings) -> tuple[str, ...]:
    own = (settings.public_url,) if settings.public_url else ()
    return (*settings.cors_origins, *own)
