"""Lines that stand but are quiet are asked whether they live.

WhatsApp can keep a socket open and deliver nothing: the phone is blocked, the server's side of
the session is gone, a proxy holds a dead line. The session would say ``connected`` for days.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from sessions import commands as c
from sessions.errors import EngineError, OutcomeUnknown
from sessions.manager.lifecycle import Lifecycle
from sessions.manager.live import LiveSession
from sessions.ports import Clock
from sessions.worker.supervisor import Supervisor

log = logging.getLogger("zapd.sessions")

#: Seconds that a worker has to answer: longer than a provider's own patience.
ANSWER_SECONDS = 40.0
#: Probes in flight, of all sessions: two hundred quiet ones are no burst.
AT_ONCE = 5


class Prober:
    """Asks quiet lines; the provider heals those that are deaf."""

    def __init__(
        self, supervisor: Supervisor, lifecycle: Lifecycle, clock: Clock, quiet_seconds: float
    ) -> None:
        """Ask a line of which nothing was heard for ``quiet_seconds``; 0 asks never."""
        self._supervisor = supervisor
        self._lifecycle = lifecycle
        self._clock = clock
        self._quiet_ms = round(quiet_seconds * 1000)
        self._asked: set[LiveSession] = set()

    def tick(self) -> None:
        """Ask those that are due, the quietest first (called each second)."""
        room = AT_ONCE - len(self._asked)
        if self._quiet_ms and room > 0:
            for live in self._due(self._lifecycle.all(), self._clock.now_ms())[:room]:
                self._asked.add(live)
                self._lifecycle.tasks.own(self._ask(live))

    def _due(self, sessions: Iterable[LiveSession], now: int) -> list[LiveSession]:
        quiet = [
            live
            for live in sessions
            if live.is_connected
            and live not in self._asked
            and now - live.last_heard_at >= self._quiet_ms
        ]
        return sorted(quiet, key=lambda live: live.last_heard_at)

    async def _ask(self, live: LiveSession) -> None:
        try:
            answer = await self._supervisor.request(live.key, c.Probe(), ANSWER_SECONDS)
        except OutcomeUnknown:
            if live.is_connected:  # else its worker ended meanwhile
                log.warning("session %s: its worker does not answer a probe", live.key)
                self._lifecycle.hung(live)
        except EngineError as error:
            log.info("session %s could not be probed: %s", live.key, error)
        else:
            if isinstance(answer, c.Done):
                live.last_heard_at = self._clock.now_ms()
        finally:
            self._asked.discard(live)
