"""A stand-in for Supabase's Realtime server, with the faults that were seen of the real one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket as sockets
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed


class Realtime:
    """The server: who is connected, and what it does wrong."""

    def __init__(self) -> None:
        self.port = 0
        self.joins: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.beats = 0
        self.mute = False
        """Keep lines open and say nothing."""
        self.may_subscribe = asyncio.Event()
        """Set; until then joins are answered and the ``system`` message does not follow."""
        self.may_subscribe.set()
        self.refuse: str | None = None
        self._server: Server | None = None
        self._lines: dict[ServerConnection, str] = {}
        self._waiting: set[asyncio.Task[None]] = set()
        self._subscribed: set[ServerConnection] = set()

    @property
    def url(self) -> str:
        """The project's address, as far as Realtime goes."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def subscribed(self) -> int:
        """How many lines are told of changes."""
        return len(self._subscribed)

    @property
    def lines(self) -> int:
        """How many lines are open."""
        return len(self._lines)

    async def up(self) -> None:
        """Listen, on the same port as before."""
        self._server = await serve(self._line, "127.0.0.1", self.port, close_timeout=0.2)
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def down(self) -> None:
        """Go away, with all lines."""
        for waiting in self._waiting:
            waiting.cancel()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def close_lines(self, code: int = 1001) -> None:
        """Close all lines in order: 1001 is a restart, 1000 the limit of 24 hours."""
        for line in list(self._lines):
            await line.close(code)

    def reset_lines(self) -> None:
        """Cut all lines with a TCP RST."""
        for line in list(self._lines):
            raw: sockets.socket = line.transport.get_extra_info("socket")
            raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
            line.transport.abort()

    async def tell(self, table: str, record: dict[str, Any]) -> int:
        """Tell the change to who is subscribed; return how many that were."""
        told = 0
        for line in list(self._subscribed):
            if not self.mute:
                await line.send(change(self._lines[line], table, record))
                told += 1
        return told

    async def _line(self, line: ServerConnection) -> None:
        assert line.request is not None
        self.paths.append(line.request.path)
        self._lines[line] = ""
        try:
            async for text in line:
                if not self.mute:
                    await self._answer(line, json.loads(text))
        except ConnectionClosed:
            pass
        finally:
            self._subscribed.discard(line)
            del self._lines[line]

    async def _answer(self, line: ServerConnection, frame: dict[str, Any]) -> None:
        topic, ref = frame["topic"], frame.get("ref")
        match frame["event"]:
            case "heartbeat":
                self.beats += 1
                await line.send(reply(topic, ref, "ok", {}))
            case "phx_join" if self.refuse is not None:
                await line.send(reply(topic, ref, "error", {"reason": self.refuse}))
            case "phx_join":
                self.joins.append(frame)
                self._lines[line] = topic
                wanted = frame["payload"]["config"]["postgres_changes"]
                numbered = [{**change, "id": 100 + n} for n, change in enumerate(wanted)]
                await line.send(reply(topic, ref, "ok", {"postgres_changes": numbered}))
                waiting = asyncio.get_running_loop().create_task(self._subscribe(line, topic))
                self._waiting.add(waiting)
                waiting.add_done_callback(self._waiting.discard)
            case other:
                raise AssertionError(f"zapd does not send {other}")

    async def _subscribe(self, line: ServerConnection, topic: str) -> None:
        await self.may_subscribe.wait()
        if line in self._lines:
            self._subscribed.add(line)
            with contextlib.suppress(ConnectionClosed):
                await line.send(system(topic))


def reply(topic: str, ref: str | None, status: str, response: dict[str, Any]) -> str:
    """Return the answer to a frame."""
    payload = {"status": status, "response": response}
    return json.dumps({"topic": topic, "event": "phx_reply", "ref": ref, "payload": payload})


def system(topic: str, status: str = "ok", message: str = "Subscribed to PostgreSQL") -> str:
    """Return the message that tells of the subscription to PostgreSQL."""
    payload = {
        "status": status,
        "channel": topic.removeprefix("realtime:"),
        "extension": "postgres_changes",
        "message": message,
    }
    return json.dumps({"topic": topic, "event": "system", "ref": None, "payload": payload})


def change(topic: str, table: str, record: dict[str, Any]) -> str:
    """Return the message of an updated row."""
    data = {
        "schema": "public",
        "table": table,
        "type": "UPDATE",
        "commit_timestamp": "2026-01-01T00:00:00.000Z",
        "columns": [{"name": name, "type": "text"} for name in record],
        "record": record,
        "old_record": {},
        "errors": None,
    }
    payload = {"ids": [100], "data": data}
    return json.dumps(
        {"topic": topic, "event": "postgres_changes", "ref": None, "payload": payload}
    )


@asynccontextmanager
async def realtime() -> AsyncIterator[Realtime]:
    """Serve Realtime for the length of a test."""
    server = Realtime()
    await server.up()
    try:
        yield server
    finally:
        await server.down()
