"""Members over a real daemon: what they see, and that they see no more when that changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect

from tests.acceptance.every_route import (
    CHAT,
    EVA,
    NUMBER,
    OF_MAIN,
    SECRET,
    Tried,
    every_route,
    fill,
)
from tests.support.daemon import Daemon, User
from tests.support.stream import Stream

SHOP_NUMBER = "5511888880000"
SHOP = f"shop:{SHOP_NUMBER}@s.whatsapp.net"
#: What a path names that belongs to one session.
_OF_A_SESSION = ("{session}", "{chat}", "{message}", "{note}", "{scope}")
#: How long a stream may outlive what let it in, in seconds; it is looked at every second.
ENDS_WITHIN = 4.0


@pytest_asyncio.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    """Yield a daemon whose workspaces allow everything to their tokens."""
    settings = {"ZAPD_TOKEN_SCOPES": "admin", "ZAPD_PING_SECONDS": "1"}
    daemon = await Daemon(tmp_path / "data", settings=settings).start()
    yield daemon
    await daemon.end()


@pytest_asyncio.fixture
async def boss(daemon: Daemon) -> AsyncIterator[User]:
    """Yield who has all rights, two sessions, and a chat in each."""
    async with daemon.user(scopes="admin") as user:
        for session, text, number in (("main", SECRET, NUMBER), ("shop", "hi", SHOP_NUMBER)):
            await user.paired(session)
            await user.receive(session, text, f"+{number}")
        yield user


@pytest_asyncio.fixture
async def ana(daemon: Daemon, boss: User) -> AsyncIterator[User]:
    """Yield an admin who sees the session `shop` alone."""
    await boss.put("/v1/members/ana", {"role": "admin", "sessions": ["shop"]})
    async with daemon.agents("ana", scopes="admin") as (ana,):
        yield ana


async def _ended(stream: Stream) -> None:
    async with asyncio.timeout(ENDS_WITHIN):
        await stream.closed.wait()


def _socket(daemon: Daemon, user: User) -> connect:
    url = daemon.base.replace("http", "ws", 1) + "/v1/ws"
    return connect(url, additional_headers={"Authorization": f"Bearer {user.key}"})


async def _ask(socket: ClientConnection, frame: dict[str, Any]) -> dict[str, Any]:
    """Say something; return its ack, and what came before it under `before`."""
    await socket.send(orjson.dumps({**frame, "id": 1}).decode())
    before: list[dict[str, Any]] = []
    async for text in socket:
        found: dict[str, Any] = orjson.loads(text)
        if found["type"] == "ack":
            return {**found, "before": before}
        before.append(found)
    raise AssertionError("no ack came")


async def test_no_route_reaches_a_session_that_a_member_does_not_see(boss: User, ana: User) -> None:
    """What is there is answered as what is not, and stays as it is."""
    routes = await every_route(boss, await fill(boss, shared="for everybody"))
    before = [await boss.get(path) for path in OF_MAIN]
    tried = [route for route in routes if _is_read(route) or _is_of_a_session(route)]
    for route in tried:
        response = await route.by(ana)
        assert SECRET not in response.text, route
        assert NUMBER not in response.text, route
        if _is_of_a_session(route):
            assert response.status_code == 404, (route, response.text)
        else:
            assert response.is_success, (route, response.text)
    assert len(tried) > 45
    assert before == [await boss.get(path) for path in OF_MAIN]


def _is_of_a_session(route: Tried) -> bool:
    return any(part in route.template for part in _OF_A_SESSION)


def _is_read(route: Tried) -> bool:
    return route.method == "get" and "{" not in route.template


async def test_what_is_there_but_not_seen_is_answered_as_what_is_nowhere(
    boss: User, ana: User
) -> None:
    """The same words, so that nobody learns that it exists; making one tells nothing either."""
    message = (await boss.get(f"/v1/chats/{CHAT}/messages"))["items"][0]["id"]
    note = (await boss.post(f"/v1/chats/{CHAT}/notes", {"body": SECRET}))["id"]
    for real, nowhere in (
        ("/v1/sessions/main", "/v1/sessions/none"),
        (f"/v1/chats/{CHAT}", f"/v1/chats/none:{NUMBER}@s.whatsapp.net"),
        (f"/v1/messages/{message}", "/v1/messages/mNone"),
        ("/v1/settings?scope=session:main", "/v1/settings?scope=session:none"),
        ("/v1/contacts?session=main", "/v1/contacts?session=none"),
        ("/v1/chats?session=main", "/v1/chats?session=none"),
    ):
        one, other = await ana.http.get(real), await ana.http.get(nowhere)
        assert (one.status_code, _plain(one.json())) == (other.status_code, _plain(other.json()))
    gone = [await ana.refused("DELETE", f"/v1/notes/{id}") for id in (note, "none")]
    assert gone[0] == gone[1]
    made = [await ana.refused("POST", "/v1/sessions", {"id": id}) for id in ("main", "none")]
    assert made[0] == made[1]
    assert made[0]["code"] == "missing_scope"


def _plain(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "as_of"}


async def test_lists_show_what_is_seen(boss: User, ana: User) -> None:
    """Sessions, chats and contacts, page by page, and what belongs to all."""
    await boss.receive("shop", "another", "+5511888880001")
    await boss.post("/v1/tags", {"name": "vip"})
    assert [s["id"] for s in (await ana.get("/v1/sessions"))["items"]] == ["shop"]
    for path in ("/v1/chats", "/v1/contacts"):
        first = await ana.get(path, limit=1)
        second = await ana.get(path, limit=1, cursor=first["next_cursor"])
        rest = [second]
        while rest[-1]["next_cursor"]:
            rest.append(await ana.get(path, limit=1, cursor=rest[-1]["next_cursor"]))
        rows = [row for page in (first, *rest) for row in page["items"]]
        assert {row["session"] for row in rows} == {"shop"}
        assert len(rows) == len((await boss.get(path, session="shop"))["items"])
    assert [tag["name"] for tag in (await ana.get("/v1/tags"))["items"]] == ["vip"]
    assert (await ana.get("/v1/me"))["sessions"] == ["shop"]


async def test_streams_show_what_is_seen(boss: User, ana: User) -> None:
    """Whatever the filter, in the past and the present; what belongs to all is shown too."""
    start = (await boss.get("/v1/chats"))["as_of"]
    await fill(boss, shared="before")
    async with (
        ana.stream() as plain,
        ana.stream(session="main,shop") as named,
        ana.stream(chat=CHAT) as chat,
        ana.stream(after=start) as resumed,
    ):
        for stream in (plain, named, chat, resumed):
            await stream.next("hello")
        await boss.receive("main", SECRET, f"+{NUMBER}")
        await boss.put("/v1/settings/session:main/color", {"value": SECRET})
        await boss.post("/v1/tags", {"name": "after"})
        await boss.receive("shop", "last", f"+{SHOP_NUMBER}")
        for stream in (plain, named, resumed):
            await stream.next("new_message", lambda event: event.data["text"] == "last")
        await chat.next("ping")
        for stream in (plain, named, chat, resumed):
            _shows_shop_only(stream)
        assert {"connection_status", "tag_updated"} <= {event.type for event in plain.seen}
        assert {event.type for event in chat.seen} <= {"hello", "ping"}
        tags = [e.data["name"] for e in resumed.seen if e.type == "tag_updated"]
        assert tags == ["before", "after"]
    polled = (await ana.get("/v1/poll", after=start, timeout=0))["items"]
    assert {event["session"] for event in polled} == {"shop", None}


def _shows_shop_only(stream: Stream) -> None:
    for event in stream.seen:
        assert event.envelope["session"] in {"shop", None}
        assert SECRET not in orjson.dumps(event.envelope).decode()


async def test_tickets_and_sockets_show_what_is_seen(daemon: Daemon, boss: User, ana: User) -> None:
    """A ticket sees what its maker sees; a frame about a chat that is not seen is refused."""
    ticket = (await ana.post("/v1/tickets", {"use": "stream"}))["ticket"]
    async with (
        User(daemon.base, "") as browser,
        browser.stream(ticket=ticket) as stream,
        _socket(daemon, ana) as socket,
    ):
        await stream.next("hello")
        for frame in (
            {"type": "typing", "chat": CHAT, "is_typing": True},
            {"type": "read", "chat": CHAT},
            {"type": "presence", "chat": CHAT, "state": "typing"},
        ):
            assert (await _ask(socket, frame))["error"]["code"] == "session_not_found"
        for frame in (
            {"type": "subscribe", "session": "main"},
            {"type": "subscribe", "chat": CHAT},
        ):
            assert (await _ask(socket, frame))["ok"]
        assert (await _ask(socket, {"type": "subscribe", "session": "shop"}))["ok"]
        await boss.receive("main", SECRET, f"+{NUMBER}")
        await boss.receive("shop", "last", f"+{SHOP_NUMBER}")
        await stream.next("new_message", lambda event: event.data["text"] == "last")
        _shows_shop_only(stream)
        came = (await _ask(socket, {"type": "ping"}))["before"]
        assert {event["session"] for event in came} == {"shop"}


@pytest.mark.parametrize(
    "change",
    [{"role": "viewer"}, {"sessions": ["main"]}, {"sessions": None}, {"active": False}, None],
)
async def test_a_change_of_membership_ends_the_streams(
    boss: User, ana: User, change: dict[str, Any] | None
) -> None:
    """Within a second or so, each of the member's and nobody else's; then they see what they may."""
    async with ana.stream() as stream, ana.stream(session="shop") as other, boss.stream() as stays:
        for one in (stream, other, stays):
            await one.next("hello")
        if change is None:
            await boss.delete("/v1/members/ana")
        else:
            await boss.patch("/v1/members/ana", change)
        await _ended(stream)
        await _ended(other)
        assert not stays.closed.is_set()
    if change == {"active": False}:
        problem = await ana.refused("GET", "/v1/events")
        assert (problem["status"], problem["code"]) == (403, "not_a_member")
        return
    seen = {"main", "shop"} if change in (None, {"sessions": None}) else {"shop"}
    seen = {"main"} if change == {"sessions": ["main"]} else seen
    assert {s["id"] for s in (await ana.get("/v1/sessions"))["items"]} == seen
    async with ana.stream() as again:
        await again.next("hello")
        await again.next("ping")
        assert {e.envelope["session"] for e in again.seen} - {None} == seen
        assert not again.closed.is_set()


async def test_who_becomes_a_member_is_held_to_it_at_once(
    daemon: Daemon, boss: User, ana: User
) -> None:
    """A stream that was open before sees no more than the membership; other changes end nothing."""
    async with daemon.agents("bob", scopes="read") as (bob,):
        async with bob.stream() as stream, ana.stream() as stays:
            await stream.next("hello")
            await boss.put("/v1/members/bob", {"role": "agent", "sessions": []})
            await _ended(stream)
            await boss.patch(
                "/v1/members/ana", {"name": "Ana", "permissions": {"manage_tags": True}}
            )
            await stays.next("ping")
            await stays.next("ping")
            await stays.next("ping")
            assert not stays.closed.is_set()
        assert (await bob.get("/v1/sessions"))["items"] == []
        assert (await bob.get("/v1/chats"))["items"] == []


async def test_a_socket_says_why_it_ends(daemon: Daemon, boss: User, ana: User) -> None:
    """4401 for the stream that ends, 4403 for one that is not let in any more."""
    async with _socket(daemon, ana) as socket:
        assert (await _ask(socket, {"type": "ping"}))["ok"]
        await boss.patch("/v1/members/ana", {"active": False})
        assert await _close_code(socket) == 4401
    async with _socket(daemon, ana) as socket:
        assert await _close_code(socket) == 4403


async def _close_code(socket: ClientConnection) -> int | None:
    async with asyncio.timeout(ENDS_WITHIN):
        await socket.wait_closed()
    return socket.close_code


async def test_nobody_shows_more_than_they_see(boss: User, ana: User) -> None:
    """Neither to themselves nor to others, nor by making somebody no member at all."""
    await boss.put(f"/v1/members/{EVA}", {"role": "agent", "sessions": ["main"]})
    for method, user, body in (
        ("PATCH", "ana", {"sessions": None}),
        ("PATCH", "ana", {"sessions": ["main", "shop"]}),
        ("PUT", "ana", {"role": "admin"}),
        ("PUT", "new", {"role": "agent"}),
        ("PATCH", EVA, {"sessions": ["shop", "main"]}),
        ("DELETE", "ana", None),
        ("DELETE", EVA, None),
    ):
        problem = await ana.refused(method, f"/v1/members/{user}", body)
        assert (problem["status"], problem["code"]) == (403, "missing_ability"), (method, user)
    await ana.put("/v1/members/new", {"role": "agent", "sessions": ["shop"]})
    await ana.patch(f"/v1/members/{EVA}", {"active": False})
    assert (await ana.get("/v1/me"))["sessions"] == ["shop"]
