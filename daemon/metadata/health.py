"""How it stands with Supabase, for ``/readyz`` and the log.

Each part that talks to Supabase tells what it met; an alarm is what a person must mend.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from daemon.metadata.trouble import Kind, Trouble

if TYPE_CHECKING:
    from daemon.storage.outbox import Counts
    from sessions.ports import Clock

log = logging.getLogger("zapd.supabase")

REMIND_MS = 3_600_000  # an alarm that lasts is logged again after an hour
ALARMS = ("supabase_blocked", "supabase_unreachable", "supabase_dead_letters", "supabase_clock")
SKEW_WARN = 5.0  # seconds: the last writer wins by the clock, and people are this fast


class Health:
    """What is known of Supabase now."""

    def __init__(self, clock: Clock) -> None:
        """Nothing is known yet."""
        self._clock = clock
        self._troubles: dict[str, Trouble] = {}
        self._told: dict[str, tuple[str, int]] = {}
        self._since: int | None = None
        self._reached = False
        self.counts: Counts | None = None
        self.realtime = False
        self.skew = 0.0
        """Seconds by which Supabase's clock is ahead of ours."""

    @property
    def blocked(self) -> Trouble | None:
        """What a person must mend before anything goes on."""
        return self._worst(Kind.BLOCKED)

    def is_troubled(self, part: str) -> bool:
        """Tell whether the part failed last time."""
        return part in self._troubles

    def met(self, part: str, trouble: Trouble) -> None:
        """Take a failure of ``part``: it is logged once, and again while it lasts."""
        now = self._clock.now_ms()
        self._troubles[part] = trouble
        if self._since is None:
            self._since = now
        code, at = self._told.get(part, ("", 0))
        if trouble.code == code and now - at < REMIND_MS:
            return
        self._told[part] = (trouble.code, now)
        level = logging.ERROR if trouble.kind is Kind.BLOCKED else logging.WARNING
        action = f" {trouble.user_action}" if trouble.user_action else ""
        log.log(level, "%s (%s, %s)%s", trouble.sentence, part, trouble.code, action)

    def well(self, part: str) -> None:
        """Take a success of ``part``."""
        self._reached = True
        if part in self._troubles:
            log.info("Supabase serves again (%s)", part)
        self.idle(part)

    def idle(self, part: str) -> None:
        """Take that ``part`` has nothing to do: what hindered it is no alarm any more."""
        if self._troubles.pop(part, None) is not None:
            del self._told[part]
        if not self._troubles:
            self._since = None

    def clock_read(self, skew: float) -> None:
        """Take by how many seconds Supabase's clock is ahead of ours."""
        if abs(skew) > SKEW_WARN >= abs(self.skew):
            log.warning(
                "The clocks of this machine and of Supabase differ by %.0f s: "
                "of two changes to one row the later may lose. Set this machine's clock.",
                abs(skew),
            )
        self.skew = skew

    def shown(self) -> dict[str, Any]:
        """Return it for ``/readyz``; ``status`` is ok, starting, unreachable or blocked."""
        now = self._clock.now_ms()
        trouble = self.blocked or self._worst(Kind.TRANSIENT)
        shown: dict[str, Any] = {
            "status": self._status(trouble),
            "realtime": "up" if self.realtime else "down",
        }
        if counts := self.counts:
            oldest = counts.oldest_at
            shown["pending"] = counts.pending
            shown["oldest_age_seconds"] = 0 if oldest is None else max(0, now - oldest) // 1000
            shown["dead_letters"] = counts.dead
        if trouble is not None:
            shown |= {"code": trouble.code, "reason": trouble.sentence}
            shown["user_action"] = trouble.user_action
            shown["since_seconds"] = max(0, now - (self._since or now)) // 1000
        if abs(self.skew) > SKEW_WARN:
            shown["clock_skew_seconds"] = round(self.skew)
        return shown

    @property
    def alarms(self) -> list[str]:
        """What a person should look at: ``supabase_blocked``, ``supabase_dead_letters``, …"""
        alarms = []
        if self.blocked is not None:
            alarms.append("supabase_blocked")
        elif self._troubles:
            alarms.append("supabase_unreachable")
        if self.counts is not None and self.counts.dead:
            alarms.append("supabase_dead_letters")
        if abs(self.skew) > SKEW_WARN:
            alarms.append("supabase_clock")
        return alarms

    def _status(self, trouble: Trouble | None) -> str:
        if trouble is None:
            return "ok" if self._reached else "starting"
        return "blocked" if trouble.kind is Kind.BLOCKED else "unreachable"

    def _worst(self, kind: Kind) -> Trouble | None:
        return next((found for found in self._troubles.values() if found.kind is kind), None)
