"""A running daemon for each test that asks for one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.support.daemon import Daemon, User


@pytest_asyncio.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    """Yield a daemon in its first life."""
    daemon = await Daemon(tmp_path / "data").start()
    yield daemon
    await daemon.end()


@pytest_asyncio.fixture
async def user(daemon: Daemon) -> AsyncIterator[User]:
    """Yield somebody with all rights in workspace ``default``."""
    async with daemon.user() as user:
        yield user
