"""Messages in RAM and in history, and who searches them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from daemon.auth.principal import Principal
from daemon.auth.scopes import Scope
from daemon.history.flusher import Bounds, Flusher
from daemon.history.models import StoredMessage
from daemon.history.spill import Spill
from daemon.services.search import Page, Question, Remembered, Search
from sessions.cache.chats import ChatRow
from sessions.cache.messages import Entry
from sessions.ids import ChatRef, split_chat_id
from sessions.manager.memory import Memory, MemorySettings
from sessions.models import MessageTail, ProviderName, Session, iso
from tests.unit.daemon.history.stores import Governed

QUICK = Bounds(interval=0.001, retry=0.01, retry_most=0.02)


def who(workspace: str = "acme", sessions: frozenset[str] | None = None) -> Principal:
    """Return somebody who may read."""
    return Principal(workspace, "ana", frozenset({Scope.READ}), "api_key", "key:1", None, sessions)


class Seen:
    """What a caller may see, as the engine tells it where the sessions exist."""

    def sessions(self, who: Principal) -> list[Session]:
        """Return those of two sessions that the caller may see."""
        return [_session(name) for name in ("main", "second") if who.sees(name)]

    def ref(self, who: Principal, chat: str) -> ChatRef:
        """Return the chat of that id."""
        return ChatRef(who.workspace, *split_chat_id(chat))


def _session(name: str) -> Session:
    return Session(
        id=name,
        label=name,
        provider=ProviderName.SANDBOX,
        state="connected",
        code=None,
        message=None,
        user_action=None,
        phone=None,
        jid=None,
        last_received_at=None,
        created_at=iso(0),
    )


class Scene:
    """RAM, and what history keeps of it."""

    def __init__(
        self,
        history: Remembered | None = None,
        looked_at: int = 20_000,
        store_seconds: float = 10.0,
    ) -> None:
        self.memory = Memory(MemorySettings())
        self.history = history
        self.search = Search(Seen(), self.memory, history, looked_at, store_seconds)

    def receive(self, message: StoredMessage, name: str | None = None) -> Entry:
        """Have a message in RAM, and handed over to history."""
        entry = self.hold(message, name)
        if self.history is not None:
            flusher = self.history.flusher
            assert isinstance(flusher, Flusher)
            flusher.message(message.chat, message.id, lambda: message, 500)
        return entry

    def hold(self, message: StoredMessage, name: str | None = None) -> Entry:
        """Have a message in RAM only."""
        row = self.memory.chats.look(message.chat)
        if row is None:
            row = ChatRow(message.chat)
            row.name = name
            self.memory.chats.add(row)
        entry = entry_of(message)
        with self.memory.chats.unindexed(row):
            row.updated_at = max(row.updated_at, message.at)
            row.last = entry
        self.memory.messages.add(entry, message.at)
        return entry

    async def ids(self, q: str, by: Principal | None = None, **more: Any) -> list[str]:  # noqa: ANN401 - a question's own fields
        """Return the ids that a search finds on its first page."""
        return ids(await self.page(q, by, **more))

    async def page(self, q: str, by: Principal | None = None, **more: Any) -> Page:  # noqa: ANN401 - as above
        """Return a page."""
        return await self.search.find(by or who(), Question(q, **more))

    async def pages(self, q: str, **more: Any) -> list[list[str]]:  # noqa: ANN401 - as above
        """Return the ids of every page."""
        found, page = [], await self.page(q, **more)
        while True:
            found.append(ids(page))
            if page.next is None:
                return found
            page = await self.page(q, below=page.next, **more)


def ids(page: Page) -> list[str]:
    """Return the ids on a page."""
    return [
        result.message.split(b'"id":"', 1)[1].split(b'"', 1)[0].decode() for result in page.results
    ]


def entry_of(message: StoredMessage) -> Entry:
    """Return a message as RAM has it."""
    tail = MessageTail(wa_id=message.wa_id, status="read", ack=3)
    return Entry(
        message.chat, message.id, message.at, from_me=message.from_me, head=message.head, tail=tail
    )


@asynccontextmanager
async def remembering(data: Path, looked_at: int = 20_000) -> AsyncIterator[tuple[Scene, Governed]]:
    """Give a scene with a history that runs."""
    store, spill = Governed(data), Spill(data, 1 << 20)
    await store.ready()
    spill.open()
    flusher = Flusher(store, spill, lambda key, mark: None, QUICK)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(flusher.run())
        try:
            yield Scene(Remembered(store, flusher), looked_at), store
        finally:
            store.gate.set()
            running.cancel()
    await flusher.close(1.0)
    await store.close()
