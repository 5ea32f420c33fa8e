"""What the workers' providers counted, over all lives of a session in this daemon. Sans-I/O."""

from __future__ import annotations

import logging

from sessions.ids import SessionKey
from sessions.provider.optional import NONE, Counts

log = logging.getLogger("zapd.supervisor")


class Health:
    """The sums by session. What a killed worker counted since its last heartbeat is not in them."""

    def __init__(self) -> None:
        """Begin with nothing. ``total`` is over all sessions, also deleted ones: it never falls."""
        self.total = NONE
        self._sums: dict[SessionKey, Counts] = {}

    def add(self, key: SessionKey, counts: Counts) -> None:
        """Take what came to a session's counts; said in the log once a heartbeat at most."""
        self._sums[key] = self.of(key).plus(counts)
        self.total = self.total.plus(counts)
        log.warning(
            "session %s fell short: %d events unjournaled, %d queued over the bound, "
            "%d messages never decrypted",
            key,
            counts.unkept,
            counts.overflowed,
            counts.undecrypted,
        )

    def of(self, key: SessionKey) -> Counts:
        """Return a session's sums."""
        return self._sums.get(key, NONE)

    def forget(self, key: SessionKey) -> None:
        """Drop the sums of a session that is deleted."""
        self._sums.pop(key, None)
