from __future__ import annotations

import asyncio
import socket

import httpx
import pytest

from daemon.hub.hub import HubBounds
from daemon.services.streams import StreamLimits
from daemon.transports import uvicorn_protocols
from tests.integration.streaming import (
    CHAT,
    UNIT,
    event_source,
    message,
    serving,
    status,
    until,
)


async def test_a_stream_opens_with_hello_and_the_states() -> None:
    """Then what is live, as envelopes with ids; the headers keep proxies from holding it back."""
    async with serving() as scene, event_source(scene) as source:
        assert source.response.headers["content-type"].startswith("text/event-stream")
        assert source.response.headers["x-accel-buffering"] == "no"
        assert source.response.headers["cache-control"] == "no-store"
        hello = await source.next()
        assert (hello.type, hello.id) == ("hello", "")
        assert hello.json["data"] == {"epoch": "e1", "head": "e1-0"}
        first, second = await source.next(), await source.next()
        assert [first.json["session"], second.json["session"]] == ["main", "second"]
        assert (first.type, first.id, first.json["connected"]) == ("connection_status", "", True)
        scene.hub.publish(message("hello"))
        event = await source.next()
        assert (event.id, event.type) == ("e1-1", "new_message")
        assert event.json["id"] == "e1-1"
        assert (event.json["chat"], event.json["data"]) == (CHAT, {"text": "hello"})
        assert source.retry is not None
        assert 2250 <= source.retry <= 3750


async def test_a_cut_of_a_thousand_events_is_resumed_each_once() -> None:
    """By Last-Event-ID, with more being published while it replays."""
    async with serving() as scene:
        async with event_source(scene) as source:
            await source.next("hello")
            scene.hub.publish(message("0"))
            last = await source.next("new_message")
        for number in range(1, 1001):
            scene.hub.publish(message(str(number)))
        async with event_source(scene, last_event_id=last.id) as source:
            got = [await source.next("new_message") for _ in range(10)]
            for number in range(1001, 1201):
                scene.hub.publish(message(str(number)))
            got += [await source.next("new_message") for _ in range(1190)]
        assert [event.id for event in got] == [f"e1-{offset}" for offset in range(2, 1202)]
        assert [int(event.json["data"]["text"]) for event in got] == list(range(1, 1201))


async def test_a_cut_before_the_first_event_loses_nothing() -> None:
    """The browser knows its place though it was given no event yet."""
    async with serving() as scene:
        scene.hub.publish(message("before"))
        async with event_source(scene) as source:
            await source.next("hello")
            place = source.last_event_id
        assert place == "e1-1"
        scene.hub.publish(message("between"))
        async with event_source(scene, last_event_id=place) as source:
            assert (await source.next("new_message")).json["data"] == {"text": "between"}


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("e2-1", "epoch_changed"),
        ("e1-99", "unknown_cursor"),
        ("e1-1", "too_old"),
        ("garbage", "epoch_changed"),
    ],
)
async def test_a_past_that_is_gone_is_a_reset(place: str, reason: str) -> None:
    """Said before the states; the stream goes on from the head."""
    async with serving(HubBounds(ring_events=3)) as scene:
        for _ in range(9):
            scene.hub.publish(message())
        async with event_source(scene, last_event_id=place) as source:
            assert (await source.next()).type == "hello"
            reset = await source.next()
            assert (reset.type, reset.id) == ("stream_reset", "")
            assert reset.json["data"] == {"epoch": "e1", "head": "e1-9", "reason": reason}
            assert source.last_event_id == "e1-9"
            scene.hub.publish(message())
            assert (await source.next("new_message")).id == "e1-10"


async def test_filters_narrow_by_session_chat_and_type() -> None:
    """The states at the open too; the stream's own events always pass."""
    async with (
        serving() as scene,
        event_source(scene, "?session=second&types=new_message,qr") as by_session,
        event_source(scene, "?chat=main:%2B5511999990000") as by_chat,
    ):
        assert (await by_session.next()).type == "hello"
        assert (await by_chat.next()).type == "hello"
        assert (await by_chat.next()).json["session"] == "main"
        scene.hub.publish(message("1"))
        scene.hub.publish(message("2", chat="main:1203630@g.us"))
        scene.hub.publish(status("second"))
        scene.hub.publish(message("3", session="second", chat="second:551@s.whatsapp.net"))
        scene.hub.publish(message("4"))
        assert (await by_session.next()).id == "e1-4"
        assert [(await by_chat.next()).id, (await by_chat.next()).id] == ["e1-1", "e1-5"]


async def test_two_workspaces_never_mix() -> None:
    """Neither events, nor states, nor the past, whatever the filter names."""
    async with (
        serving() as scene,
        event_source(scene, "?after=e1-0&session=main", x_who="other/key:9/read") as other,
    ):
        scene.hub.publish(message("secret"))
        scene.hub.publish(message("theirs", workspace="other"))
        assert (await other.next()).json["data"]["head"] == "e1-0"
        seen = [await other.next(), await other.next()]
        assert [event.json["workspace"] for event in seen] == ["other", "other"]
        assert [event.type for event in seen] == ["connection_status", "new_message"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("?types=new_message,nonsense", "unknown_event_type"),
        ("?after=nonsense", "invalid_cursor"),
        ("?session=UPPER", "invalid_id"),
        ("?chat=main", "invalid_jid"),
        ("?chat=main:x@y", "invalid_jid"),
        ("?colour=red", "unknown_parameter"),
        ("?session=" + "a" * 9000, "invalid_parameter"),
        ("?session=" + ",".join(f"s{n}" for n in range(201)), "invalid_parameter"),
    ],
)
async def test_what_cannot_be_is_refused(query: str, code: str) -> None:
    """Before the stream opens, as a problem."""
    async with serving() as scene, httpx.AsyncClient() as client:
        answer = await client.get(f"http://{scene.base}/v1/events{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert len(scene.streams) == 0


async def test_a_credential_has_so_many_streams() -> None:
    """One more is refused until one closes; others are not concerned."""
    limits = StreamLimits(per_credential=1, tick_seconds=UNIT)
    async with serving(limits=limits) as scene, httpx.AsyncClient() as client:
        async with event_source(scene) as source, event_source(scene, x_who="acme/key:2/read"):
            await source.next("hello")
            answer = await client.get(f"http://{scene.base}/v1/events")
            assert (answer.status_code, answer.json()["code"]) == (429, "too_many_streams")
        await until(lambda: len(scene.streams) == 0)
        async with event_source(scene) as source:
            await source.next("hello")


async def test_head_opens_no_stream() -> None:
    """It answers the headers."""
    async with serving() as scene, httpx.AsyncClient() as client:
        answer = await client.head(f"http://{scene.base}/v1/events")
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert len(scene.streams) == 0


async def test_a_ping_moves_an_idle_streams_place() -> None:
    """A filtered stream that saw nothing match comes back after what it did not want."""
    limits = StreamLimits(ping_seconds=2 * UNIT, tick_seconds=UNIT)
    async with serving(limits=limits) as scene, event_source(scene, "?types=qr") as source:
        await source.next("hello")
        scene.hub.publish(message())
        async with asyncio.timeout(10):
            while (ping := await source.next("ping")).json["data"]["head"] != "e1-1":
                pass
        assert (ping.id, ping.json["id"], source.last_event_id) == ("", None, "e1-1")


async def test_a_revoked_credential_ends_its_streams() -> None:
    """Within a tick, with a word why; another's stays."""
    async with (
        serving() as scene,
        event_source(scene) as mine,
        event_source(scene, x_who="acme/key:2/read") as other,
    ):
        await mine.next("hello")
        scene.revoked.add("key:1")
        await mine.rest()
        assert mine.comments == ["the credential ended"]
        scene.hub.publish(message())
        assert (await other.next("new_message")).id == "e1-1"


async def test_a_restart_ends_the_streams() -> None:
    """They end cleanly, and no new one opens."""
    async with serving() as scene, event_source(scene) as source, httpx.AsyncClient() as client:
        await source.next("hello")
        await scene.streams.close()
        await source.rest()
        assert source.comments == ["restart"]
        assert len(scene.streams) == 0
        answer = await client.get(f"http://{scene.base}/v1/events")
        assert (answer.status_code, answer.json()["code"]) == (503, "stopping")


async def test_a_client_that_leaves_is_forgotten() -> None:
    """Though nothing is sent to it."""
    async with serving() as scene:
        async with event_source(scene) as source:
            await source.next("hello")
            assert (len(scene.streams), scene.hub.stats.subscribers) == (1, 1)
        await until(lambda: len(scene.streams) == 0)
        assert scene.hub.stats.subscribers == 0


def never_reading(base: str, target: str = "/v1/events", *more: str) -> socket.socket:
    """Return a connection that asks for a stream and reads nothing."""
    host, _, port = base.partition(":")
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((host, int(port)))
    head = "\r\n".join((f"GET {target} HTTP/1.1", f"Host: {base}", *more))
    client.sendall(f"{head}\r\n\r\n".encode())
    return client


def read_to_the_end(client: socket.socket) -> None:
    """Read what is there until the connection ends."""
    while client.recv(1 << 20):
        pass


async def test_a_slow_reader_is_dropped_and_a_healthy_one_sees_all() -> None:
    """At once cut, since it does not read; it may come back with its place."""
    bounds = HubBounds(subscriber_bytes=200_000, ring_events=100_000)
    async with serving(bounds) as scene:
        slow = never_reading(scene.base)
        try:
            await until(lambda: len(scene.streams) == 1)
            async with event_source(scene, x_who="acme/key:2/read") as healthy:
                await healthy.next("hello")
                number = 0
                async with asyncio.timeout(20):
                    while scene.hub.stats.slow == 0:
                        number += 1
                        scene.hub.publish(message("x" * 1000))
                        assert (await healthy.next("new_message")).id == f"e1-{number}"
                assert (len(scene.streams), scene.hub.stats.slow) == (1, 1)
            slow.settimeout(5)
            with pytest.raises(ConnectionResetError):
                read_to_the_end(slow)
        finally:
            slow.close()


async def test_a_reader_that_fell_out_of_the_ring_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """It reads, so its answer can end as an answer does; the log has nothing to complain of."""
    async with serving(HubBounds(ring_events=16)) as scene, event_source(scene) as source:
        await source.next("hello")
        for _ in range(100):
            scene.hub.publish(message())
        await source.rest()
        assert source.comments == ["slow"]
        assert scene.hub.stats.slow == 1
    assert "completing response" not in caplog.text


async def test_a_head_that_never_ends_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is a connection that says nothing; a stream is not cut by it."""
    monkeypatch.setattr(uvicorn_protocols, "HEAD_SECONDS", 4 * UNIT)
    async with serving() as scene, event_source(scene) as source:
        await source.next("hello")
        host, _, port = scene.base.partition(":")
        for begun in (b"", b"GET /v1/events HTT", b"GET /v1/events HTTP/1.1\r\na: b\r\n"):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(begun)
            async with asyncio.timeout(5):
                assert await reader.read() == b""
            writer.close()
        scene.hub.publish(message())
        assert (await source.next("new_message")).id == "e1-1"


async def test_a_reader_that_died_in_a_quiet_workspace_is_dropped() -> None:
    """Its send lasts too long, though little waits."""
    async with serving(HubBounds(stall_sweeps=3)) as scene:
        dead = never_reading(scene.base)
        try:
            await until(lambda: len(scene.streams) == 1)
            for _ in range(4):
                scene.hub.publish(message("x" * 200_000))
            await until(lambda: scene.hub.stats.slow == 1)
        finally:
            dead.close()


async def test_a_blocked_reader_does_not_hold_up_a_restart() -> None:
    """It is cut at the deadline."""
    async with serving() as scene:
        dead = never_reading(scene.base)
        try:
            await until(lambda: len(scene.streams) == 1)
            for _ in range(4):
                scene.hub.publish(message("x" * 200_000))
            (stream,) = scene.streams.heartbeat.streams
            await until(lambda: stream.busy)
            async with asyncio.timeout(5):
                await scene.streams.close(deadline_seconds=2 * UNIT)
            assert len(scene.streams) == 0
        finally:
            dead.close()


async def test_it_works_under_a_server_without_our_protocols() -> None:
    """Only the cut of a blocked reader is missing there."""
    async with serving(plain=True) as scene, event_source(scene) as source:
        await source.next("hello")
        scene.hub.publish(message())
        assert (await source.next("new_message")).id == "e1-1"


async def test_pings_pass_a_types_filter_under_any_server() -> None:
    """They are the stream's own."""
    limits = StreamLimits(ping_seconds=2 * UNIT, tick_seconds=UNIT)
    async with (
        serving(limits=limits, plain=True) as scene,
        event_source(scene, "?types=qr") as source,
    ):
        assert [(await source.next()).type for _ in range(3)] == ["hello", "ping", "ping"]


async def test_a_narrow_replay_passes_over_what_it_does_not_want() -> None:
    """In steps, so that others have their turn."""
    async with serving() as scene:
        for _ in range(5000):
            scene.hub.publish(message())
        scene.hub.publish(message("mine", session="second", chat="second:551@s.whatsapp.net"))
        async with event_source(scene, "?after=e1-0&session=second") as source:
            assert (await source.next("new_message")).id == "e1-5001"
