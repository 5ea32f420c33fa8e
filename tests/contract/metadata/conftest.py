"""The stores that are held to the contract.

Another adapter joins by a factory in ``ADAPTERS``: it opens a store over the database, whose
workspaces ``acme`` and ``beta`` are made, and closes it again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from daemon.metadata import supabase_store
from daemon.metadata.port import MetadataStore
from daemon.metadata.sqlite import SqliteMetadata
from daemon.metadata.supabase_link import Pace, Project, SupabaseLink
from daemon.storage.database import Database
from daemon.storage.sessions import SqliteSessionStore
from daemon.storage.workspaces import WorkspaceStore
from sessions.models import ProviderName
from sessions.ports import SessionRecord
from tests.contract.metadata.rows import ANA, BEN, CHAT, members, uuid_of
from tests.supabase.postgres import Postgres
from tests.supabase.rig import Rig, open_rig
from tests.unit.daemon.manual_clock import ManualClock

Factory = Callable[
    [Database, ManualClock, pytest.FixtureRequest], AbstractAsyncContextManager[MetadataStore]
]


@asynccontextmanager
async def _embedded(
    database: Database, clock: ManualClock, _: pytest.FixtureRequest
) -> AsyncIterator[MetadataStore]:
    yield SqliteMetadata(database, clock)


@asynccontextmanager
async def _with_outbox(
    database: Database, clock: ManualClock, _: pytest.FixtureRequest
) -> AsyncIterator[MetadataStore]:
    yield SqliteMetadata(database, clock, outbox=True)


@asynccontextmanager
async def _supabase(
    database: Database, clock: ManualClock, request: pytest.FixtureRequest
) -> AsyncIterator[MetadataStore]:
    """Open a store whose claims are made on PostgreSQL, through a Data API."""
    project: Rig = request.getfixturevalue("project")
    project.sql("truncate public.workspaces cascade")
    link = await SupabaseLink.open(Project(project.url, project.secret_key), database, clock, SLOW)
    sessions = link.sessions(SqliteSessionStore(database))
    for workspace in ("acme", "beta"):
        await sessions.save(
            SessionRecord(
                workspace=workspace,
                id=CHAT.session,
                label="",
                provider=ProviderName.SANDBOX,
                created_at=clock.now_ms(),
            )
        )
    try:
        yield link.store
    finally:
        await link.close()


SLOW = Pace(claim=supabase_store.Pace(whole=40.0, request=20.0))
"""A machine that is busy with other tests is no Supabase that does not answer."""

ADAPTERS: dict[str, Factory] = {
    "embedded": _embedded,
    "embedded with outbox": _with_outbox,
    "supabase": _supabase,
}


@pytest.fixture(scope="session")
def project() -> Iterator[Rig]:
    """Give a project of Supabase whose users are the people of the contract."""
    server = Postgres()
    try:
        with open_rig(server.start()) as rig:
            people = [ANA.id, BEN.id, *(uuid_of(number) for number in range(50))]
            ids = ", ".join(f"('{user}')" for user in people)
            rig.sql(f"insert into auth.users (id) values {ids}")  # noqa: S608 - ids of our own
            yield rig
    finally:
        server.close()


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that stands still."""
    return ManualClock()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Return where the database is."""
    return tmp_path / "data"


@pytest_asyncio.fixture
async def database(data_dir: Path, clock: ManualClock) -> AsyncIterator[Database]:
    """Yield a database with two workspaces."""
    opened = await Database.open(data_dir)
    for name in ("acme", "beta"):
        await WorkspaceStore(opened, clock).ensure(name)
    yield opened
    await opened.close()


@pytest_asyncio.fixture(params=ADAPTERS)
async def store(
    request: pytest.FixtureRequest, database: Database, clock: ManualClock
) -> AsyncIterator[MetadataStore]:
    """Yield a store in whose workspaces Ana and Ben work."""
    async with ADAPTERS[request.param](database, clock, request) as opened:
        await opened.write([*members("acme"), *members("beta")])
        clock.forward(1)
        yield opened
