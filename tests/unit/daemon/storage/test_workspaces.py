from __future__ import annotations

import pytest

from daemon.storage.database import Database
from daemon.storage.workspaces import WorkspaceStore
from sessions.errors import InvalidId
from tests.unit.daemon.manual_clock import START_MS, ManualClock


async def test_a_workspace_is_made_once(database: Database, clock: ManualClock) -> None:
    """The second time nothing changes: the secret stays."""
    store = WorkspaceStore(database, clock)
    assert await store.ensure("default")
    first = await store.find("default")
    assert first is not None
    assert not await store.ensure("default", ("admin",))
    assert await store.find("default") == first
    assert (first.token_scopes, first.created_at) == (("read", "send", "metadata"), START_MS)


async def test_each_workspace_has_a_secret_of_its_own(
    database: Database, clock: ManualClock
) -> None:
    """Secrets have 256 bits, differ, and are not in the repr."""
    store = WorkspaceStore(database, clock, ("read",))
    await store.ensure("b")
    await store.ensure("a", ("read", "send"))
    a, b = await store.all()
    assert (a.id, b.id) == ("a", "b")
    assert (a.token_scopes, b.token_scopes) == (("read", "send"), ("read",))
    assert a.jwt_secret != b.jwt_secret
    assert len(a.jwt_secret) == 43
    assert a.jwt_secret not in repr(a)


async def test_a_secret_can_be_replaced(workspaces: WorkspaceStore) -> None:
    """After a rotation it is another; a workspace that is not there has none."""
    before = await workspaces.find("acme")
    assert await workspaces.rotate("acme")
    after = await workspaces.find("acme")
    assert before is not None
    assert after is not None
    assert before.jwt_secret != after.jwt_secret
    assert not await workspaces.rotate("nobody")
    assert await workspaces.find("nobody") is None


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "../x", "a" * 61])
async def test_a_name_that_cannot_be_is_refused(workspaces: WorkspaceStore, name: str) -> None:
    """No such workspace is ever made."""
    with pytest.raises(InvalidId):
        await workspaces.ensure(name)
