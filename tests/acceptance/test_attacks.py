"""What a hostile or unlucky client does to a running daemon, and that it does not matter."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import httpx
import pytest

from tests.support.daemon import Daemon, User
from tests.support.waiting import eventually

LISTED = "https://crm.example.org"
MUCH = b"a: b\r\n" * 100_000
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"


async def connect(daemon: Daemon) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection for bytes that no HTTP client would send."""
    return await asyncio.open_connection("127.0.0.1", int(daemon.base.rpartition(":")[2]))


async def answer_to(daemon: Daemon, data: bytes) -> bytes:
    """Send it all, and return what comes until the daemon hangs up."""
    reader, writer = await connect(daemon)
    answer = b""
    try:
        async with asyncio.timeout(10):
            writer.write(data)
            while part := await reader.read(4096):
                answer += part
    except ConnectionError:
        pass  # it hung up while there was more to come
    finally:
        writer.close()
    return answer


def credential(user: User) -> bytes:
    """Return the header."""
    return f"Host: zapd\r\nX-Api-Key: {user.key}\r\n".encode()


@pytest.mark.parametrize(
    "endless",
    [
        b"GET /livez HTTP/1.1\r\n" + MUCH,
        b"GET /livez HTTP/1.1\r\na: " + MUCH.replace(b"\r\n", b""),
        b"GET /" + b"a" * 600_000,
    ],
    ids=["headers", "a header", "a path"],
)
async def test_a_head_without_end_is_refused(daemon: Daemon, endless: bytes) -> None:
    """Before anybody is known, nothing may fill the memory."""
    answer = await answer_to(daemon, endless)
    assert answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))


@pytest.mark.parametrize(
    "endless", [b"2\r\n{}\r\n0\r\n" + MUCH, b"5;" + b"a" * 600_000], ids=["trailers", "a chunk"]
)
async def test_a_body_whose_frame_has_no_end_is_cut(
    daemon: Daemon, user: User, endless: bytes
) -> None:
    """Trailers and chunk extensions are a head by another name."""
    head = b"POST /v1/sessions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + credential(user)
    assert b" 201 " not in await answer_to(daemon, head + b"\r\n" + endless)


async def test_a_trailer_is_no_header(daemon: Daemon, user: User) -> None:
    """It comes after whatever a proxy in front has checked."""
    head = b"POST /v1/sessions HTTP/1.1\r\nHost: zapd\r\nTransfer-Encoding: chunked\r\n\r\n"
    trailer = f"X-Api-Key: {user.key}\r\n\r\n".encode()
    last = b"GET /livez HTTP/1.1\r\nHost: zapd\r\nConnection: close\r\n\r\n"
    answer = await answer_to(daemon, head + b"2\r\n{}\r\n0\r\n" + trailer + last)
    assert answer.startswith(b"HTTP/1.1 401 ")


async def test_a_stream_with_a_request_behind_it_ends_with_its_connection(
    daemon: Daemon, user: User
) -> None:
    """It was kept, counted against its credential, and written to until that failed."""
    session = await user.paired()
    reader, writer = await connect(daemon)
    head = credential(user) + b"\r\n"
    writer.write(b"GET /v1/events HTTP/1.1\r\n" + head + b"GET /livez HTTP/1.1\r\n" + head)
    await reader.readuntil(b"event: hello")
    writer.transport.abort()
    for number in range(20):
        await user.receive(session, str(number))
    assert not [line for line in daemon.log if "Exception" in line or "ERROR" in line]


async def test_a_handshake_that_is_none_is_answered(daemon: Daemon, user: User) -> None:
    """It was left waiting for ever."""
    head = b"POST /v1/ws HTTP/1.1\r\n" + UPGRADE + credential(user) + b"\r\n"
    assert (await answer_to(daemon, head)).startswith(b"HTTP/1.1 400 ")


async def test_a_slash_too_many_is_no_such_route(user: User) -> None:
    """A redirect would name the Host that the client sent, and plain http behind a proxy."""
    response = await user.http.get("/v1/sessions/", headers={"Host": "evil.example"})
    assert (response.status_code, response.json()["code"]) == (404, "route_not_found")


async def test_answers_are_never_a_page_and_never_shared(user: User) -> None:
    """A label may hold markup; a proxy may hold answers."""
    headers = (await user.http.get("/v1/sessions")).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "private, no-cache"


async def test_the_description_tells_how_to_follow(user: User) -> None:
    """A client made from it can filter a stream and resume it."""
    paths = (await user.get("/openapi.json"))["paths"]
    told = {
        path: [part["name"] for part in paths[path]["get"]["parameters"]]
        for path in ("/v1/events", "/v1/poll")
    }
    filters = ["after", "session", "chat", "types"]
    assert told == {"/v1/events": [*filters, "Last-Event-ID"], "/v1/poll": [*filters, "timeout"]}


async def test_a_listed_page_may_resume_a_stream_by_fetch(tmp_path: Path) -> None:
    """EventSource cannot show a token; who streams by fetch() sends Last-Event-ID by hand."""
    daemon = await Daemon(tmp_path / "data", settings={"ZAPD_CORS_ORIGINS": LISTED}).start()
    headers = {
        "Origin": LISTED,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization,last-event-id",
    }
    try:
        async with httpx.AsyncClient(base_url=daemon.base) as client:
            allowed = await client.options("/v1/events", headers=headers)
            other = await client.options(
                "/v1/events", headers=headers | {"Origin": "https://evil.example"}
            )
    finally:
        await daemon.end()
    assert allowed.headers["access-control-allow-origin"] == LISTED
    assert (allowed.status_code, other.status_code) == (200, 400)
    assert "access-control-allow-origin" not in other.headers


async def test_nothing_is_accepted_into_a_file_that_was_removed(daemon: Daemon, user: User) -> None:
    """SQLite writes on, and what was accepted would be gone with the process."""
    session = await user.paired()
    shutil.rmtree(daemon.data_dir)
    path = f"/v1/chats/{session}:5511999990000/messages"
    refused = await user.http.post(path, json={"type": "text", "text": "x"})
    assert (refused.status_code, refused.json()["code"]) == (503, "storage_failed")
    assert "removed" in refused.json()["detail"]
    assert await eventually(lambda: user.get("/livez"))
