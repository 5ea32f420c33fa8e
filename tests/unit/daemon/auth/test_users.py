"""People at the door: members with tokens of the workspace's secret, and Supabase users."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import orjson
import pytest
import pytest_asyncio
from msgspec.structs import replace

from daemon.auth.authenticator import Authenticator
from daemon.auth.scopes import Scope, widen
from daemon.auth.signing_keys import FRESH_MS, SigningKeys
from daemon.auth.supabase_tokens import SupabaseTokens
from daemon.errors import ApiError
from daemon.metadata.index import MetadataIndex
from daemon.metadata.models import Member, Role
from daemon.storage.database import Database
from daemon.storage.workspaces import WorkspaceStore
from tests.support.supabase_project import SigningPair, claims_of
from tests.unit.daemon.auth.people import NOW_S, OPERATOR, add_key, secret_of, token
from tests.unit.daemon.manual_clock import ManualClock

URL = "https://ref.supabase.co"
ANA = str(uuid4())
MEMBER = Member(workspace="acme", user=ANA, role=Role.AGENT, sessions=("main",), version=1)


class Scene:
    """An authenticator, the members it knows, and the keys that the project publishes."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.index = MetadataIndex(1 << 20)
        self.pair = SigningPair("one")
        self.published = [self.pair]
        self.door = Authenticator.over(
            database,
            clock,
            OPERATOR,
            self.index,
            SupabaseTokens(URL, clock, keys=SigningKeys(URL, clock, self._fetch)),
        )

    async def _fetch(self, _: str) -> bytes:
        return orjson.dumps({"keys": [pair.jwk for pair in self.published]})

    def bearer(self, **claims: Any) -> dict[str, str]:  # noqa: ANN401 - claims are anything
        """Return the headers of a Supabase user."""
        return {"authorization": f"Bearer {self.pair.sign(claims_of(URL, ANA, NOW_S, **claims))}"}

    async def refused(self, headers: dict[str, str], **query: str | None) -> str:
        """Return the code of a refusal."""
        with pytest.raises(ApiError) as caught:
            await self.door.authenticate(headers, query.get("ticket"), {}, query.get("workspace"))
        return caught.value.code


@pytest_asyncio.fixture
async def scene(
    database: Database, workspaces: WorkspaceStore, clock: ManualClock
) -> AsyncIterator[Scene]:
    """Yield a door with one member; the workspaces are there."""
    assert await workspaces.find("acme") is not None
    made = Scene(database, clock)
    made.index.apply([MEMBER])
    yield made
    await made.door.close()


async def test_a_supabase_user_comes_in_as_a_member(scene: Scene) -> None:
    """With the workspace, the scopes and the sessions of the membership."""
    who = await scene.door.authenticate(scene.bearer(), None, {})
    assert (who.workspace, who.subject, who.kind) == ("acme", ANA, "jwt")
    assert who.scopes == widen(frozenset({Scope.READ, Scope.SEND, Scope.METADATA}))
    assert who.sessions == frozenset({"main"})
    assert who.is_user
    assert await scene.door.still_valid(who)


async def test_a_bad_token_of_the_project_is_not_tried_elsewhere(
    scene: Scene, workspaces: WorkspaceStore
) -> None:
    """A workspace's secret signs no users of the project."""
    secret = await secret_of(workspaces, "acme")
    posing = token(secret, **claims_of(URL, ANA, NOW_S), workspace_id="acme")
    assert await scene.refused({"authorization": f"Bearer {posing}"}) == "unauthorized"
    assert await scene.refused(scene.bearer(exp=NOW_S - 60)) == "unauthorized"
    other = token(secret, workspace_id="acme", iss="https://other.example", sub="eva")
    assert (await scene.door.authenticate_token(other)).subject == "eva"


async def test_the_workspace_is_named_in_header_or_query(scene: Scene) -> None:
    """The header goes first; one that the user is not in is refused like one that is not there."""
    scene.index.apply([replace(MEMBER, workspace="beta", role=Role.VIEWER, sessions=None)])
    assert await scene.refused(scene.bearer()) == "workspace_required"
    who = await scene.door.authenticate(scene.bearer(), None, {}, "beta")
    assert (who.workspace, who.sessions) == ("beta", None)
    assert not who.may(Scope.SEND)
    both = {**scene.bearer(), "x-workspace": "acme"}
    assert (await scene.door.authenticate(both, None, {}, "beta")).workspace == "acme"
    for wanted in ("gamma", "nowhere", ""):
        headers = {**scene.bearer(), "x-workspace": wanted}
        assert await scene.refused(headers) == "not_a_member"


async def test_other_credentials_name_their_own_workspace_or_none(
    scene: Scene, database: Database
) -> None:
    """A key beside the name of another workspace is refused, and so is a ticket."""
    key, _ = await add_key(database, Scope.READ)
    who = await scene.door.authenticate({"x-api-key": key, "x-workspace": "acme"}, None, {})
    assert who.workspace == "acme"
    assert await scene.refused({"x-api-key": key, "x-workspace": "beta"}) == "not_a_member"
    assert await scene.refused({"authorization": f"Bearer {key}"}, workspace="b") == "not_a_member"
    ticket, _ = scene.door.issue_ticket(who, "stream")
    assert await scene.refused({}, ticket=ticket, workspace="beta") == "not_a_member"


async def test_a_ticket_shows_what_its_user_may_see_now(scene: Scene) -> None:
    """EventSource comes back with it after its stream was ended by a change."""
    who = await scene.door.authenticate(scene.bearer(), None, {})
    ticket, _ = scene.door.issue_ticket(who, "stream")
    first = await scene.door.authenticate({}, ticket, {})
    assert first.sessions == frozenset({"main"})
    scene.index.apply([replace(MEMBER, sessions=("shop",))])
    assert not await scene.door.still_valid(first)
    second = await scene.door.authenticate({}, ticket, {})
    assert (second.sessions, second.scopes) == (frozenset({"shop"}), frozenset({Scope.STREAM}))
    assert await scene.door.still_valid(second)
    scene.index.apply([replace(MEMBER, active=False)])
    assert await scene.refused({}, ticket=ticket) == "not_a_member"


async def test_a_member_with_a_token_of_the_secret_is_held_to_the_row(
    scene: Scene, workspaces: WorkspaceStore
) -> None:
    """Of the workspace's secret and of the operator's alike."""
    scene.index.apply([replace(MEMBER, user="eva")])
    own = await secret_of(workspaces, "acme")
    for secret in (own, OPERATOR):
        shown = {"authorization": f"Bearer {token(secret, workspace_id='acme', sub='eva')}"}
        who = await scene.door.authenticate(shown, None, {})
        assert who.sessions == frozenset({"main"})
        scene.index.apply([replace(MEMBER, user="eva", active=False)])
        assert await scene.refused(shown) == "not_a_member"
        assert not await scene.door.still_valid(who)
        scene.index.apply([replace(MEMBER, user="eva")])
        assert await scene.door.still_valid(who)


async def test_a_revoked_signing_key_ends_streams(scene: Scene, clock: ManualClock) -> None:
    """When the keys were read anew; nobody has to make a request for it."""
    who = await scene.door.authenticate(scene.bearer(), None, {})
    scene.published = []
    assert await scene.door.still_valid(who)
    clock.forward(FRESH_MS / 1000)
    await scene.door.still_valid(who)
    for _ in range(5):
        await asyncio.sleep(0)
    assert not await scene.door.still_valid(who)


async def test_without_supabase_its_users_are_strangers(
    scene: Scene, database: Database, clock: ManualClock
) -> None:
    """Their tokens open nothing, and what let them in before is over."""
    who = await scene.door.authenticate(scene.bearer(), None, {})
    plain = Authenticator.over(database, clock, OPERATOR, scene.index)
    with pytest.raises(ApiError, match="valid credential"):
        await plain.authenticate(scene.bearer(), None, {})
    assert not await plain.still_valid(who)
    await plain.close()
