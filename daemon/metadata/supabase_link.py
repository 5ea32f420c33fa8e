"""All that the daemon has of Supabase, as one thing: opened, run, closed.

The composition root opens it where Supabase is configured, takes :attr:`SupabaseLink.store` as
its metadata store, wraps the sessions' store in :meth:`SupabaseLink.sessions`, runs it beside
everything else and shows :attr:`SupabaseLink.health`. Nothing here waits for Supabase at a start.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from daemon.metadata import drain as draining, realtime as lines, supabase_store as claims, sync
from daemon.metadata.drain import Drain
from daemon.metadata.health import Health
from daemon.metadata.models import AnyRow, Assignment
from daemon.metadata.project_clock import ProjectClock
from daemon.metadata.realtime import Realtime
from daemon.metadata.session_rows import MirroredSessions
from daemon.metadata.supabase_store import Remote, SupabaseMetadata
from daemon.metadata.sync import REALTIME_TABLES, Calls, Parts, Sync
from daemon.metadata.tables import TABLES
from daemon.metadata.workspace_ids import WorkspaceIds
from daemon.storage.failures import StorageError
from daemon.storage.outbox import Outbox
from daemon.storage.workspaces import WorkspaceStore

if TYPE_CHECKING:
    from daemon.storage.database import Database
    from sessions.ids import SessionKey
    from sessions.ports import Clock, SessionStore

CLIENT = "daemon.metadata.supabase"  # loaded by name and here only: 27 MiB that few need
READ_COUNTS_SECONDS = 10.0
AFTER_FAULT_SECONDS = 30.0

log = logging.getLogger("zapd.supabase")


class Pace(NamedTuple):
    """How fast each part is; see there."""

    drain: draining.Pace = draining.Pace()
    sync: sync.Pace = sync.Pace()
    realtime: lines.Pace = lines.Pace()
    claim: claims.Pace = claims.Pace()

    @classmethod
    def polling(cls, seconds: float) -> Self:
        """Return the pace that asks for others' changes every ``seconds``."""
        return cls(sync=sync.Pace(poll=seconds))


class Project(NamedTuple):
    """Where the project is. ``realtime_url``: the same, unless a test has it elsewhere."""

    url: str
    key: str
    realtime_url: str | None = None

    def __repr__(self) -> str:
        """Show no key."""
        return f"Project({self.url!r})"


ERASE = "zapd_erase_contact"


class SupabaseLink:
    """The daemon's side of a Supabase project. Made by :meth:`open`; whoever opened it closes it."""

    def __init__(
        self,
        project: Project,
        database: Database,
        clock: Clock,
        pace: Pace | None = None,
    ) -> None:
        """Join the parts; nothing is sent yet (called by :meth:`open`)."""
        pace = pace or Pace()
        self._database = database
        self._clock = clock
        self._on_rows: Callable[[list[AnyRow]], Awaitable[None]] | None = None
        self.health = Health(clock)
        self._project_clock = ProjectClock(clock, self.health)
        self.outbox = Outbox(database, clock)
        client: Any = importlib.import_module(CLIENT)
        self._api = client.SupabaseApi(project.url, project.key, on_date=self._date)
        self.workspaces = WorkspaceIds(database, clock, self._api)
        self.drain = Drain(
            self.outbox,
            self._api,
            self.workspaces,
            self.health,
            on_success=self._sent,
            pace=pace.drain,
        )
        remote = Remote(self._api, self.workspaces, self.drain, self.health, self._lost)
        self.store = SupabaseMetadata(database, self._project_clock, remote, pace.claim)
        self.sync = Sync(
            Parts(self._api, self.store, database, self.workspaces, self.health),
            Calls(self._rows, self._names, self.store.is_under_way, self.drain.reachable),
            pace.sync,
        )
        self.realtime = Realtime(
            project.realtime_url or project.url,
            project.key,
            REALTIME_TABLES,
            on_up=self._realtime,
            on_change=self._told,
            pace=pace.realtime,
        )

    @classmethod
    async def open(
        cls,
        project: Project,
        database: Database,
        clock: Clock,
        pace: Pace | None = None,
    ) -> Self:
        """Build everything from what the embedded database knows; Supabase is not asked.

        Raises ``StorageError``.
        """
        link = cls(project, database, clock, pace)
        try:
            await link.workspaces.load()
            link.health.counts = await link.outbox.counts()
        except BaseException:
            await link.close()
            raise
        return link

    def sessions(self, inner: SessionStore) -> MirroredSessions:
        """Return the sessions' store with its changes told to Supabase too."""
        return MirroredSessions(inner, self._database, self._project_clock, self.drain.wake)

    def deliver_to(self, on_rows: Callable[[list[AnyRow]], Awaitable[None]]) -> None:
        """Name who gets the rows that others changed, once they are on disk; it must not raise."""
        self._on_rows = on_rows

    async def erase(self, key: SessionKey, jids: frozenset[str]) -> dict[str, int]:
        """Forget a person's chats of a session there; return how many rows that was, by kind.

        What waits is sent first: a row that is under way would come back else. Raises ``Trouble``.
        """
        await self.drain.flush()
        await self.workspaces.ensure([key.workspace])
        arguments = {
            "workspace": self.workspaces.id_of(key.workspace),
            "session": key.session,
            "jids": sorted(jids),
        }
        counts: dict[str, int] = await self._api.call(ERASE, arguments)
        return counts

    async def run(self) -> None:
        """Send and read until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for part in (self.drain.run, self.sync.run, self.realtime.run, self._count):
                tasks.create_task(_kept(part), name=part.__qualname__)

    async def close(self) -> None:
        """Close the connections. What waits is sent after the next start."""
        await self._api.close()

    async def _count(self) -> None:
        """Keep the numbers of ``/readyz`` fresh while the drain pauses."""
        while True:
            await asyncio.sleep(READ_COUNTS_SECONDS)
            self.health.counts = await self.outbox.counts()

    async def _names(self) -> Sequence[str]:
        return [
            workspace.id for workspace in await WorkspaceStore(self._database, self._clock).all()
        ]

    async def _rows(self, rows: list[AnyRow]) -> None:
        if self._on_rows is not None:
            await self._on_rows(rows)

    def _realtime(self, up: bool) -> None:
        self.health.realtime = up
        self.sync.look()

    def _sent(self) -> None:
        if self.health.is_troubled(sync.PART):  # it may be over: no need to wait for the probe
            self.sync.look()

    def _told(self, table: str, record: Mapping[str, Any]) -> None:
        if not self.drain.has_sent(record.get("op_id")):
            self.sync.hint(table, record)

    def _lost(self) -> None:
        self.sync.hint(TABLES[Assignment].remote, {})

    def _date(self, seconds: float) -> None:
        # the header is cut to whole seconds: half a second off on average
        self.health.clock_read(seconds + 0.5 - self._clock.now_ms() / 1000)


async def _kept(part: Callable[[], Awaitable[None]]) -> None:
    """Live the part again should it end: WhatsApp must go on, whatever Supabase sends."""
    while True:
        try:
            await part()
        except StorageError as error:
            log.warning("%s pauses: %s", part.__qualname__, error)
        except Exception:
            log.exception("%s ended and is started again", part.__qualname__)
        await asyncio.sleep(AFTER_FAULT_SECONDS)
