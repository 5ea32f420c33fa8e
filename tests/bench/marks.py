"""Reads a stream of events as bytes, and notes when each marked text came.

The same reader for Server-Sent Events and for socket.io (WebSocket frames of a server are
neither masked nor compressed), so that none of them pays for more than the other: a text is
found by its mark, nothing is parsed.
"""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
from collections.abc import Callable
from typing import TypeAlias, cast

OnMark: TypeAlias = Callable[[int, int], None]

_MARK = re.compile(rb"~(\d{3})-(\d{7})~")
_LENGTH = 13
PATIENCE = 10.0


def mark(line: int, number: int) -> str:
    """Return the text of a message: its line (0 to 999) and its number there."""
    return f"~{line:03d}-{number:07d}~"


def marks_in(data: bytes) -> list[tuple[int, int]]:
    """Return the marks in some bytes, in order."""
    return [(int(line), int(number)) for line, number in _MARK.findall(data)]


class MarkReader(asyncio.Protocol):
    """One open stream. Made by :func:`read_events` or :func:`read_socket_io`."""

    def __init__(self, on_mark: OnMark) -> None:
        """Hand every mark to ``on_mark``, on the loop, as soon as its bytes are read."""
        self._on_mark = on_mark
        self._rest = b""
        self._wanted = b""
        self._heard = asyncio.Event()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection (asyncio calls this)."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Find marks; keep what may be the beginning of one (asyncio calls this)."""
        data = self._rest + data
        if self._wanted and self._wanted in data:
            self._wanted = b""
            self._heard.set()
        end = 0
        for found in _MARK.finditer(data):
            self._on_mark(int(found[1]), int(found[2]))
            end = found.end()
        self._rest = data[max(end, len(data) - _LENGTH + 1) :]

    @property
    def is_heard(self) -> bool:
        """Whether what was expected last has come."""
        return self._heard.is_set()

    def expect(self, wanted: bytes) -> None:
        """Look out for an answer, which is no longer than a mark."""
        self._heard.clear()
        self._wanted = wanted

    async def ask(self, data: bytes, wanted: bytes) -> None:
        """Send something; wait until ``wanted`` was read."""
        assert self._transport is not None
        self.expect(wanted)
        self._transport.write(data)
        async with asyncio.timeout(PATIENCE):
            await self._heard.wait()

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()


async def read_events(port: int, key: str, on_mark: OnMark) -> MarkReader:
    """Open ``GET /v1/events`` for new messages; return when it is open."""
    request = (
        "GET /v1/events?types=new_message HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {key}\r\nAccept: text/event-stream\r\n\r\n"
    )
    reader = await _connect(port, on_mark)
    await reader.ask(request.encode(), b"200 OK")
    return reader


async def read_socket_io(port: int, on_mark: OnMark) -> MarkReader:
    """Connect as a socket.io client does; return when the default namespace is joined."""
    request = (
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {base64.b64encode(secrets.token_bytes(16)).decode()}\r\n\r\n"
    )
    reader = await _connect(port, on_mark)
    await reader.ask(request.encode(), b'0{"sid"')  # engine.io's "open"
    await reader.ask(_text_frame(b"40"), b'40{"sid"')  # socket.io's "connect", and its answer
    return reader


async def _connect(port: int, on_mark: OnMark) -> MarkReader:
    loop = asyncio.get_running_loop()
    _, reader = await loop.create_connection(lambda: MarkReader(on_mark), "127.0.0.1", port)
    return reader


def _text_frame(payload: bytes) -> bytes:
    """Return a client's WebSocket frame; with the mask 0 the payload stands as it is."""
    return bytes([0x81, 0x80 | len(payload), 0, 0, 0, 0]) + payload
