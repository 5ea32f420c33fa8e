"""The stores that are held to the contract.

Another adapter joins by a factory in ``ADAPTERS``: it opens a store over the database, whose
workspaces ``acme`` and ``beta`` are made, and closes it again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from daemon.metadata.port import MetadataStore
from daemon.metadata.sqlite import SqliteMetadata
from daemon.storage.database import Database
from daemon.storage.workspaces import WorkspaceStore
from tests.contract.metadata.rows import members
from tests.unit.daemon.manual_clock import ManualClock

Factory = Callable[[Database, ManualClock], AbstractAsyncContextManager[MetadataStore]]


@asynccontextmanager
async def _embedded(database: Database, clock: ManualClock) -> AsyncIterator[MetadataStore]:
    yield SqliteMetadata(database, clock)


@asynccontextmanager
async def _with_outbox(database: Database, clock: ManualClock) -> AsyncIterator[MetadataStore]:
    yield SqliteMetadata(database, clock, outbox=True)


ADAPTERS: dict[str, Factory] = {"embedded": _embedded, "embedded with outbox": _with_outbox}


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
    async with ADAPTERS[request.param](database, clock) as opened:
        await opened.write([*members("acme"), *members("beta")])
        clock.forward(1)
        yield opened
