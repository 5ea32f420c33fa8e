"""uvicorn's connection classes, with what streams need and ASGI does not say.

``uvicorn.Config(http=HttpProtocol, ws=WebSocketProtocol, ws_per_message_deflate=False)``. Each
request's scope then has the extension ``zapd.connection``:

* ``body`` on HTTP: :class:`Body`, which writes ready chunks of a streamed response.
* ``abort``: cut the connection without waiting for a reader that does not read. A blocked
  ``send`` returns then; nothing else makes it.
* on a WebSocket ``frames``: a ``websocket.send`` message may carry ``zapd.frames``, bytes that are
  whole server frames already. One frame serves all clients, many go out in one write.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

EXTENSION = "zapd.connection"
FRAMES = "zapd.frames"

#: A request's line and headers: bytes (the read in which they end not counted), and seconds to come.
MAX_HEAD = 64 << 10
HEAD_SECONDS = 20.0
#: Seconds that an idle connection whose time is over stays open for a request that is on its way.
LAST_LOOK_SECONDS = 1.0
_EMPTY = b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large" + _EMPTY
_NO_HANDSHAKE = b"HTTP/1.1 400 Bad Request" + _EMPTY

#: uvicorn writes "WebSocket /v1/ws?ticket=…" at INFO: a credential must not reach a log.
_LOG = logging.getLogger(__name__)
_LOG.addFilter(lambda record: record.levelno > logging.INFO)


def connection_of(scope: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the extension of a request's scope; empty under another server."""
    extensions = scope.get("extensions") or {}
    found: Mapping[str, Any] = extensions.get(EXTENSION, {})
    return found


def body_of(scope: Mapping[str, Any]) -> Body | None:
    """Return what writes a streamed response's chunks, or None under another server."""
    return connection_of(scope).get("body")


def aborter_of(scope: Mapping[str, Any]) -> Callable[[], None] | None:
    """Return what cuts the request's connection, or None under another server."""
    return connection_of(scope).get("abort")


def _cutter(transport: asyncio.Transport) -> Callable[[], None]:
    """Return what resets the connection: the kernel too forgets what nobody reads."""

    def cut() -> None:
        sock = transport.get_extra_info("socket")
        if sock is not None and not transport.is_closing():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()

    return cut


class Body:
    """The body of a chunked response that has begun, written without ASGI's calls in between.

    ``write`` takes whole HTTP/1.1 chunks, made once for all that get the same. After it, the
    writer must :meth:`drain` while ``full``; a connection that is lost is never full.
    """

    __slots__ = ("_flow", "lost", "write")

    def __init__(self, transport: asyncio.Transport, flow: FlowControl) -> None:
        self.write = transport.write
        self.lost = transport.is_closing
        """Whether the connection is gone; a ``write`` raises then, at the latest."""
        self._flow = flow

    @property
    def full(self) -> bool:
        """Whether the connection holds as much as it should."""
        return self._flow.write_paused

    async def drain(self) -> None:
        """Return when it is not full."""
        await self._flow.drain()


class HttpProtocol(HttpToolsProtocol):
    """HTTP/1.1, with bounds that uvicorn lacks: on a request's head, in bytes and in time.

    Nobody is known yet while a head is read, so whoever reaches the port could fill the memory with
    headers (trailers and chunk extensions alike), or hold connections by never ending one.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*args, **kwargs)
        self._unused = 0  # bytes since the parser last gave something to the request
        self._reading_head = True
        self._head_timer: asyncio.TimerHandle | None = None
        self._answering: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own
        """Wait for the first head. Called by the event loop."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request that is being answered. Called by the event loop.

        uvicorn tells the last that was read, which waits for its turn if the client pipelines.
        """
        self._head_came()
        if self._answering is not None and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and give up on what never ends. Called by the event loop."""
        self._unused += len(data)
        super().data_received(data)
        if self._unused > MAX_HEAD and not self.transport.is_closing():
            self._refuse()

    def _refuse(self) -> None:
        if self._answering is None or self._answering.response_complete:
            self.transport.write(_HEAD_TOO_LARGE)
        self.transport.close()

    def on_message_begin(self) -> None:
        """Begin a request's scope. Called by the parser."""
        super().on_message_begin()
        self._await_head()
        body = Body(self.transport, self.flow)
        extension: dict[object, object] = {"abort": _cutter(self.transport), "body": body}
        self.scope["extensions"] = {EXTENSION: extension}

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; a trailer, which comes after the body, is none. Called by the parser."""
        if self._reading_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer. Called by the parser."""
        self._head_came()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body. Called by the parser."""
        self._unused = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request. Called by the parser."""
        self._unused = 0
        super().on_message_complete()

    def timeout_keep_alive_handler(self) -> None:
        """Close the idle connection, but not over a request that nobody has read yet.

        uvloop runs timers after it has polled and before it polls again: what came in between lies
        unread, and closing then is a reset, which the client sees instead of an answer. A client
        with uvicorn's own idea of the time (httpx: 5 s, too) sends at just this moment.
        """
        loop = asyncio.get_running_loop()
        close = super().timeout_keep_alive_handler
        self.timeout_keep_alive_task = loop.call_later(LAST_LOOK_SECONDS, close)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 - uvicorn's own
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _await_head(self) -> None:
        self._reading_head = True
        if self._head_timer is None:
            loop = asyncio.get_running_loop()
            self._head_timer = loop.call_later(HEAD_SECONDS, self.transport.close)

    def _head_came(self) -> None:
        self._reading_head = False
        self._unused = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """WebSocket; its scope is made in ``handle_connect``, its task runs after that."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*args, **kwargs)
        self.logger = _LOG

    def handle_connect(self, event: Request) -> None:
        """Answer the handshake. Called by the parser."""
        super().handle_connect(event)
        if self.response.status_code == 101:  # noqa: PLR2004 - Switching Protocols
            extensions: MutableMapping[str, Any] = self.scope["extensions"]
            extensions[EXTENSION] = {"abort": _cutter(self.transport), "frames": True}

    def handle_events(self) -> None:
        """Act on what was parsed, or say that it is no handshake: uvicorn leaves it waiting."""
        super().handle_events()
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.transport.write(_NO_HANDSHAKE)
            self.transport.close()

    async def send(self, message: Any) -> None:  # noqa: ANN401 - a wider message than uvicorn's
        """Send one ASGI message. Called by the application."""
        frames = message.get(FRAMES)
        if frames is None:
            await super().send(message)
            return
        await self.writable.wait()
        if self.disconnected or self.close_sent:
            raise ClientDisconnected
        self.transport.write(frames)
