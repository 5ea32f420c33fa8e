"""The stores that are held to the contract. Another adapter joins by a factory in ``ADAPTERS``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from daemon.history.port import HistoryStore
from daemon.history.sqlite import SqliteHistory
from daemon.history.supabase import SupabaseHistory
from tests.supabase.postgres import Postgres
from tests.supabase.rig import Rig, open_rig

Factory = Callable[[Path, pytest.FixtureRequest], AbstractAsyncContextManager[HistoryStore]]


@asynccontextmanager
async def _sqlite(directory: Path, _: pytest.FixtureRequest) -> AsyncIterator[HistoryStore]:
    store = await SqliteHistory.open(directory / "data")
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def _supabase(_: Path, request: pytest.FixtureRequest) -> AsyncIterator[HistoryStore]:
    """Open a store in PostgreSQL, through a Data API, with nothing in it."""
    project: Rig = request.getfixturevalue("project")
    project.sql("truncate public.workspaces cascade")
    patient = httpx.Timeout(40.0)  # a machine that is busy with other tests is no outage
    store = SupabaseHistory(project.url, project.secret_key, timeout=patient)
    try:
        yield store
    finally:
        await store.close()


ADAPTERS: dict[str, Factory] = {"sqlite": _sqlite, "supabase": _supabase}


@pytest.fixture(scope="session")
def project() -> Iterator[Rig]:
    """Give a Supabase project to the stores that need one."""
    server = Postgres()
    try:
        with open_rig(server.start()) as rig:
            yield rig
    finally:
        server.close()


@pytest_asyncio.fixture(params=ADAPTERS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[HistoryStore]:
    """Yield an open store with nothing in it."""
    async with ADAPTERS[request.param](tmp_path, request) as opened:
        yield opened
