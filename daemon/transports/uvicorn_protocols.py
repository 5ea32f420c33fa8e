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
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

EXTENSION = "zapd.connection"
FRAMES = "zapd.frames"

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

    __slots__ = ("_flow", "write")

    def __init__(self, transport: asyncio.Transport, flow: FlowControl) -> None:
        self.write = transport.write
        self._flow = flow

    @property
    def full(self) -> bool:
        """Whether the connection holds as much as it should."""
        return self._flow.write_paused

    async def drain(self) -> None:
        """Return when it is not full."""
        await self._flow.drain()


class HttpProtocol(HttpToolsProtocol):
    """HTTP/1.1."""

    def on_message_begin(self) -> None:
        """Begin a request's scope. Called by the parser."""
        super().on_message_begin()
        body = Body(self.transport, self.flow)
        extension: dict[object, object] = {"abort": _cutter(self.transport), "body": body}
        self.scope["extensions"] = {EXTENSION: extension}


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
