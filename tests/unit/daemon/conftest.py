"""A real database in a directory of its own, and a clock that the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from daemon.storage.database import Database
from daemon.storage.workspaces import WorkspaceStore
from tests.unit.daemon.manual_clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that stands still."""
    return ManualClock()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Return where the data directory is to be."""
    return tmp_path / "data"


@pytest_asyncio.fixture
async def database(data_dir: Path) -> AsyncIterator[Database]:
    """Yield an open database without anything in it."""
    opened = await Database.open(data_dir)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def workspaces(database: Database, clock: ManualClock) -> WorkspaceStore:
    """Return the workspaces, with `acme` and `beta` among them."""
    store = WorkspaceStore(database, clock)
    await store.ensure("acme")
    await store.ensure("beta")
    return store
