"""A store whose owner says when it writes, and whether."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from daemon.history.models import Record, StoredMessage
from daemon.history.port import HistoryFailed
from daemon.history.sqlite import SqliteHistory

FULL = HistoryFailed("The disk is full.", "Free some space.")


class Governed(SqliteHistory):
    """The real store behind a gate, with a note of each batch that it wrote."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        self.gate = asyncio.Event()
        self.gate.set()
        self.refusal: Exception | None = None
        self.arrived = asyncio.Event()
        self.batches: list[list[Record]] = []

    async def write(self, records: Sequence[Record]) -> None:
        """Write when the gate is open, or refuse."""
        self.arrived.set()
        await self.gate.wait()
        if self.refusal is not None:
            raise self.refusal
        await super().write(records)
        self.batches.append(list(records))

    @property
    def written(self) -> list[str]:
        """The ids of the messages that were written, in order."""
        each = (record for batch in self.batches for record in batch)
        return [record.id for record in each if isinstance(record, StoredMessage)]
