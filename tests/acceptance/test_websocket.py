"""The WebSocket of the real daemon, with a client that is not ours."""

from __future__ import annotations

import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.daemon import Daemon, User

CHAT = "main:5511999990000@s.whatsapp.net"


def _url(daemon: Daemon, query: str = "") -> str:
    return daemon.base.replace("http", "ws", 1) + "/v1/ws" + query


async def _next(socket: ClientConnection, type: str) -> dict[str, object]:
    async for frame in socket:
        found: dict[str, object] = orjson.loads(frame)
        if found["type"] == type:
            return found
    raise AssertionError(f"no {type} came")


async def test_events_come_as_the_same_envelopes(daemon: Daemon, user: User) -> None:
    """What the socket shows is what the stream shows."""
    await user.paired()
    headers = {"Authorization": f"Bearer {user.key}"}
    async with connect(_url(daemon), additional_headers=headers) as socket:
        await _next(socket, "hello")
        async with user.stream() as stream:
            await stream.next("hello")
            await user.receive("main", "oi")
            event = await stream.next("new_message")
        assert await _next(socket, "new_message") == event.envelope


async def test_a_client_types_and_reads_over_the_socket(daemon: Daemon, user: User) -> None:
    """Each frame is answered by its id; reading tells everybody."""
    await user.paired()
    await user.receive("main", "oi")
    headers = {"X-Api-Key": user.key}
    async with connect(_url(daemon), additional_headers=headers) as socket:
        for frame in ({"type": "typing", "is_typing": True}, {"type": "read"}):
            await socket.send(orjson.dumps({**frame, "id": 7, "chat": CHAT}).decode())
            answer = await _next(socket, "ack")
            assert (answer["id"], answer["ok"]) == (7, True)
        assert (await user.get(f"/v1/chats/{CHAT}"))["unread"] == 0


async def test_an_agent_is_present_over_the_socket(daemon: Daemon, user: User) -> None:
    """With the scope metadata or send; a state that there is not is refused."""
    await user.paired()
    headers = {"X-Api-Key": await daemon.key(scopes="read,metadata")}
    async with (
        connect(_url(daemon), additional_headers=headers) as socket,
        user.stream(types="agent_presence") as stream,
    ):
        frame = {"type": "presence", "id": 1, "chat": CHAT, "state": "typing"}
        await socket.send(orjson.dumps(frame).decode())
        answer = await _next(socket, "ack")
        assert answer["ok"] is True
        event = await stream.next("agent_presence")
        assert (event.envelope["chat"], event.data["state"]) == (CHAT, "typing")
        await socket.send(orjson.dumps({**frame, "state": "asleep"}).decode())
        refused = await _next(socket, "ack")
        assert refused["error"]["code"] == "wrong_type"  # type: ignore[index]  # JSON
    (present,) = (await user.get(f"/v1/chats/{CHAT}/presence"))["items"]
    assert present["state"] == "typing"


async def test_a_ticket_opens_it_and_a_wrong_one_says_4401(daemon: Daemon, user: User) -> None:
    """A browser sees why by the close code."""
    ticket = (await user.post("/v1/tickets", {"use": "stream"}))["ticket"]
    async with connect(_url(daemon, f"?ticket={ticket}")) as socket:
        await _next(socket, "hello")
    async with connect(_url(daemon, "?ticket=wrong")) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


async def test_another_page_s_origin_is_refused(daemon: Daemon, user: User) -> None:
    """4403, also with a good credential."""
    headers = {"X-Api-Key": user.key, "Origin": "https://evil.example"}
    async with connect(_url(daemon), additional_headers=headers) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403


async def test_a_restart_is_told_by_1012(daemon: Daemon, user: User) -> None:
    """The client comes back with its last id."""
    headers = {"X-Api-Key": user.key}
    async with connect(_url(daemon), additional_headers=headers) as socket:
        await _next(socket, "hello")
        await daemon.end()
        with pytest.raises(ConnectionClosed):
            await _next(socket, "never")
    assert socket.close_code == 1012
