"""The project that the tests here share, and one of its own for who breaks it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.supabase.postgres import Postgres
from tests.supabase.rig import Rig, open_rig

#: Only for who names a real project: without one there is nothing to be tested.
collect_ignore = [] if "ZAPD_TEST_SUPABASE_URL" in os.environ else ["test_real_project.py"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Give the cluster of this test process."""
    server = Postgres()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="module")
def rig(postgres: Postgres) -> Iterator[Rig]:
    """Give a module's project: its tests keep apart by workspaces of their own."""
    with open_rig(postgres) as project:
        yield project


@pytest.fixture
def own_rig(postgres: Postgres) -> Iterator[Rig]:
    """Give a test's own project, which it may break."""
    with open_rig(postgres) as project:
        yield project
