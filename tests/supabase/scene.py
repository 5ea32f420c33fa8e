"""What the tests of the link share: a daemon's side of Supabase over a real database."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from daemon.clock import SystemClock
from daemon.metadata import drain, phoenix, realtime, supabase_store, sync
from daemon.metadata.models import AnyRow
from daemon.metadata.supabase_link import Pace, Project, SupabaseLink
from daemon.storage.database import Database
from daemon.storage.sessions import SqliteSessionStore
from daemon.storage.workspaces import WorkspaceStore
from sessions.models import ProviderName
from sessions.ports import Clock, SessionRecord
from tests.contract.metadata.rows import members
from tests.supabase.fakes.data_api import KEY, DataApi
from tests.support.waiting import eventually

UNIT = 0.05  # seconds: what a second is to the daemon, about
FAST = Pace(
    drain=drain.Pace(
        first=UNIT, longest=4 * UNIT, probe=6 * UNIT, gather=0.0, look=UNIT, orphan_tries=3
    ),
    sync=sync.Pace(poll=10 * UNIT, poll_alone=5 * UNIT, blocked=6 * UNIT, gather=0.0),
    realtime=realtime.Pace(
        first=UNIT,
        longest=4 * UNIT,
        connect=2.0,
        bounds=phoenix.Bounds(heartbeat=3 * UNIT, subscribe=10 * UNIT, silence=8 * UNIT),
    ),
    claim=supabase_store.Pace(whole=3.0, request=0.5, again=UNIT),
)
QUIET = FAST._replace(sync=sync.Pace(poll=3600.0, poll_alone=3600.0, blocked=3600.0, gather=0.0))
"""Reads once and then not by itself."""
NOWHERE = "http://127.0.0.1:9"  # the port of "discard": nobody listens


class Side:
    """One life of the daemon's side: opened over the same directory, it is the next life."""

    def __init__(
        self, data_dir: Path, project: Project, pace: Pace = FAST, clock: Clock | None = None
    ) -> None:
        self.clock = clock or SystemClock()
        self.rows: list[AnyRow] = []
        """What others changed, as it was delivered."""
        self.database: Database
        self.link: SupabaseLink
        self._data_dir = data_dir
        self._project = project
        self._pace = pace
        self._running: asyncio.Task[None] | None = None

    async def open(self, workspace: str = "acme") -> Self:
        """Open the database and the link; nothing runs."""
        self.database = await Database.open(self._data_dir)
        await WorkspaceStore(self.database, self.clock).ensure(workspace)
        self.link = await SupabaseLink.open(self._project, self.database, self.clock, self._pace)
        self.link.deliver_to(self._deliver)
        return self

    def run(self) -> None:
        """Send and read from now on."""
        self._running = asyncio.get_running_loop().create_task(self.link.run())

    async def halt(self) -> None:
        """Stop sending and reading."""
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running
            self._running = None

    async def close(self) -> None:
        """End this life."""
        await self.halt()
        await self.link.close()
        await self.database.close()

    async def add_people(self, session: str = "s1") -> None:
        """Make the session and the two members that the rows of the tests name."""
        record = SessionRecord(
            workspace="acme",
            id=session,
            label="Shop",
            provider=ProviderName.SANDBOX,
            created_at=self.clock.now_ms(),
        )
        await self.link.sessions(SqliteSessionStore(self.database)).save(record)
        await self.link.store.write(members("acme"))

    async def drained(self, seconds: float = 15.0) -> None:
        """Wait until nothing waits any more."""

        async def nothing() -> bool:
            return (await self.link.outbox.counts()).pending == 0

        await eventually(nothing, seconds)

    async def _deliver(self, rows: list[AnyRow]) -> None:
        self.rows += rows


@asynccontextmanager
async def side(
    data_dir: Path, api: DataApi, pace: Pace = FAST, *, realtime_url: str = NOWHERE
) -> AsyncIterator[Side]:
    """Give a side that is open and does not run, and end it."""
    opened = await Side(data_dir, Project(api.url, KEY, realtime_url), pace).open()
    try:
        yield opened
    finally:
        await opened.close()


def workspace_of(api: DataApi, slug: str = "acme") -> str:
    """Return the workspace's UUID in the stand-in, making the workspace where it is not there."""
    rows = api.tables.rows["workspaces"]
    for row in rows.values():
        if row["slug"] == slug:
            return str(row["id"])
    made = {"id": str(uuid.uuid4()), "slug": slug, "name": slug}
    return str(api.tables.direct("workspaces", made)["id"])


def of_table(api: DataApi, table: str) -> list[dict[str, Any]]:
    """Return all rows of a table of the stand-in."""
    return list(api.tables.rows[table].values())
