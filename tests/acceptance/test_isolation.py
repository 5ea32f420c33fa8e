"""Two workspaces on one daemon: nothing of one is seen by the other, on any route."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.daemon import Daemon, User

SECRET = "only-acme-may-read-this"
CHAT = "main:5511999990000@s.whatsapp.net"
_WRITES = {
    "/v1/sessions/{session}/pairing-code": {"phone": "+5511999990000"},
    "/v1/sessions/{session}/sandbox/receive": {"from": "+5511999990000", "text": "x"},
    "/v1/sessions/{session}/sandbox/traffic": {"messages_per_minute": 60},
    "/v1/chats/{chat}/messages": {"type": "text", "text": "stolen"},
    "/v1/chats/{chat}/typing": {"is_typing": True},
    "/v1/tickets": {"use": "stream"},
}
#: Routes that make something in the caller's own workspace: not about another's things.
_OWN = {("post", "/v1/sessions"), ("post", "/v1/tickets")}


@pytest_asyncio.fixture
async def acme(daemon: Daemon) -> AsyncIterator[User]:
    """Yield the one that has a session, a chat and a message."""
    async with daemon.user("acme") as user:
        await user.paired()
        await user.receive("main", SECRET)
        yield user


@pytest_asyncio.fixture
async def beta(daemon: Daemon) -> AsyncIterator[User]:
    """Yield the other, with all scopes of its own workspace."""
    async with daemon.user("beta", "admin") as user:
        yield user


async def _requests(acme: User) -> Iterator[tuple[str, str, Any]]:
    """Return every route of the table, filled with ids that exist at acme."""
    document = await acme.get("/openapi.json")
    message = (await acme.get(f"/v1/chats/{CHAT}/messages"))["items"][0]["id"]
    filled = {"session": "main", "chat": CHAT, "message": message}
    return iter(
        (method, path.format(**filled), _WRITES.get(path, {}))
        for path, methods in document["paths"].items()
        for method in methods
        if (method, path) not in _OWN and path != "/v1/events"
    )


async def test_no_route_shows_or_changes_anything_of_another_workspace(
    acme: User, beta: User
) -> None:
    """With real ids of acme, beta gets 404 or an empty list, and acme's things stay as they are."""
    before = await acme.get("/v1/sessions"), await acme.get(f"/v1/chats/{CHAT}")
    tried = 0
    for method, path, body in await _requests(acme):
        params = {"timeout": "0"} if path == "/v1/poll" else {}
        json = body if method == "post" else None
        response = await beta.http.request(method, path, json=json, params=params)
        tried += 1
        assert SECRET not in response.text, path
        assert "5500" not in response.text, (path, response.text)
        if "{" in path or "main" in path:
            assert response.status_code == 404, (method, path, response.text)
    assert tried > 20
    after = await acme.get("/v1/sessions"), await acme.get(f"/v1/chats/{CHAT}")
    assert after == before


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
