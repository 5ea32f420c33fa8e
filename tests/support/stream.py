"""A client of Server-Sent Events that reads as a browser does, and remembers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import httpx
import orjson


class Event(NamedTuple):
    """One event: the ``id:`` of its block (None without), its type, its envelope."""

    id: str | None
    type: str
    envelope: dict[str, Any]

    @property
    def data(self) -> dict[str, Any]:
        """The envelope's data."""
        found: dict[str, Any] = self.envelope["data"]
        return found


class Stream:
    """An open stream; ``last_id`` is what a browser would send as ``Last-Event-ID``."""

    def __init__(self, response: httpx.Response) -> None:
        """Read the response's body."""
        self._response = response
        self._fresh: asyncio.Queue[Event] = asyncio.Queue()
        self._reader: asyncio.Task[None] | None = None
        self.seen: list[Event] = []
        self.last_id: str | None = None
        self.closed = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Begin to read."""
        self._reader = asyncio.ensure_future(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop reading."""
        assert self._reader is not None
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def _read(self) -> None:
        fields: dict[str, str] = {}
        try:
            async for line in self._response.aiter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                    continue
                self._block(fields)
                fields = {}
        except httpx.TransportError:
            pass  # the daemon was killed
        finally:
            self.closed.set()

    def _block(self, fields: dict[str, str]) -> None:
        if "id" in fields:
            self.last_id = fields["id"]
        if "data" in fields:
            event = Event(fields.get("id"), fields["event"], orjson.loads(fields["data"]))
            self.seen.append(event)
            self._fresh.put_nowait(event)

    async def next(
        self, type: str, where: Callable[[Event], bool] = lambda _: True, seconds: float = 15.0
    ) -> Event:
        """Return the next event of the type that fits; fail after ``seconds``."""
        async with asyncio.timeout(seconds):
            while True:
                event = await self._fresh.get()
                if event.type == type and where(event):
                    return event
