"""A keeper over a real flusher and a real store behind a gate, and a manager's memory over both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from daemon.clock import SystemClock
from daemon.history.flusher import Flusher
from daemon.history.history import History
from daemon.history.spill import Spill
from daemon.services.history.keeper import HistoryKeeper
from daemon.services.history.warm_start import WarmStart
from sessions.ids import SessionKey
from sessions.manager import ManagerSettings, MemorySettings, Ports, SessionManager
from sessions.models import ProviderName
from sessions.ports import SessionRecord
from tests.support.engine import plan
from tests.support.recorders import (
    MemoryJournal,
    MemoryKnownChats,
    MemorySessions,
    RecordingSink,
    SetClock,
)
from tests.unit.daemon.history.stores import Governed
from tests.unit.sessions.manager.scene import KEY, NOW


class Life:
    """One life of an engine over a history."""

    def __init__(
        self, folder: Path, store: Governed, settings: MemorySettings | None = None
    ) -> None:
        self.store = store
        self.keeper = HistoryKeeper()
        self.spill = Spill(folder, 1 << 24)
        flusher = Flusher(store, self.spill, self._durable)
        self.history = History(store, flusher, SystemClock(), 0, 0)
        self.keeper.over(store, flusher)
        self.sink = RecordingSink()
        record = SessionRecord(
            workspace="w", id="s1", label="", provider=ProviderName.SANDBOX, created_at=NOW
        )
        ports = Ports(
            clock=SetClock(NOW),
            sink=self.sink,
            sessions=MemorySessions(record),
            sends=MemoryJournal(),
            known_chats=MemoryKnownChats(),
            keeper=self.keeper,
        )
        managed = ManagerSettings(stores=folder, memory=settings or MemorySettings())
        self.manager = SessionManager(managed, ports, plan())
        self.keeper.attach(self._confirmed)
        self.confirmed: list[int] = []
        self.warm = WarmStart(self.manager, self.keeper, self.history, ports.clock)

    def _durable(self, key: SessionKey, mark: int) -> None:
        self.keeper.durable(key, mark)

    def _confirmed(self, key: SessionKey, mark: int) -> None:
        assert key == KEY
        self.confirmed.append(mark)


@asynccontextmanager
async def living(
    folder: Path, settings: MemorySettings | None = None, store: Governed | None = None
) -> AsyncIterator[Life]:
    """Yield a life; everything it told is in the store afterwards, or in the spill."""
    life = Life(folder, store or Governed(folder), settings)
    await life.manager.lifecycle.load()
    async with life.history.running():
        yield life
        await life.manager.close()
    await life.history.close(1.0)
