"""The running daemon: what it is made of, in which order it starts and stops.

Start: lock, database, history, engine, streams. Stop: sends in hand finish, workers drain, streams
are told and closed, then what waits for the history is written, and the database is closed.
Transports are given to it by the composition root.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.metadata import version
from typing import NamedTuple, Self

from daemon.auth.authenticator import Authenticator
from daemon.auth.membership import Directory
from daemon.auth.supabase_tokens import SupabaseTokens
from daemon.clock import SystemClock
from daemon.config import Settings
from daemon.hub.hub import Hub, HubBounds, new_epoch
from daemon.hub.interest import Filter
from daemon.metadata.index import MAX_LIDS, MetadataIndex
from daemon.metadata.port import MetadataStore
from daemon.metadata.sqlite import SqliteMetadata
from daemon.metadata.supabase_link import Pace as SupabasePace, Project, SupabaseLink
from daemon.services.engine import Engine
from daemon.services.history.joined import Remembering
from daemon.services.metadata import Metadata, Parts, load
from daemon.services.metadata.annotating import ChatAnnotations
from daemon.services.metadata.chores import Chores
from daemon.services.people.elsewhere import in_project
from daemon.services.people.joined import Parts as PeopleParts, People
from daemon.services.search import Remembered, Search
from daemon.services.streams import StreamLimits, StreamService
from daemon.storage.chat_aliases import aliases, lids_with_metadata
from daemon.storage.data_dir import DaemonLock, prepare
from daemon.storage.database import Database
from daemon.storage.failures import StorageError
from daemon.storage.known_chats import SqliteKnownChats
from daemon.storage.meta import Meta
from daemon.storage.sends import SqliteSendJournal
from daemon.storage.sessions import SqliteSessionStore
from daemon.storage.workspaces import DEFAULT, WorkspaceStore
from sessions.manager import ManagerSettings, MemorySettings, Ports, SessionManager
from sessions.manager.memory import MAX_ALIASES
from sessions.ports import Clock, Published, SessionStore
from sessions.worker.governor import Pace
from sessions.worker.process import Limits, worker_environment
from sessions.worker.recycling import Bounds
from sessions.worker.supervisor import Plan

log = logging.getLogger("zapd")

BASE_URL = "base_url"  # what `zapd login-link` reads
PRUNE_SECONDS = 3600
HOUR_MS = 3_600_000


class Surroundings(NamedTuple):
    """What the process brings along: its environment, and how a worker is started."""

    environment: Mapping[str, str]
    worker_command: Sequence[str]


@dataclass(frozen=True, slots=True)
class Annotated:
    """What the metadata service is made of before there is an engine."""

    store: MetadataStore
    index: MetadataIndex
    chores: Chores
    link: SupabaseLink | None

    @classmethod
    async def open(
        cls, database: Database, clock: Clock, max_bytes: int, link: SupabaseLink | None
    ) -> Self:
        """Read what people added to chats, within the bound.

        The one place that chooses the store. What the link does in the background runs in
        :meth:`Runtime.run`; what it learns goes to ``Metadata.on_rows``.
        """
        store: MetadataStore = link.store if link else SqliteMetadata(database, clock)
        index = MetadataIndex(max_bytes)
        workspaces = await WorkspaceStore(database, clock).all()
        await load(index, store, [workspace.id for workspace in workspaces])
        index.note_lids(await lids_with_metadata(database, MAX_LIDS))
        return cls(store, index, Chores(), link)


class Runtime:
    """All parts of one daemon. Made by :meth:`open`; whoever opened it closes it."""

    people: People
    search: Search
    remembering: Remembering | None = None  # None: history is off

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        database: Database,
        manager: SessionManager,
        hub: Hub,
        annotated: Annotated,
    ) -> None:
        """Join parts that are open already (called by :meth:`open`)."""
        self.settings = settings
        self.clock = clock
        self.database = database
        self.manager = manager
        self.hub = hub
        self.auth = _authenticator(settings, database, clock, annotated.index)
        self.engine = Engine(manager)
        self.index = annotated.index
        self.metadata = Metadata(
            Parts(
                store=annotated.store,
                index=annotated.index,
                engine=self.engine,
                manager=manager,
                sink=hub,
                clock=clock,
            ),
            annotated.chores,
        )
        self.supabase = annotated.link
        if self.supabase is not None:
            self.supabase.deliver_to(self.metadata.on_rows)
        limits = StreamLimits(settings.streams_per_credential, settings.ping_seconds)
        self.streams = StreamService(
            hub,
            clock,
            self._snapshot,
            self.auth.still_valid,
            limits,
            self.auth.stream_opened,
        )
        self.journal = SqliteSendJournal(database, clock)
        self.ready = False
        self.stopping = False
        self._stack = AsyncExitStack()

    @classmethod
    async def open(cls, settings: Settings, around: Surroundings) -> Self:
        """Take the data directory and build everything; nothing runs yet.

        Raises ``StorageError`` where the directory or its database cannot be used.
        """
        clock = SystemClock()
        async with AsyncExitStack() as stack:
            prepare(settings.data_dir)
            stack.callback(DaemonLock.acquire(settings.data_dir).release)
            database = await Database.open(settings.data_dir, daemon=True)
            stack.push_async_callback(database.close)
            known = await SqliteKnownChats.load(database)
            stack.push_async_callback(known.close)
            memory = _memory(settings)
            hub = Hub(new_epoch(), _bounds(settings, memory))
            link = await _supabase(settings, database, clock)
            if link is not None:
                stack.push_async_callback(link.close)
            annotated = await Annotated.open(database, clock, memory.annotations, link)
            sessions: SessionStore = SqliteSessionStore(database, known)
            remembering = await _remembering(settings, clock)
            if remembering is not None:
                stack.push_async_callback(remembering.close)
            ports = Ports(
                clock=clock,
                sink=hub,
                sessions=link.sessions(sessions) if link else sessions,
                sends=SqliteSendJournal(database, clock),
                known_chats=known,
                annotations=ChatAnnotations(annotated.index, annotated.chores),
                keeper=remembering.keeper if remembering else None,
            )
            manager = SessionManager(_manager(settings, memory), ports, _plan(settings, around))
            for old, new in await aliases(database, MAX_ALIASES):
                manager.memory.alias(old, new)
            runtime = cls(settings, clock, database, manager, hub, annotated)
            runtime.remembering = remembering
            runtime.people = runtime._people(known)
            runtime.search = runtime._search()
            runtime._stack = stack.pop_all()
        runtime._stack.push_async_callback(runtime.auth.close)
        await WorkspaceStore(database, clock, settings.token_scopes).ensure(DEFAULT)
        return runtime

    def _search(self) -> Search:
        history = self.remembering.history if self.remembering else None
        past = Remembered(history.store, history.flusher) if history else None
        return Search(self.engine, self.manager.memory, past)

    def _people(self, known: SqliteKnownChats) -> People:
        return People(
            PeopleParts(
                data_dir=self.settings.data_dir,
                database=self.database,
                manager=self.manager,
                engine=self.engine,
                metadata=self.metadata,
                hub=self.hub,
                annotated=self.index,
                known=known,
                elsewhere=in_project(self.supabase) if self.supabase else None,
                past=self.remembering.past if self.remembering else None,
                clock=self.clock,
                keep_ms=self.settings.exports_keep_hours * HOUR_MS,
                zapd=version("zapd"),
            )
        )

    async def start(self, base_url: str) -> None:
        """Take up what the last life left; from here on it is ready."""
        await Meta(self.database).set(BASE_URL, base_url)
        if self.remembering is not None:
            await self.remembering.begin(self.manager)
        await self.manager.start()
        self.ready = True

    async def run(self) -> None:
        """Do what is due each second, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.streams.run())
            tasks.create_task(self.metadata.background.run())
            if self.supabase is not None:
                tasks.create_task(self.supabase.run())
            if self.remembering is not None:
                tasks.create_task(self.remembering.run())
            tasks.create_task(self.people.run())
            keep_ms = int(self.settings.sends_keep_hours * HOUR_MS)
            tasks.create_task(forget_sends(self.journal, keep_ms))
            while True:
                await asyncio.sleep(1.0)
                self.manager.tick()

    async def drain(self) -> None:
        """Finish what is in hand, end the workers, then tell the streams; within the deadline."""
        self.stopping = True
        try:
            async with asyncio.timeout(self.settings.shutdown_seconds):
                await self.manager.close()
                await self.metadata.background.finish()
        except TimeoutError:
            log.warning("not everything drained within %g s", self.settings.shutdown_seconds)
        await self.streams.close("restart", 2.0)

    async def close(self) -> None:
        """Give everything back; last the lock."""
        self.ready = False
        await self._stack.aclose()

    def _snapshot(self, workspace: str, _: Filter) -> list[Published]:
        return self.manager.status_events(workspace)


async def forget_sends(journal: SqliteSendJournal, keep_ms: int) -> None:
    """Forget finished sends, and with them their Idempotency-Keys, after their time.

    Runs until cancelled. A disk that is full for now must not end the daemon.
    """
    while True:
        try:
            gone = await journal.prune(keep_ms)
        except StorageError as error:
            log.warning("finished sends are not forgotten for now: %s", error)
        else:
            if gone:
                log.info("%d finished sends were forgotten", gone)
        await asyncio.sleep(PRUNE_SECONDS)


async def _remembering(settings: Settings, clock: Clock) -> Remembering | None:
    return None if settings.history == "off" else await Remembering.open(settings, clock)


async def _supabase(settings: Settings, database: Database, clock: Clock) -> SupabaseLink | None:
    """Return the link to the Supabase project, where one is configured; nothing is sent yet."""
    if settings.supabase_url is None or settings.supabase_key is None:
        return None
    project = Project(settings.supabase_url, settings.supabase_key.reveal())
    pace = SupabasePace.polling(settings.supabase_poll_seconds)
    return await SupabaseLink.open(project, database, clock, pace)


def _authenticator(
    settings: Settings, database: Database, clock: Clock, members: Directory
) -> Authenticator:
    secret = settings.jwt_secret.reveal() if settings.jwt_secret else None
    supabase = None
    if settings.supabase_url is not None:
        own = settings.supabase_jwt_secret
        supabase = SupabaseTokens(settings.supabase_url, clock, own.reveal() if own else None)
    return Authenticator.over(database, clock, secret, members, supabase)


def _memory(settings: Settings) -> MemorySettings:
    return MemorySettings(
        budget=settings.memory_budget,
        chat_bytes=settings.chat_max_bytes,
        session_bytes=settings.session_max_bytes,
        chat_messages=settings.chat_max_messages,
        idle_seconds=int(settings.chat_idle_seconds),
    )


def _bounds(settings: Settings, memory: MemorySettings) -> HubBounds:
    return HubBounds(
        ring_events=settings.ring_events,
        ring_bytes=min(settings.ring_bytes, memory.rings),
        total_bytes=memory.rings,
        subscriber_bytes=settings.subscriber_bytes,
    )


def _manager(settings: Settings, memory: MemorySettings) -> ManagerSettings:
    return ManagerSettings(
        stores=settings.data_dir / "sessions",
        memory=memory,
        pairing_host_seconds=settings.pairing_host_seconds,
        probe_after=settings.probe_after_seconds,
        send_queue_max=settings.send_queue_max,
        send_timeout=settings.send_timeout_seconds,
    )


def _plan(settings: Settings, around: Surroundings) -> Plan:
    return Plan(
        command=around.worker_command,
        environment=worker_environment(around.environment),
        limits=Limits(
            ready=settings.worker_ready_seconds,
            heartbeat=settings.worker_heartbeat_seconds,
            hung=settings.worker_hung_seconds,
            drain=settings.worker_drain_seconds,
        ),
        sessions_per_worker=settings.sessions_per_worker,
        pace=Pace(
            per_second=settings.starts_per_second,
            burst=settings.starts_per_second,
            most=settings.session_starts_max,
        ),
        recycling=Bounds(
            rss=settings.worker_max_rss,
            fds=settings.worker_max_fds,
            reconnects=settings.worker_max_reconnects,
            rest=settings.worker_rest_seconds,
        ),
    )
