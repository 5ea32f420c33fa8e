# ruff: noqa: D102 - the base says what each method does
"""The servers that ``fanout`` compares: ours, and others that do less. Run as a child process.

``python -m tests.bench.fanout_server VARIANT`` prints its port. ``GET /go?seconds=&burst=``
publishes ``burst`` events, waits until all clients were handed them, and again, until the time is
up; it answers ``deliveries seconds cpu_seconds``. ``GET /rss`` answers bytes.
"""

from __future__ import annotations

import asyncio
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import orjson
import uvicorn
from sse_starlette.sse import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope as AsgiScope, Send

from daemon.auth.principal import Principal
from daemon.clock import SystemClock
from daemon.hub.hub import Hub
from daemon.services.stream_query import StreamQuery
from daemon.services.streams import StreamLimits, StreamService
from daemon.transports.sockets import listening_socket
from daemon.transports.sse import BATCH_BYTES, frame_events, sse_endpoint
from daemon.transports.uvicorn_protocols import HttpProtocol
from sessions.ports import Published

#: One "~" an event: the client counts them. About 400 bytes, as a text message has.
DATA: dict[str, Any] = {"id": "m" + "a" * 27, "text": "~" + "x" * 120, "sender": "5511999990000"}
DATA |= {"status": "delivered", "ack": 2, "reactions": [], "media": None}
CHAT = "main:5511999990000@s.whatsapp.net"
PRINCIPAL = Principal("acme", "bench", frozenset(), "api_key", "key:1")


class Variant(ABC):
    """One server."""

    @property
    @abstractmethod
    def clients(self) -> int:
        """How many streams are open."""

    @abstractmethod
    def publish(self) -> None:
        """Publish one event."""

    @abstractmethod
    def idle(self) -> bool:
        """Tell whether each client was handed all that was published."""

    @abstractmethod
    def stream(self) -> Any:  # noqa: ANN401 - an endpoint, or an ASGI application
        """Return what answers ``/events``."""


class Zapd(Variant):
    """Ours, whole: hub, stream service, Starlette route, response."""

    def __init__(self) -> None:
        self.hub = Hub("e1")
        limits = StreamLimits(per_credential=1_000_000)
        self.streams = StreamService(
            self.hub, SystemClock(), lambda *_: [], self._still_valid, limits
        )
        self._data = orjson.dumps(DATA)

    async def _still_valid(self, _: Principal) -> bool:
        return True

    @property
    def clients(self) -> int:
        return len(self.streams)

    def publish(self) -> None:
        self.hub.publish(Published("acme", "new_message", "main", CHAT, 0, "live", self._data))

    def idle(self) -> bool:
        channel = self.hub._channels["acme"]  # noqa: SLF001 - counts at no cost
        groups = channel._all  # noqa: SLF001 - measured from inside
        return all(g.due is None and len(g.waiting) + len(g.readers) == g.members for g in groups)

    def stream(self) -> Any:  # noqa: ANN401 - an endpoint
        endpoint = sse_endpoint(self.streams)

        async def events(request: Request) -> Response:
            request.state.principal = PRINCIPAL
            return await endpoint(request)

        return events


class Kept(Zapd):
    """Our hub under sse-starlette's response as it is: what keeping all of it would cost."""

    def stream(self) -> Any:  # noqa: ANN401 - an endpoint
        async def batches() -> AsyncIterator[bytes]:
            with self.streams.open(PRINCIPAL, StreamQuery()) as stream:
                while not stream.ended:
                    body = stream.take(frame_events, BATCH_BYTES) or frame_events(stream.own())
                    if body:
                        yield body
                    else:
                        await stream.wait()

        async def events(_: Request) -> Response:
            return EventSourceResponse(batches(), ping=0)

        return events


class Naive(Variant):
    """What one writes first: a queue a client, an event encoded for each."""

    def __init__(self) -> None:
        self.queues: list[asyncio.Queue[dict[str, Any]]] = []
        self.offset = self.pending = 0

    @property
    def clients(self) -> int:
        return len(self.queues)

    def publish(self) -> None:
        self.offset += 1
        event = {"id": f"e1-{self.offset}", "type": "new_message", "workspace": "acme"}
        event |= {"session": "main", "chat": CHAT, "at": "2026-01-01T00:00:00.000Z"}
        whole: dict[str, Any] = event | {"source": "live", "data": DATA}
        self.pending += len(self.queues)
        for queue in self.queues:
            queue.put_nowait(whole)

    def idle(self) -> bool:
        return self.pending == 0

    def stream(self) -> Any:  # noqa: ANN401 - an endpoint
        async def events(queue: asyncio.Queue[dict[str, Any]]) -> AsyncIterator[dict[str, str]]:
            while True:
                event = await queue.get()
                yield {
                    "id": event["id"],
                    "event": event["type"],
                    "data": orjson.dumps(event).decode(),
                }
                self.pending -= 1

        async def endpoint(_: Request) -> Response:
            queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
            self.queues.append(queue)
            return EventSourceResponse(events(queue))

        return endpoint


class Bare(Variant):
    """The least that ASGI allows: frames in one list, a cursor and a future a client, no bound."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.waiting: list[asyncio.Future[None]] = []
        self._clients = 0
        self._json = orjson.dumps(
            {"workspace": "acme", "data": DATA, "chat": CHAT, "pad": "y" * 110}
        )

    @property
    def clients(self) -> int:
        return self._clients

    def publish(self) -> None:
        self.frames.append(
            b"id: e1-%d\nevent: new_message\ndata: %b\n\n" % (len(self.frames) + 1, self._json)
        )
        waiting, self.waiting = self.waiting, []
        for future in waiting:
            future.set_result(None)

    def idle(self) -> bool:
        return len(self.waiting) == self._clients

    def stream(self) -> Any:  # noqa: ANN401 - an ASGI application
        async def app(_: AsgiScope, __: Receive, send: Send) -> None:
            headers = [(b"content-type", b"text/event-stream")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b":\n\n", "more_body": True})
            loop, cursor = asyncio.get_running_loop(), len(self.frames)
            self._clients += 1
            while True:
                ready = self.frames[cursor:]
                cursor += len(ready)
                if ready:
                    body = ready[0] if len(ready) == 1 else b"".join(ready)
                    await send({"type": "http.response.body", "body": body, "more_body": True})
                else:
                    future = loop.create_future()
                    self.waiting.append(future)
                    await future

        return app


VARIANTS: dict[str, Callable[[], Variant]] = {
    "zapd": Zapd,
    "kept": Kept,
    "naive": Naive,
    "bare": Bare,
}


async def _settle(variant: Variant) -> None:
    while not variant.idle():
        await asyncio.sleep(0)


def application(variant: Variant) -> ASGIApp:
    """Return the server: Starlette, except that the bare variant's stream stands before it."""

    async def go(request: Request) -> Response:
        seconds = float(request.query_params["seconds"])
        burst = int(request.query_params["burst"])
        await _settle(variant)
        deliveries, start, cpu = 0, perf_counter(), process_time()
        while perf_counter() - start < seconds:
            for _ in range(burst):
                variant.publish()
            await _settle(variant)
            deliveries += burst * variant.clients
        took, used = perf_counter() - start, process_time() - cpu
        return PlainTextResponse(f"{deliveries} {took} {used}")

    async def rss(_: Request) -> Response:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return PlainTextResponse(f"{pages * os.sysconf('SC_PAGE_SIZE')} {variant.clients}")

    stream: Any = variant.stream()
    app = Starlette(routes=[Route("/events", stream), Route("/go", go), Route("/rss", rss)])

    async def direct(scope: AsgiScope, receive: Receive, send: Send) -> None:
        await (stream if scope["path"] == "/events" else app)(scope, receive, send)

    return direct if isinstance(variant, Bare) else app


def main() -> None:
    """Serve until killed."""
    listener = listening_socket("127.0.0.1", 0)
    config = uvicorn.Config(
        application(VARIANTS[sys.argv[1]]()),
        loop="uvloop",
        http=HttpProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
    )
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
