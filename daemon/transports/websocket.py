"""WebSocket: ``GET /v1/ws``. The same envelopes as text frames, and what clients say."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.frames import Frame as WireFrame, Opcode

from daemon.auth.principal import Principal
from daemon.errors import ApiError
from daemon.hub.ring import Frame
from daemon.hub.subscriber import EndReason
from daemon.services.stream_query import StreamQuery
from daemon.services.stream_session import StreamSession
from daemon.services.streams import StreamService
from daemon.transports.client_frames import Actions, Conversation, FrameRate
from daemon.transports.stream_request import stream_query
from daemon.transports.uvicorn_protocols import FRAMES, aborter_of, connection_of
from sessions.ports import Clock

#: The most that one write carries, in bytes of JSON, and that a client may say in one frame.
BATCH_BYTES = 128 << 10
MAX_FRAME = 64 << 10
#: How long a slow reader may take to read that it is slow, in seconds.
PATIENCE_SECONDS = 1.0

CLOSE_CODES: dict[EndReason, int] = {
    "credential": 4401,
    "slow": 4408,
    "restart": 1012,
    "gone": 1000,
}
RATE, TOO_BIG, BINARY, BROKEN = 4429, 1009, 1003, 1011


class SocketPorts(NamedTuple):
    """What the composition root gives: who asks, whether the page may, what can be done."""

    authenticate: Callable[[WebSocket], Awaitable[Principal]]
    origin_allowed: Callable[[WebSocket], bool]
    actions: Actions
    clock: Clock


def frame_texts(frames: Sequence[Frame]) -> bytes:
    """Return the events as WebSocket frames, in one piece. Servers do not mask: all get the same."""
    return b"".join(WireFrame(Opcode.TEXT, frame.json).serialize(mask=False) for frame in frames)


def plain_texts(frames: Sequence[Frame]) -> list[str]:
    """Return the events as texts, for a server without our extension."""
    return [frame.json.decode() for frame in frames]


def websocket_endpoint(
    streams: StreamService, ports: SocketPorts
) -> Callable[[WebSocket], Awaitable[None]]:
    """Return the endpoint of ``GET /v1/ws``.

    What is refused is accepted and closed with a code, so that a browser can see why.
    """

    async def websocket(socket: WebSocket) -> None:
        await socket.accept()
        try:
            stream, query = await _open(socket, streams, ports)
        except ApiError as error:
            await socket.close(close_code(error), error.code)
            return
        with stream:
            narrowed = any(query[1:])
            talk = Conversation(streams, stream, ports.actions, narrowed=narrowed)
            await _Socket(socket, stream, talk, FrameRate(ports.clock)).run()

    return websocket


async def _open(
    socket: WebSocket, streams: StreamService, ports: SocketPorts
) -> tuple[StreamSession, StreamQuery]:
    if not ports.origin_allowed(socket):
        raise ApiError("wrong_origin")
    principal = await ports.authenticate(socket)
    query = stream_query(socket.query_params)
    return streams.open(principal, query), query


def close_code(error: ApiError) -> int:
    """Return the close code for an answer: 4401 for 401, 1012 while stopping."""
    if error.code == "stopping":
        return CLOSE_CODES["restart"]
    return 4000 + error.status if error.status < 500 else BROKEN  # noqa: PLR2004 - HTTP's classes


class _Socket:
    """One open connection: a sender, and a reader that answers."""

    def __init__(
        self, socket: WebSocket, stream: StreamSession, talk: Conversation, rate: FrameRate
    ) -> None:
        self._socket = socket
        self._stream = stream
        self._talk = talk
        self._rate = rate
        self._close: tuple[int, str] | None = None
        self._framed = bool(connection_of(socket.scope).get("frames"))
        stream.abort = aborter_of(socket.scope)
        stream.patience = PATIENCE_SECONDS

    async def run(self) -> None:
        """Send and answer until the stream or the connection ends."""
        reader = asyncio.get_running_loop().create_task(self._read(), name="websocket-reader")
        try:
            await self._pump()
            await self._say_goodbye()
        except WebSocketDisconnect:
            pass
        finally:
            reader.cancel()
            await asyncio.wait([reader])

    async def _pump(self) -> None:
        stream = self._stream
        while not stream.ended:
            own = stream.own()
            if own:
                await self._send(frame_texts(own) if self._framed else plain_texts(own))
                continue
            ready = stream.take(frame_texts if self._framed else plain_texts, BATCH_BYTES)
            if ready:
                await self._send(ready)
            else:
                await stream.wait()

    async def _send(self, ready: bytes | list[str]) -> None:
        self._stream.busy = True
        if isinstance(ready, bytes):
            await self._socket.send({"type": "websocket.send", FRAMES: ready})
        else:
            for text in ready:
                await self._socket.send_text(text)
        self._stream.busy = False

    async def _say_goodbye(self) -> None:
        reason = self._stream.ended or "gone"
        code, text = self._close or (CLOSE_CODES[reason], reason)
        if reason != "gone" or self._close:
            await self._socket.close(code, text)

    async def _read(self) -> None:
        try:
            while (message := await self._socket.receive())["type"] != "websocket.disconnect":
                self._close = self._refusal(message)
                if self._close:
                    break
                answer = await self._talk.answer(message["text"])
                await self._socket.send_text(answer.decode())
        except WebSocketDisconnect:
            pass  # gone while it was answered
        finally:
            self._stream.end("gone")

    def _refusal(self, message: Any) -> tuple[int, str] | None:  # noqa: ANN401 - an ASGI message
        text = message.get("text")
        if text is None:
            return BINARY, "text frames only"
        if len(text) > MAX_FRAME:
            return TOO_BIG, "frame too big"
        return None if self._rate.take() else (RATE, "rate")
