"""The metadata service over a real database and a real engine without workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from daemon.auth.principal import Principal
from daemon.auth.scopes import Scope, widen
from daemon.metadata.index import MetadataIndex
from daemon.metadata.models import Member, Role
from daemon.metadata.port import Change
from daemon.metadata.sqlite import SqliteMetadata
from daemon.services.engine import Engine
from daemon.services.metadata import Metadata, Parts, load
from daemon.services.metadata.annotating import ChatAnnotations
from daemon.services.metadata.chores import Chores
from daemon.storage.database import Database
from daemon.storage.workspaces import WorkspaceStore
from sessions import events as e
from sessions.cache.chats import ChatQuery
from sessions.ids import ChatRef
from sessions.manager import ManagerSettings, Ports, SessionManager
from sessions.models import ProviderName
from tests.support.engine import plan
from tests.support.recorders import (
    Json,
    MemoryJournal,
    MemoryKnownChats,
    MemorySessions,
    RecordingSink,
)
from tests.unit.daemon.manual_clock import ManualClock
from tests.unit.sessions.manager.scene import ANA, KEY, message

CHAT = ChatRef(*KEY, ANA)


def roomy() -> MetadataIndex:
    """Return an index that holds all."""
    return MetadataIndex(1 << 26)


def narrow() -> MetadataIndex:
    """Return an index with room for one or two chats, and for all that is not of chats."""
    return MetadataIndex(200_000, chats_share=1)


def who(
    subject: str = "ana",
    *scopes: Scope,
    workspace: str = "w",
    sessions: frozenset[str] | None = None,
) -> Principal:
    """Return somebody with a token; it may read and write metadata unless told otherwise."""
    return Principal(
        workspace=workspace,
        subject=subject,
        scopes=widen(frozenset(scopes or (Scope.READ, Scope.METADATA))),
        kind="jwt",
        credential=f"jwt:{subject}",
        sessions=sessions,
    )


ADMIN = who("root", Scope.ADMIN)


class Scene:
    """One life of the service on a database."""

    def __init__(self, database: Database, clock: ManualClock, index: MetadataIndex) -> None:
        self.clock = clock
        self.sink = RecordingSink()
        self.store = SqliteMetadata(database, clock)
        self.index = index
        self.chores = Chores(retry_seconds=0.01)
        ports = Ports(
            clock=clock,
            sink=self.sink,
            sessions=MemorySessions(),
            sends=MemoryJournal(),
            known_chats=MemoryKnownChats(),
            annotations=ChatAnnotations(self.index, self.chores),
        )
        settings = ManagerSettings(stores=database.path.parent / "sessions")
        self.manager = SessionManager(settings, ports, plan())
        self.metadata = Metadata(
            Parts(
                store=self.store,
                index=self.index,
                engine=Engine(self.manager),
                manager=self.manager,
                sink=self.sink,
                clock=clock,
            ),
            self.chores,
        )

    def take(self, *events: e.AnyEvent) -> None:
        """Let the engine's worker report events."""
        for event in events:
            self.manager.session_event(KEY, event)

    def receive(self, wa_id: str = "1", chat: str = ANA) -> None:
        """Let somebody write."""
        self.take(message(wa_id, self.clock.now_ms(), chat=chat))

    async def settled(self) -> None:
        """Wait until nothing is left to do in the background."""
        async with asyncio.timeout(10):
            await self.chores.settled()

    def chat(self, jid: str = ANA) -> Json:
        """Return a chat as clients read it."""
        return msgspec.json.decode(self.manager.views.chat(ChatRef(*KEY, jid)).render())

    def chats(self, **query: Json) -> list[Json]:
        """Return chats as clients read them."""
        rows = self.manager.views.chats(ChatQuery("w", limit=200, **query)).rows
        return [msgspec.json.decode(row.render()) for row in rows]

    async def member(self, user: str, role: Role, **more: Json) -> None:
        """Let somebody be a member."""
        row = Member(workspace="w", user=user, role=role, **more)
        self.index.apply(await self.store.write([Change(row, "member_added")]))


@asynccontextmanager
async def running(
    path: Path, index: MetadataIndex | None = None, clock: ManualClock | None = None
) -> AsyncIterator[Scene]:
    """Yield the service with a session ``s1``, its background at work."""
    clock = clock or ManualClock()
    database = await Database.open(path)
    await WorkspaceStore(database, clock).ensure("w")
    scene = Scene(database, clock, index or roomy())
    await load(scene.index, scene.store, ["w"])
    await scene.manager.lifecycle.create("w", "s1", "", ProviderName.SANDBOX)
    scene.sink.clear()
    work = asyncio.ensure_future(scene.metadata.background.run())
    try:
        yield scene
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await scene.manager.close()
        await database.close()
