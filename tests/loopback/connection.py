"""One WebSocket of a companion: frames, handshake, stanzas.

Source of the protocol facts: whatsmeow `socket/framesocket.go` (header, three-byte lengths).
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

from . import binary
from .nodes import SERVER_JID, Node
from .noise import ServerHandshake, Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from websockets.asyncio.server import ServerConnection

    from .certificate import ServerIdentity
    from .dictionary import Dictionary

_HEADER_SIZE = 4
_LENGTH_SIZE = 3


class FrameBuffer:
    """Cuts a byte stream into frames: a header once, then a length before each frame."""

    def __init__(self) -> None:
        """Nothing has come yet."""
        self.header = b""
        self._data = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that these bytes complete."""
        self._data += data
        missing = _HEADER_SIZE - len(self.header)
        self.header, self._data = self.header + self._data[:missing], self._data[missing:]
        frames = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def _next(self) -> bytes | None:
        end = _LENGTH_SIZE + int.from_bytes(self._data[:_LENGTH_SIZE], "big")
        if len(self._data) < max(end, _LENGTH_SIZE):
            return None
        frame, self._data = self._data[_LENGTH_SIZE:end], self._data[end:]
        return frame


class Connection:
    """A companion's connection, from handshake to close. Make it with `open`."""

    def __init__(
        self,
        socket: ServerConnection,
        transport: Transport,
        frames: AsyncIterator[bytes],
        dictionary: Dictionary,
    ) -> None:
        """For `open` only."""
        self.transport = transport
        self.silent = False
        """While True nothing is heard and nothing is said, though the line stands."""
        self._socket = socket
        self._frames = frames
        self._dictionary = dictionary
        self._sending = asyncio.Lock()
        self._ids = itertools.count(1)
        self._asked: dict[str, asyncio.Future[Node]] = {}

    @classmethod
    async def open(
        cls, socket: ServerConnection, identity: ServerIdentity, dictionary: Dictionary
    ) -> Connection:
        """Runs the handshake on an accepted WebSocket.

        Raises:
            EOFError: if the client went away in the middle of it.
        """
        buffer = FrameBuffer()
        frames = _frames(socket, buffer)
        hello = await _next(frames)
        handshake = ServerHandshake(buffer.header, identity.static, identity.certificate)
        await socket.send(_framed(handshake.answer(hello)))
        transport = handshake.finish(await _next(frames))
        return cls(socket, transport, frames, dictionary)

    async def send(self, node: Node) -> None:
        """Sends one stanza; stanzas leave in the order of the calls."""
        if self.silent:
            return
        async with self._sending:
            sealed = self.transport.outgoing.encrypt(binary.encode(node))
            await self._socket.send(_framed(sealed))

    async def ask(self, node: Node) -> Node:
        """Sends an `iq` under a fresh id and waits for its answer, an error included.

        Raises:
            EOFError: if the connection ended first.
        """
        wanted = f"loopback-{next(self._ids)}"
        node.attrs |= {"id": wanted, "from": SERVER_JID}
        answer: asyncio.Future[Node] = asyncio.get_running_loop().create_future()
        self._asked[wanted] = answer
        await self.send(node)
        return await answer

    async def stanzas(self) -> AsyncIterator[Node]:
        """What the companion sends, but for the answers to `ask`, until it goes away."""
        try:
            async for frame in self._frames:
                node = binary.decode(self.transport.incoming.decrypt(frame), self._dictionary)
                if not self.silent and not self._settle(node):
                    yield node
        finally:
            self._give_up()

    async def close(self) -> None:
        """Closes with a WebSocket closing handshake."""
        await self._socket.close()

    def drop(self) -> None:
        """Cuts the TCP connection, as a lost network does."""
        self._socket.transport.abort()

    def _settle(self, node: Node) -> bool:
        if node.tag != "iq" or node.text("type") not in ("result", "error"):
            return False
        answer = self._asked.pop(node.text("id"), None)
        if answer and not answer.done():
            answer.set_result(node)
        return answer is not None

    def _give_up(self) -> None:
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(EOFError("the companion went away without an answer"))
        self._asked.clear()


def _framed(data: bytes) -> bytes:
    return len(data).to_bytes(_LENGTH_SIZE, "big") + data


async def _frames(socket: ServerConnection, buffer: FrameBuffer) -> AsyncIterator[bytes]:
    async for message in socket:
        data = message if isinstance(message, bytes) else message.encode()
        for frame in buffer.feed(data):
            yield frame


async def _next(frames: AsyncIterator[bytes]) -> bytes:
    try:
        return await anext(frames)
    except StopAsyncIteration:
        msg = "the companion went away during the handshake"
        raise EOFError(msg) from None
