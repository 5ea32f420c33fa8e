from __future__ import annotations

import hashlib
import logging
import re

import pytest

from daemon.auth.api_keys import ApiKeys, new_key, parse_key_id
from daemon.auth.scopes import Scope
from daemon.storage.database import Database
from daemon.storage.keys import KeyStore
from daemon.storage.workspaces import WorkspaceStore
from tests.unit.daemon.auth.people import add_key
from tests.unit.daemon.manual_clock import START_MS, ManualClock


@pytest.fixture
def keys(database: Database, workspaces: WorkspaceStore, clock: ManualClock) -> ApiKeys:
    """Return the checker over the database."""
    return ApiKeys(KeyStore(database), clock)


def test_a_new_key_has_256_random_bits() -> None:
    """Its form is fixed, and of its secret only a hash is kept."""
    key, row = new_key("acme", frozenset({Scope.SEND, Scope.READ}), now=5, label="crm")
    assert re.fullmatch(r"zk_[a-z0-9]{8}_[A-Za-z0-9]{43}", key)
    assert row.hash == hashlib.sha256(key[12:].encode()).digest()
    assert (row.id, row.scopes, row.label) == (key[3:11], "read,send", "crm")
    assert key[12:] not in repr(row)
    assert new_key("acme", frozenset(), now=5)[0] != key


@pytest.mark.parametrize("text", ["ab12cd34", "zk_ab12cd34", "zk_ab12cd34_secret", " ab12cd34 "])
def test_an_id_is_found_in_what_people_paste(text: str) -> None:
    """The id alone, with its prefix, or the whole key."""
    assert parse_key_id(text) == "ab12cd34"


async def test_a_right_key_lets_in(keys: ApiKeys, database: Database) -> None:
    """Its holder is in its workspace, with its scopes widened."""
    key, key_id = await add_key(database, Scope.READ)
    principal = await keys.check(key)
    assert principal is not None
    assert (principal.workspace, principal.kind, principal.subject) == ("acme", "api_key", "test")
    assert principal.credential == f"key:{key_id}"
    assert principal.scopes == {Scope.READ, Scope.STREAM, Scope.MEDIA}
    assert principal.expires_at is None
    await keys.close()


async def test_a_key_can_be_for_one_session(keys: ApiKeys, database: Database) -> None:
    """A key that pairs may be narrowed to a session."""
    key, _ = await add_key(database, Scope.PAIR, session="s1")
    principal = await keys.check(key)
    assert principal is not None
    assert principal.sessions == frozenset({"s1"})
    await keys.close()


async def test_wrong_keys_do_not(keys: ApiKeys, database: Database) -> None:
    """Another's secret, a cut or longer one, an unknown id, rubbish: all the same None."""
    key, key_id = await add_key(database, Scope.READ)
    other, _ = await add_key(database, Scope.READ)
    wrong = [
        f"zk_{key_id}_{other[12:]}",
        key[:-1],
        f"{key}x",
        f"zk_00000000_{key[12:]}",
        key.upper(),
        f"{key}\n",
        key_id,
        "",
        "zk_",
        "zk_é",
    ]
    assert [await keys.check(text) for text in wrong] == [None] * len(wrong)


async def test_a_revoked_key_is_refused_within_a_second(
    keys: ApiKeys, database: Database, clock: ManualClock
) -> None:
    """Also when it was in use just before."""
    key, key_id = await add_key(database, Scope.READ)
    assert await keys.check(key)
    assert await keys.is_valid(key_id)
    assert await KeyStore(database).revoke(key_id, START_MS)
    clock.forward(1)
    assert await keys.check(key) is None
    assert not await keys.is_valid(key_id)
    assert not await keys.is_valid("unknown0")
    await keys.close()


async def test_a_revocation_keeps_its_first_time(keys: ApiKeys, database: Database) -> None:
    """Revoking twice changes nothing; an unknown key is told."""
    _, key_id = await add_key(database, Scope.READ)
    store = KeyStore(database)
    assert await store.any_valid()
    assert await store.revoke(key_id, 7)
    assert await store.revoke(key_id, 8)
    assert not await store.revoke("unknown0", 8)
    assert [row.revoked_at for row in await store.all()] == [7]
    assert await store.all("beta") == []
    assert not await store.any_valid()


async def test_the_last_use_is_noted_by_the_minute(
    keys: ApiKeys, database: Database, clock: ManualClock
) -> None:
    """Many uses within a minute are one write."""
    key, key_id = await add_key(database, Scope.READ)
    store = KeyStore(database)

    async def last_use() -> int | None:
        await keys.close()
        row = await store.find(key_id)
        assert row is not None
        return row.last_used_at

    assert await last_use() is None
    for _ in range(3):
        await keys.check(key)
    assert await last_use() == START_MS
    clock.forward(59)
    await keys.check(key)
    assert await last_use() == START_MS
    clock.forward(2)
    await keys.check(key)
    assert await last_use() == START_MS + 61_000


async def test_a_use_that_cannot_be_noted_is_no_refusal(
    database: Database,
    workspaces: WorkspaceStore,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """When the disk is full, keys still let in; the log tells."""

    class Full(KeyStore):
        async def touch(self, key_id: str, now: int) -> None:
            raise OSError(28, "No space left on device", key_id, now)

    keys = ApiKeys(Full(database), clock)
    key, _ = await add_key(database, Scope.READ)
    with caplog.at_level(logging.WARNING):
        assert await keys.check(key)
        await keys.close()
    assert "could not be noted" in caplog.text
    assert key not in caplog.text
