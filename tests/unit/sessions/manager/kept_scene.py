"""A manager with a keeper: what happens beyond the RAM, life after life. No worker runs."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import msgspec

from sessions import events as e
from sessions.cache.chats import ChatQuery
from sessions.ids import ChatRef
from sessions.manager import Anchor, ManagerSettings, MemorySettings, Ports, SessionManager
from sessions.models import ProviderName
from sessions.ports import SessionRecord
from tests.support.engine import plan, until
from tests.support.keeping import MemoryKeeper
from tests.support.recorders import (
    Json,
    MemoryJournal,
    MemoryKnownChats,
    MemorySessions,
    RecordingSink,
    SetClock,
)
from tests.unit.sessions.manager.scene import ANA, KEY, NOW, message_id

#: Chats of two messages, and the rest of them beyond the RAM.
TWO_MESSAGES = MemorySettings(chat_messages=2)
#: The first mark of a journal.
FIRST = 1 << 61


class KeptScene:
    """Lives of one engine over one keeper."""

    def __init__(self, folder: Path, settings: MemorySettings = TWO_MESSAGES) -> None:
        self.clock = SetClock(NOW)
        self.sink = RecordingSink()
        self.keeper = MemoryKeeper()
        self.known = MemoryKnownChats()
        self.journal = MemoryJournal()
        record = SessionRecord(
            workspace="w", id="s1", label="", provider=ProviderName.SANDBOX, created_at=NOW
        )
        self.sessions = MemorySessions(record)
        self._settings = ManagerSettings(stores=folder, memory=settings)
        self.manager = self._manager()
        self.manager.memory.chats.is_whole = True  # nothing was kept before
        self.manager.memory.contacts.is_whole = True
        self._mark = FIRST

    def _manager(self) -> SessionManager:
        ports = Ports(
            clock=self.clock,
            sink=self.sink,
            sessions=self.sessions,
            sends=self.journal,
            known_chats=self.known,
            keeper=self.keeper,
        )
        return SessionManager(self._settings, ports, plan())

    async def begin(self) -> Self:
        """Begin the first life."""
        await self.manager.start()
        return self

    async def restart(self) -> None:
        """End this life and begin the next, with nothing in RAM."""
        await self.manager.close()
        self.manager = self._manager()
        await self.manager.start()
        self.sink.clear()
        self.keeper.asked.clear()

    async def take(self, *events: e.AnyEvent) -> None:
        """Let events come, each with the next mark, and wait until they are applied."""
        for event in events:
            self._mark += 1
            self.come(event, self._mark)
        await self.settled()

    def come(self, event: e.AnyEvent, mark: int = 0) -> None:
        """Let an event come."""
        self.manager.session_event(KEY, event, mark)

    async def settled(self) -> None:
        """Wait until nothing waits."""
        await until(lambda: not self.manager._recall.waiting(), "events applied")  # noqa: SLF001 - nobody else asks

    @property
    def newest_mark(self) -> int:
        """The mark that was given last."""
        return self._mark

    async def chat(self, jid: str = ANA) -> Json:
        """Return a chat as clients read it."""
        row = await self.manager.reader.chat(ChatRef(*KEY, jid))
        return msgspec.json.decode(row.render())

    async def chats(self, **query: Json) -> list[Json]:
        """Return a page of the list of chats."""
        page = await self.manager.reader.chats(ChatQuery("w", **query))
        return [msgspec.json.decode(row.render()) for row in page.rows]

    async def message(self, wa_id: str, jid: str = ANA) -> Json:
        """Return a message as clients read it."""
        entry = await self.manager.reader.message("w", message_id(wa_id, jid, jid))
        return msgspec.json.decode(entry.render())

    async def texts(
        self, anchor: Anchor | None = None, limit: int = 100, jid: str = ANA
    ) -> list[str]:
        """Return the texts of a page, newest first."""
        found = await self.manager.reader.messages(ChatRef(*KEY, jid), anchor, limit)
        return [msgspec.json.decode(entry.render())["text"] for entry in found.entries]
