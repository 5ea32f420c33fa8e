"""Users of a Supabase project at a real daemon, which reads the project's keys from a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import jwt
import pytest
import pytest_asyncio

from tests.support.daemon import Daemon, User
from tests.support.supabase_project import JWKS, SECRET, Project, SigningPair

ANA = str(uuid4())
MEMBER = f"/v1/members/{ANA}"
READ = {"read", "stream", "media"}
WORK = READ | {"send", "metadata"}


@pytest_asyncio.fixture
async def project() -> AsyncIterator[Project]:
    """Yield a project that serves its keys."""
    async with Project() as project:
        yield project


@pytest_asyncio.fixture
async def daemon(tmp_path: Path, project: Project) -> AsyncIterator[Daemon]:
    """Yield a daemon that knows the project."""
    daemon = await Daemon(tmp_path / "data", settings=project.settings).start()
    yield daemon
    await daemon.end()


@pytest_asyncio.fixture
async def boss(daemon: Daemon) -> AsyncIterator[User]:
    """Yield who makes members of acme."""
    async with daemon.user("acme", "admin") as user:
        yield user


@pytest_asyncio.fixture
async def ana(daemon: Daemon, project: Project) -> AsyncIterator[User]:
    """Yield a user of the project, who is no member yet."""
    async with User(daemon.base, project.token(ANA)) as user:
        yield user


async def test_a_membership_lets_a_user_in_with_the_scopes_of_the_role(
    boss: User, ana: User
) -> None:
    """No row, no entrance; what the user wrote into the token's metadata means nothing."""
    assert (await ana.refused("GET", "/v1/me"))["code"] == "not_a_member"
    for role, scopes in (
        ("viewer", READ),
        ("agent", WORK),
        ("supervisor", WORK),
        ("admin", WORK | {"manage", "admin", "pair"}),
        ("owner", WORK | {"manage", "admin", "pair"}),
    ):
        await boss.put(MEMBER, {"role": role, "name": "Ana"})
        me = await ana.get("/v1/me")
        assert (me["workspace"], me["subject"], me["role"]) == ("acme", ANA, role)
        assert (set(me["scopes"]), me["name"], me["member"]) == (scopes, "Ana", True)
    await boss.put(MEMBER, {"role": "viewer"})
    refused = await ana.refused("POST", "/v1/sessions", {"id": "mine"})
    assert refused["code"] == "missing_scope"


async def test_streams_end_with_the_membership(daemon: Daemon, boss: User, ana: User) -> None:
    """Also those that a ticket opened; the ticket opens none any more."""
    await boss.put(MEMBER, {"role": "agent"})
    ticket = (await ana.post("/v1/tickets", {"use": "stream"}))["ticket"]
    async with (
        User(daemon.base, "") as browser,
        ana.stream() as stream,
        browser.stream(ticket=ticket) as other,
    ):
        for one in (stream, other):
            await one.next("hello")
        await boss.delete(MEMBER)
        async with asyncio.timeout(4):
            await stream.closed.wait()
            await other.closed.wait()
        assert (await ana.refused("GET", "/v1/events"))["code"] == "not_a_member"
        again = await browser.http.get("/v1/events", params={"ticket": ticket})
        assert (again.status_code, again.json()["code"]) == (403, "not_a_member")


async def test_a_user_of_several_workspaces_names_one(
    daemon: Daemon, boss: User, ana: User
) -> None:
    """By header or query, on REST and streams alike; a ticket has its own."""
    await boss.put(MEMBER, {"role": "agent"})
    async with daemon.user("beta", "admin") as other:
        await other.put(MEMBER, {"role": "viewer"})
    problem = await ana.refused("GET", "/v1/me")
    assert (problem["status"], problem["code"]) == (400, "workspace_required")
    assert problem["workspaces"] == ["acme", "beta"]
    for name in ("acme", "beta"):
        assert (await ana.get("/v1/me", workspace=name))["workspace"] == name
        async with ana.stream(workspace=name) as stream:
            assert (await stream.next("hello")).envelope["workspace"] == name
    ana.http.headers["X-Workspace"] = "beta"
    assert (await ana.get("/v1/me"))["role"] == "viewer"
    ticket = (await ana.post("/v1/tickets", {"use": "stream"}))["ticket"]
    async with User(daemon.base, "") as browser, browser.stream(ticket=ticket) as stream:
        assert (await stream.next("hello")).envelope["workspace"] == "beta"


async def test_a_page_elsewhere_may_name_the_workspace(tmp_path: Path, project: Project) -> None:
    """The CORS preflight allows the header."""
    origin = "https://crm.example.org"
    settings = {**project.settings, "ZAPD_CORS_ORIGINS": origin}
    daemon = await Daemon(tmp_path / "other", settings=settings).start()
    async with User(daemon.base, "") as page:
        asked = {
            "Origin": origin,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "authorization,x-workspace",
        }
        answer = await page.http.options("/v1/me", headers=asked)
    await daemon.end()
    assert answer.status_code == 200
    assert "X-Workspace" in answer.headers["access-control-allow-headers"]


@pytest.mark.parametrize(
    "claims",
    [
        {"role": "service_role"},
        {"role": "anon"},
        {"is_anonymous": True},
        {"aud": "other"},
        {"iss": "https://other.supabase.co/auth/v1"},
        {"exp": 1},
        {"sub": "ana"},
    ],
)
async def test_other_tokens_of_the_project_open_nothing(
    daemon: Daemon, boss: User, project: Project, claims: dict[str, object]
) -> None:
    """Though they are signed with its key, and the user is a member."""
    await boss.put(MEMBER, {"role": "owner"})
    async with User(daemon.base, project.token(ANA, **claims)) as user:
        assert (await user.refused("GET", "/v1/me"))["code"] == "unauthorized"


async def test_a_shared_secret_counts_only_where_it_is_set(
    tmp_path: Path, daemon: Daemon, boss: User, project: Project
) -> None:
    """A token signed with it is refused by a daemon that was not told."""
    await boss.put(MEMBER, {"role": "agent"})
    claims = jwt.decode(project.token(ANA), options={"verify_signature": False})
    token = jwt.encode(claims, SECRET, "HS256")
    async with User(daemon.base, token) as user:
        assert (await user.refused("GET", "/v1/me"))["code"] == "unauthorized"
    settings = {**project.settings, "ZAPD_SUPABASE_JWT_SECRET": SECRET}
    told = await Daemon(tmp_path / "told", settings=settings).start()
    async with told.user("acme", "admin") as other, User(told.base, token) as user:
        await other.put(MEMBER, {"role": "agent"})
        assert (await user.get("/v1/me"))["subject"] == ANA
    await told.end()


async def test_the_keys_are_read_once_and_outlive_the_project(
    boss: User, project: Project, ana: User, daemon: Daemon
) -> None:
    """Until they are old nothing is asked; a key that nobody can vouch for is a 503, not a 401."""
    await boss.put(MEMBER, {"role": "agent"})
    for _ in range(20):
        await ana.get("/v1/me")
    assert project.asked.count(JWKS) == 1
    stranger = SigningPair("stranger")
    posing = jwt.decode(project.token(ANA), options={"verify_signature": False})
    async with User(daemon.base, stranger.sign(posing)) as user:
        assert (await user.refused("GET", "/v1/me"))["code"] == "unauthorized"
    await project.stop()
    assert (await ana.get("/v1/me"))["subject"] == ANA
    await daemon.end()
    await daemon.start()
    answer = await ana.http.get("/v1/me")
    assert (answer.status_code, answer.json()["code"]) == (503, "supabase_unreachable")
    assert answer.headers["Retry-After"]
    await daemon.end()
    log = "\n".join(daemon.log)
    assert "signing keys could not be read" in log
    assert project.settings["ZAPD_SUPABASE_KEY"] not in log
    assert ana.key not in log
