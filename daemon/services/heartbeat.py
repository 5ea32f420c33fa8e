"""The one timer of all streams: pings, expired credentials, the sweep of the slow."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Collection

from daemon.auth.principal import Principal
from daemon.clock import Steady
from daemon.hub.hub import Hub
from daemon.services.stream_session import StreamSession
from sessions.ports import Clock

_LOG = logging.getLogger(__name__)

#: Asked about once a second a credential. Must answer within a second; must not raise.
StillValid = Callable[[Principal], Awaitable[bool]]


class Heartbeat:
    """Beats over the streams that it is lent. ``ping_seconds`` is a mean: each ping of each stream
    comes after 75-125 % of it, so that a thousand streams never ping at once.
    """

    def __init__(
        self,
        hub: Hub,
        clock: Clock,
        streams: Collection[StreamSession],
        still_valid: StillValid,
        *,
        ping_seconds: float = 20.0,
        tick_seconds: float = 1.0,
    ) -> None:
        self._hub = hub
        self._clock = clock
        self._passed = Steady(clock)
        self.streams = streams
        self._still_valid = still_valid
        self._ping_ms = ping_seconds * 1000
        self._tick_seconds = tick_seconds
        self._random = secrets.SystemRandom().random

    async def run(self) -> None:
        """Beat until cancelled. Called by the stream service."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._beat(), name="stream-heartbeat")
            tasks.create_task(self._watch_credentials(), name="stream-credentials")

    def expect(self, stream: StreamSession) -> None:
        """Set the stream's next ping. A tick comes late by at most its length: it is left out."""
        latest = max(1.25 * self._ping_ms - self._tick_seconds * 1000, 0.75 * self._ping_ms)
        share = self._random()
        wait = 0.75 * self._ping_ms * (1 - share) + latest * share
        stream.ping_at = self._passed() + round(wait)

    def tick(self) -> None:
        """Do what is due now."""
        now, passed = self._clock.now_ms(), self._passed()
        for stream in list(self.streams):
            expires_at = stream.principal.expires_at
            if expires_at is not None and expires_at <= now:
                stream.end("credential")
            elif stream.ping_at is not None and stream.ping_at <= passed:
                self._ping(stream)
        self._hub.sweep()

    def _ping(self, stream: StreamSession) -> None:
        if not stream.busy:  # a blocked send needs no sign of life, and its events would pile up
            stream.ping()
        self.expect(stream)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._tick_seconds)
            self.tick()

    async def _watch_credentials(self) -> None:
        while True:
            await asyncio.sleep(self._tick_seconds)
            await self.check_credentials()

    async def check_credentials(self) -> None:
        """Ask of each credential, once however many streams it has, and end those that ended.

        Streams of one credential may differ in when it ends, and in what its user was let in as.
        """
        alike: dict[tuple[object, ...], list[StreamSession]] = {}
        for stream in self.streams:
            who = stream.principal
            alike.setdefault((who.credential, who.expires_at, who.membership), []).append(stream)
        for streams in alike.values():
            if not await self._valid(streams[0].principal):
                for stream in streams:
                    stream.end("credential")

    async def _valid(self, principal: Principal) -> bool:
        try:
            return await self._still_valid(principal)
        except Exception:  # noqa: BLE001 - asked again in a second; a full disk must not cut all streams
            _LOG.exception("Whether a credential is still valid could not be told.")
            return True
