"""The streams that are open: what a transport, a dialect or the console opens one by."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

from daemon.auth.principal import Principal
from daemon.errors import ApiError
from daemon.hub.event_types import CONNECTION_STATUS
from daemon.hub.hub import Hub
from daemon.hub.interest import Filter
from daemon.hub.subscriber import EndReason
from daemon.services.heartbeat import Heartbeat, StillValid
from daemon.services.stream_query import StreamQuery, filter_of
from daemon.services.stream_session import StreamSession
from sessions.ports import Clock, Published

#: Given by the composition root: the ``connection_status`` of the workspace's sessions. It may
#: give too many, the filter is applied here. Must not wait.
Snapshot = Callable[[str, Filter], Iterable[Published]]


#: Given by the composition root: told of each stream that opens, with what ends it; returns what is
#: to be called when it has closed. Must not wait.
OnOpen = Callable[[Principal, Callable[[], None]], Callable[[], None]]


class StreamLimits(NamedTuple):
    """Settings: streams a credential, mean seconds between pings, the heartbeat's tick."""

    per_credential: int = 100
    ping_seconds: float = 20.0
    tick_seconds: float = 1.0


class StreamService:
    """Opens streams and ends them. The owner runs :meth:`run` in its task group."""

    def __init__(
        self,
        hub: Hub,
        clock: Clock,
        snapshot: Snapshot,
        still_valid: StillValid,
        limits: StreamLimits | None = None,
        on_open: OnOpen = lambda _principal, _end: lambda: None,
    ) -> None:
        self._hub = hub
        self._clock = clock
        self._snapshot = snapshot
        self._on_open = on_open
        self._limits = limits or StreamLimits()
        self._streams: set[StreamSession] = set()
        self._by_credential: Counter[str] = Counter()
        self._empty = asyncio.Event()
        self._closing: EndReason | None = None
        self.heartbeat = Heartbeat(
            hub,
            clock,
            self._streams,
            still_valid,
            ping_seconds=self._limits.ping_seconds,
            tick_seconds=self._limits.tick_seconds,
        )

    async def run(self) -> None:
        """Beat for all streams until cancelled."""
        await self.heartbeat.run()

    def __len__(self) -> int:
        return len(self._streams)

    def open(
        self, principal: Principal, query: StreamQuery, *, greet: bool = True
    ) -> StreamSession:
        """Return a stream of the principal's workspace; raise ``ApiError``.

        Position, reset and the states of the sessions are of one moment: nothing here waits.
        ``greet`` is False for a poll, which has no events of its own.
        """
        filter_ = filter_of(principal, query)
        self._admit(principal)
        subscriber = self._hub.subscribe(principal.workspace, frozenset({filter_}), query.after)
        stream = StreamSession(self._hub, self._clock, principal, subscriber)
        self._streams.add(stream)
        self._by_credential[principal.credential] += 1
        stream.on_close(lambda: self._forget(stream))
        stream.on_close(self._on_open(principal, lambda: stream.end("credential")))
        if greet:
            self.heartbeat.expect(stream)
            stream.greet(self.states(principal, filter_))
        return stream

    def filter(self, principal: Principal, query: StreamQuery) -> Filter:
        """Return the checked filter that a WebSocket client subscribes to; raise ``ApiError``."""
        return filter_of(principal, query)

    def states(self, principal: Principal, filter_: Filter) -> list[Published]:
        """Return the ``connection_status`` of each session that the filter admits."""
        return [
            event
            for event in self._snapshot(principal.workspace, filter_)
            if event.workspace == principal.workspace
            and filter_.admits(CONNECTION_STATUS, event.session, None)
        ]

    def _admit(self, principal: Principal) -> None:
        if self._closing:
            raise ApiError("stopping")
        if self._by_credential[principal.credential] >= self._limits.per_credential:
            raise ApiError("too_many_streams")

    def _forget(self, stream: StreamSession) -> None:
        self._streams.discard(stream)
        credential = stream.principal.credential
        self._by_credential[credential] -= 1
        if not self._by_credential[credential]:
            del self._by_credential[credential]
        if not self._streams:
            self._empty.set()

    async def close(self, reason: EndReason = "restart", deadline_seconds: float = 5.0) -> None:
        """End all streams, let each say why, and cut those that are not gone by the deadline.

        Opens no more. Called by the owner when all else has drained.
        """
        self._closing = reason
        self._hub.close(reason)
        if not await self._emptied(deadline_seconds):
            for stream in list(self._streams):
                if stream.abort is not None:
                    stream.abort()
            await self._emptied(1.0)

    async def _emptied(self, seconds: float) -> bool:
        self._empty.clear()
        if not self._streams:
            return True
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True
