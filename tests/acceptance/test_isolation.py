"""Two workspaces on one daemon: nothing of one is seen by the other, on any route."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from tests.acceptance.every_route import ALL, CHAT, EVA, SECRET, every_route, fill
from tests.support.daemon import Daemon, User
from tests.support.supabase_project import Project


@pytest_asyncio.fixture
async def project() -> AsyncIterator[Project]:
    """Yield a Supabase project whose users may be members."""
    async with Project() as project:
        yield project


@pytest_asyncio.fixture
async def daemon(tmp_path: Path, project: Project) -> AsyncIterator[Daemon]:
    """Yield a daemon that knows the project."""
    daemon = await Daemon(tmp_path / "data", settings=project.settings).start()
    yield daemon
    await daemon.end()


@pytest_asyncio.fixture
async def acme(daemon: Daemon) -> AsyncIterator[User]:
    """Yield the one that has a session, a chat and a message."""
    async with daemon.user("acme", "admin") as user:
        await user.paired()
        await user.receive("main", SECRET)
        yield user


@pytest_asyncio.fixture(params=["key", "supabase"])
async def beta(
    request: pytest.FixtureRequest, daemon: Daemon, project: Project
) -> AsyncIterator[User]:
    """Yield the other, with all scopes of its own workspace: a key, and a project's user."""
    async with daemon.user("beta", "admin") as key:
        if request.param == "key":
            yield key
            return
        user = str(uuid4())
        await key.put(f"/v1/members/{user}", {"role": "owner"})
        async with User(daemon.base, project.token(user)) as owner:
            yield owner


async def test_no_route_shows_or_changes_anything_of_another_workspace(
    acme: User, beta: User
) -> None:
    """With real ids of acme, beta gets 404 or an empty list, and acme's things stay as they are."""
    routes = await every_route(acme, await fill(acme))
    before = [await acme.get(path) for path in ALL]
    for tried in routes:
        response = await tried.by(beta)
        for secret in (SECRET, EVA, "5500"):
            assert secret not in response.text, tried
        if "{" in tried.template:
            assert response.status_code == 404, (tried, response.text)
    assert len(routes) > 50
    assert before == [await acme.get(path) for path in ALL]


async def test_naming_another_workspace_opens_nothing(acme: User, beta: User) -> None:
    """403 on every route, in the same words as for a workspace that nobody has."""
    for tried in await every_route(acme, await fill(acme)):
        answers = []
        for name in ("acme", "nowhere"):
            beta.http.headers["X-Workspace"] = name
            answers.append(await tried.by(beta))
        assert [answer.status_code for answer in answers] == [403, 403], tried
        assert answers[0].json() == answers[1].json()
        assert answers[0].json()["code"] == "not_a_member"
    del beta.http.headers["X-Workspace"]
    for name in ("acme", "nowhere"):
        assert (await beta.http.get("/v1/me", params={"workspace": name})).status_code == 403
    assert (await beta.get("/v1/me", workspace="beta"))["workspace"] == "beta"


async def test_an_id_that_exists_elsewhere_answers_as_one_that_exists_nowhere(
    acme: User, beta: User
) -> None:
    """404 with the same words: nobody is told that it exists."""
    document = await acme.get("/v1/chats")
    message = document["items"][0]["last_message"]["id"]
    for real, nobody in (
        ("/v1/sessions/main", "/v1/sessions/none"),
        (f"/v1/chats/{CHAT}", "/v1/chats/none:5511999990000@s.whatsapp.net"),
        (f"/v1/messages/{message}", "/v1/messages/mNone"),
    ):
        one, other = await beta.http.get(real), await beta.http.get(nobody)
        assert (one.status_code, one.json()) == (other.status_code, other.json())


@pytest.mark.parametrize("params", [{}, {"session": "main"}, {"chat": CHAT}])
async def test_no_stream_shows_anything_of_another_workspace(
    acme: User, beta: User, params: dict[str, str]
) -> None:
    """Open, filtered by acme's names, or resumed with acme's cursor: beta sees only its own."""
    cursor = (await acme.get("/v1/chats"))["as_of"]
    async with beta.stream(**params) as stream, acme.stream() as own:
        await stream.next("hello")
        await acme.receive("main", SECRET)
        await own.next("new_message")
        await beta.session("main")
        if "chat" not in params:
            await stream.next("qr")
        assert {event.envelope["workspace"] for event in stream.seen} == {"beta"}
    polled = await beta.http.get("/v1/poll", params={"after": cursor, "timeout": "0"})
    assert SECRET not in polled.text


async def test_a_ticket_of_one_workspace_opens_only_its_own_stream(
    acme: User, beta: User, daemon: Daemon
) -> None:
    """The ticket carries its issuer's workspace, whatever the URL says."""
    ticket = (await beta.post("/v1/tickets", {"use": "stream"}))["ticket"]
    async with User(daemon.base, "") as nobody, nobody.stream(ticket=ticket) as stream:
        hello = await stream.next("hello")
        assert hello.envelope["workspace"] == "beta"
