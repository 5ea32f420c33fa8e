"""A client of Server-Sent Events that comes back where it was, as a browser's EventSource does."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

import httpx
import orjson

from tests.support.daemon import User
from tests.support.stream import Event


class Follower:
    """Reads one stream after the other; what a cut stream did not bring, the next one does."""

    def __init__(self, user: User, types: str) -> None:
        """Follow the events of these types that ``user`` may see."""
        self._user = user
        self._types = types
        self._last_id: str | None = None
        self.streams = 0
        """How many streams it took so far."""

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield the events that have a number, and first the ``hello`` of the first stream.

        Whoever has the ``hello`` misses nothing that happens after it. Ends with its consumer.
        """
        while True:
            headers = {"Last-Event-ID": self._last_id} if self._last_id else {}
            self.streams += 1
            try:
                async with self._user.http.stream(
                    "GET", "/v1/events", params={"types": self._types}, headers=headers
                ) as response:
                    assert response.is_success, await response.aread()
                    async for event in self._read(response):
                        yield event
            except httpx.TransportError:
                pass  # it was cut: too slow, or the daemon is gone

    async def _read(self, response: httpx.Response) -> AsyncIterator[Event]:
        fields: dict[str, str] = {}
        async for line in response.aiter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
                continue
            self._last_id = fields.get("id", self._last_id)
            if "data" in fields and self._is_wanted(fields):
                yield Event(fields.get("id"), fields["event"], orjson.loads(fields["data"]))
            fields = {}

    def _is_wanted(self, fields: dict[str, str]) -> bool:
        assert fields["event"] != "stream_reset", "what it missed is gone"
        return "id" in fields or (fields["event"] == "hello" and self.streams == 1)
