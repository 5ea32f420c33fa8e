"""What keeps history from being written, and what was lost by it: for health and the log."""

from __future__ import annotations

import logging
import time

from daemon.history.models import Health
from daemon.history.port import HistoryFailed

log = logging.getLogger("zapd.history")

ANNOUNCE = 60.0  # seconds between two log lines about the same


class Troubles:
    """The last failure of store and spill, None where the last time was well; and the counts."""

    def __init__(self) -> None:
        self.of_store: HistoryFailed | None = None
        self.of_spill: HistoryFailed | None = None
        self.lost = 0
        self.refused = 0
        self._told: dict[str, float] = {}

    def met(self, failed: HistoryFailed) -> None:
        """Take that the store refused."""
        self.of_store = failed
        if self._is_due(str(failed)):
            log.error("history is not written for now: %s %s", failed, failed.user_action or "")

    def well(self) -> None:
        """Take that the store wrote."""
        if self.of_store is not None:
            self.of_store = None
            self._told.clear()
            log.info("history is written again; %d records were lost", self.lost)

    def met_spill(self, failed: HistoryFailed) -> None:
        """Take that the spill refused."""
        self.of_spill = failed
        if self._is_due(f"spill: {failed}"):
            log.error("history's backlog stays in RAM: %s", failed)

    def lose(self, count: int) -> None:
        """Take that there was no room for records."""
        self.lost += count
        if self._is_due("lost"):
            log.error("%d records of the history are lost so far: its backlog is full", self.lost)

    def refuse(self, count: int) -> None:
        """Take that records can never be stored."""
        self.refused += count
        if count and self._is_due("refused"):
            log.error("%d records so far cannot be stored in the history", self.refused)

    def health(self) -> Health:
        """Return how it stands, but for what waits."""
        failed = self.of_store or self.of_spill
        sentence = str(failed) if failed else None
        if self.of_spill is not None:
            sentence = f"{sentence} The backlog has no room on disk: what it cannot hold is lost."
        return Health(
            "failing" if failed else "ok",
            sentence,
            failed.user_action if failed else None,
            lost=self.lost,
            refused=self.refused,
        )

    def _is_due(self, what: str) -> bool:
        now = time.monotonic()
        if now - self._told.get(what, -ANNOUNCE) < ANNOUNCE:
            return False
        self._told[what] = now
        return True
