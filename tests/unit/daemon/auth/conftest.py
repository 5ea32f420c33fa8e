"""An authenticator over a real database with two workspaces."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from daemon.auth.authenticator import Authenticator
from daemon.storage.database import Database
from daemon.storage.workspaces import WorkspaceStore
from tests.unit.daemon.auth.people import OPERATOR
from tests.unit.daemon.manual_clock import ManualClock


@pytest_asyncio.fixture
async def door(
    database: Database, workspaces: WorkspaceStore, clock: ManualClock
) -> AsyncIterator[Authenticator]:
    """Yield an authenticator that knows the operator's secret."""
    made = Authenticator.over(database, clock, OPERATOR)
    yield made
    await made.close()
