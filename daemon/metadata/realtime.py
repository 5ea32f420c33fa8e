"""A line to Supabase Realtime that is made anew whenever it ends, falls silent or never serves.

It only hints that something changed: nothing is replayed after a gap, so whoever listens must
look by itself each time that the line stands again.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from daemon.metadata.phoenix import Bounds, Broken, Changed, Phoenix, Subscribed

log = logging.getLogger("zapd.supabase")
_wire = logging.getLogger("zapd.supabase.wire")
_wire.setLevel(logging.WARNING)  # at debug level it would log the address, and the key is in it

FRAME_MAX = 4 << 20  # bytes; the server itself leaves records out beyond 1 MiB


class Pace(NamedTuple):
    """Seconds. A new line after a pause of up to ``first``, doubling to ``longest``."""

    first: float = 1.0
    longest: float = 30.0
    connect: float = 10.0
    bounds: Bounds = Bounds()


class Realtime:
    """One line at a time, for ever. :meth:`run` is its life."""

    def __init__(
        self,
        url: str,
        key: str,
        tables: Sequence[str],
        *,
        on_up: Callable[[bool], None],
        on_change: Callable[[str, Mapping[str, Any]], None],
        pace: Pace | None = None,
    ) -> None:
        """``url`` is the project's. The callbacks must not wait and must not raise.

        ``on_up`` is told when changes begin to be told, and when that ends.
        """
        base = url.rstrip("/").replace("http", "ws", 1)
        query = urlencode({"apikey": key, "vsn": "1.0.0"})
        self._url = f"{base}/realtime/v1/websocket?{query}"
        self._key = key
        self._tables = tuple(tables)
        self._on_up = on_up
        self._on_change = on_change
        self._pace = pace or Pace()
        self.up = False
        """Whether changes are told now."""
        self.reason = "not connected yet"
        """Why it is not up: what ended the last line."""

    async def run(self) -> None:
        """Keep a line until cancelled."""
        failures = 0
        while True:
            try:
                await self._line()
            finally:
                served, self.up = self.up, False
            if served:
                self._on_up(False)
            failures = 1 if served else failures + 1
            ceiling = min(self._pace.longest, self._pace.first * 2.0 ** min(failures - 1, 30))
            if failures == 1:
                log.info("Realtime ended (%s); it is connected again", self.reason)
            await asyncio.sleep(random.uniform(0, ceiling))  # noqa: S311 - spreads load, no secret

    async def _line(self) -> None:
        """Live one connection; return when it is of no use, with ``reason`` set."""
        try:
            async with connect(
                self._url,
                open_timeout=self._pace.connect,
                close_timeout=1,
                ping_interval=None,  # Phoenix' own heartbeat reaches further: through the proxy
                max_size=FRAME_MAX,
                logger=_wire,
            ) as socket:
                self.reason = await self._serve(socket)
        except (OSError, TimeoutError, WebSocketException) as error:
            self.reason = _named(error)

    async def _serve(self, socket: ClientConnection) -> str:
        loop = asyncio.get_running_loop()
        bounds = self._pace.bounds
        phoenix = Phoenix(self._tables, self._key, loop.time(), bounds)
        await socket.send(phoenix.join())
        step = min(bounds) / 4
        while not (reason := phoenix.overdue(loop.time())):
            if beat := phoenix.beat(loop.time()):
                await socket.send(beat)
            try:
                frame = await asyncio.wait_for(socket.recv(), step)
            except TimeoutError:
                continue
            news = phoenix.feed(frame, loop.time())
            if isinstance(news, Broken):
                return news.reason
            if isinstance(news, Subscribed):
                self.up = True
                self._on_up(True)
            elif isinstance(news, Changed):
                self._on_change(news.table, news.record)
        return reason


def _named(error: Exception) -> str:
    """Return the error in few words: never its address, which holds the key."""
    return f"{type(error).__name__}: {error}"[:200]
