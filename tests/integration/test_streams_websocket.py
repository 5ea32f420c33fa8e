from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from daemon.hub.hub import HubBounds
from daemon.services.streams import StreamLimits
from tests.integration.streaming import CHAT, UNIT, Scene, message, serving, until
from tests.integration.test_streams_sse import never_reading


class Socket:
    """A browser's WebSocket that speaks JSON."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def next(self, *types: str) -> dict[str, Any]:
        """Return the next frame, of one of the types if some are given."""
        async with asyncio.timeout(10):
            while True:
                frame: dict[str, Any] = orjson.loads(await self.connection.recv())
                if not types or frame["type"] in types:
                    return frame

    async def ask(self, **frame: object) -> dict[str, Any]:
        """Send a frame and return its ack."""
        await self.connection.send(orjson.dumps(frame).decode())
        return await self.next("ack")

    async def closed(self) -> tuple[int, str]:
        """Return the close code and reason."""
        with pytest.raises(ConnectionClosed):
            await self.next("what never comes")
        return self.connection.close_code or 0, self.connection.close_reason or ""


@asynccontextmanager
async def socket_to(scene: Scene, query: str = "", **headers: str) -> AsyncIterator[Socket]:
    """Open ``/v1/ws``."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    async with connect(f"ws://{scene.base}/v1/ws{query}", additional_headers=names) as connection:
        yield Socket(connection)


@pytest.mark.parametrize("plain", [False, True])
async def test_it_opens_as_sse_does_and_carries_the_same_envelopes(*, plain: bool) -> None:
    """Whether frames are made once for all, or by a server that does not know our extension."""
    async with serving(plain=plain) as scene, socket_to(scene, "?session=main") as ws:
        hello = await ws.next()
        assert (hello["type"], hello["data"]) == ("hello", {"epoch": "e1", "head": "e1-0"})
        assert (await ws.next())["connected"] is True
        for text in ("1", "ção", "x" * 70_000):
            scene.hub.publish(message(text))
        frames = [await ws.next() for _ in range(3)]
        assert [frame["id"] for frame in frames] == ["e1-1", "e1-2", "e1-3"]
        assert [frame["data"]["text"] for frame in frames] == ["1", "ção", "x" * 70_000]
        assert ws.connection.response is not None
        assert "sec-websocket-extensions" not in ws.connection.response.headers


async def test_it_resumes() -> None:
    """Each once, or a reset."""
    async with serving() as scene:
        for number in range(1000):
            scene.hub.publish(message(str(number)))
        async with socket_to(scene, "?after=e1-500") as ws:
            got = [(await ws.next("new_message"))["id"] for _ in range(500)]
            assert got == [f"e1-{offset}" for offset in range(501, 1001)]
        async with socket_to(scene, "?after=old-1") as ws:
            assert (await ws.next("stream_reset"))["data"]["reason"] == "epoch_changed"


async def test_a_subscription_narrows_and_another_adds() -> None:
    """Each with the states of its sessions; what is taken back ends."""
    async with serving() as scene, socket_to(scene) as ws:
        await ws.next("hello")
        await ws.next("connection_status")
        await ws.next("connection_status")
        assert await ws.ask(type="subscribe", id=1, chat=CHAT) == {
            "type": "ack",
            "id": 1,
            "ok": True,
        }
        assert (await ws.next())["session"] == "main"
        scene.hub.publish(message("no", session="second", chat="second:551@s.whatsapp.net"))
        scene.hub.publish(message("yes"))
        assert (await ws.next())["data"] == {"text": "yes"}
        assert (await ws.ask(type="subscribe", id="b", session=["second"], types="new_message"))[
            "ok"
        ]
        scene.hub.publish(message("now", session="second", chat="second:551@s.whatsapp.net"))
        assert (await ws.next())["data"] == {"text": "now"}
        assert (await ws.ask(type="unsubscribe", id=3, chat=CHAT))["ok"]
        scene.hub.publish(message("no more"))
        scene.hub.publish(message("still", session="second", chat="second:551@s.whatsapp.net"))
        assert (await ws.next())["data"] == {"text": "still"}


async def test_what_a_client_does_is_delegated_with_its_principal() -> None:
    """Typing and reading, answered by id."""
    async with serving() as scene, socket_to(scene) as ws:
        typing = {"type": "typing", "id": 1, "chat": CHAT, "is_typing": True}
        read = {"type": "read", "id": 2, "chat": CHAT}
        assert (await ws.ask(**typing))["ok"]
        assert (await ws.ask(**read))["ok"]
        assert await ws.ask(type="ping", id=3) == {"type": "ack", "id": 3, "ok": True}
        assert scene.done == [("acme", typing), ("acme", read)]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{", "malformed_json"),
        ("[]", "wrong_type"),
        ('{"id":7}', "wrong_type"),
        ('{"type":"dance","id":7}', "wrong_type"),
        ('{"type":"ping","id":7,"x":1}', "unknown_field"),
        ('{"type":"ping","id":[7]}', "wrong_type"),
        ('{"type":"ping","id":' + "[" * 500 + "]" * 500 + "}", "wrong_type"),
        ('{"type":"subscribe","id":7,"types":"nonsense"}', "unknown_event_type"),
        ('{"type":"subscribe","id":7,"session":7}', "wrong_type"),
        ('{"type":"subscribe","id":7,"session":[7]}', "wrong_type"),
        ('{"type":"subscribe","id":7,"chat":"x"}', "invalid_jid"),
        ('{"type":"typing","id":7,"chat":7}', "wrong_type"),
        ('{"type":"typing","id":7,"chat":"a","is_typing":"yes"}', "wrong_type"),
        ('{"type":"read","id":7,"chat":"other"}', "chat_not_found"),
        ('{"type":"read","id":7,"chat":"boom"}', "internal_error"),
    ],
)
async def test_what_cannot_be_is_answered_as_a_problem(frame: str, code: str) -> None:
    """And the connection stays."""
    async with serving() as scene, socket_to(scene) as ws:
        await ws.connection.send(frame)
        ack = await ws.next("ack")
        assert (ack["ok"], ack["error"]["code"]) == (False, code)
        assert ack["id"] == (7 if '"id":7' in frame else None)
        assert (await ws.ask(type="ping", id=8))["ok"]


async def test_a_stream_only_credential_cannot_type() -> None:
    """It needs the scope send."""
    async with serving() as scene, socket_to(scene, x_who="acme/key:1/stream") as ws:
        ack = await ws.ask(type="read", id=1, chat=CHAT)
        assert ack["error"]["code"] == "missing_scope"
        assert scene.done == []


@pytest.mark.parametrize(
    ("query", "headers", "code", "reason"),
    [
        ("", {"x_who": "nobody"}, 4401, "unauthorized"),
        ("", {"origin": "https://evil.example"}, 4403, "wrong_origin"),
        ("?types=nonsense", {}, 4400, "unknown_event_type"),
        ("?after=nonsense", {}, 4400, "invalid_cursor"),
    ],
)
async def test_a_refusal_is_a_close_code(
    query: str, headers: dict[str, str], code: int, reason: str
) -> None:
    """After the handshake, since a browser cannot see why a handshake failed."""
    async with serving() as scene, socket_to(scene, query, **headers) as ws:
        assert await ws.closed() == (code, reason)
        assert len(scene.streams) == 0


async def test_too_many_streams_is_a_rate() -> None:
    """4429, as too many frames are."""
    limits = StreamLimits(per_credential=1, tick_seconds=UNIT)
    async with serving(limits=limits) as scene, socket_to(scene) as first:
        await first.next("hello")
        async with socket_to(scene) as second:
            assert await second.closed() == (4429, "too_many_streams")
        for number in range(100):
            await first.connection.send(f'{{"type":"ping","id":{number}}}')
        assert await first.closed() == (4429, "rate")


async def test_ends_have_their_codes() -> None:
    """A revoked credential 4401, a restart 1012."""
    async with (
        serving() as scene,
        socket_to(scene) as mine,
        socket_to(scene, x_who="acme/key:2/read") as other,
    ):
        await mine.next("hello")
        await other.next("hello")
        scene.revoked.add("key:1")
        assert await mine.closed() == (4401, "credential")
        await asyncio.gather(scene.streams.close(), other.closed())
        assert other.connection.close_code == 1012
        async with socket_to(scene, x_who="acme/key:2/read") as late:
            assert await late.closed() == (1012, "stopping")


async def test_frames_that_are_too_big_or_binary_are_refused() -> None:
    """64 KiB of text is what a client may say."""
    async with serving() as scene:
        async with socket_to(scene) as ws:
            await ws.connection.send("x" * 70_000)
            assert await ws.closed() == (1009, "frame too big")
        async with socket_to(scene) as ws:
            await ws.connection.send(b"x")
            assert await ws.closed() == (1003, "text frames only")


async def test_a_client_that_leaves_is_forgotten() -> None:
    """With a close, or without."""
    async with serving() as scene:
        async with socket_to(scene) as ws:
            await ws.next("hello")
        await until(lambda: len(scene.streams) == 0)
        async with socket_to(scene) as ws:
            await ws.next("hello")
            ws.connection.transport.abort()
            await until(lambda: len(scene.streams) == 0)


async def test_a_slow_reader_that_reads_in_time_is_told() -> None:
    """4408, and it comes back with its place."""
    bounds = HubBounds(subscriber_bytes=200_000, ring_events=100_000)
    async with serving(bounds) as scene, socket_to(scene) as ws:
        await ws.next("hello")
        ws.connection.transport.pause_reading()
        for _ in range(100):
            scene.hub.publish(message("x" * 20_000))
        (stream,) = scene.streams.heartbeat.streams
        await until(lambda: stream.ended == "slow")
        ws.connection.transport.resume_reading()
        assert await ws.closed() == (4408, "slow")
        await until(lambda: scene.hub.stats.slow == 1)


async def test_a_reader_that_never_reads_is_cut() -> None:
    """After its patience."""
    upgrade = (
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    async with serving(HubBounds(subscriber_bytes=200_000)) as scene:
        dead = never_reading(scene.base, "/v1/ws", *upgrade)
        try:
            await until(lambda: len(scene.streams) == 1)
            for _ in range(100):
                scene.hub.publish(message("x" * 20_000))
            await until(lambda: scene.hub.stats.slow == 1)
            assert len(scene.streams) == 0
        finally:
            dead.close()
