"""A number is paired, held in RAM and streamed live: the whole slice, with the sandbox."""

from __future__ import annotations

import asyncio
import signal

from tests.support.daemon import Daemon, User

CHAT = "main:5511999990000@s.whatsapp.net"


async def test_a_message_reaches_an_open_stream_and_can_be_read_back(user: User) -> None:
    """What a stream shows is in the cache by then: cache before hub."""
    await user.paired()
    async with user.stream() as stream:
        id = await user.receive("main", "oi")
        event = await stream.next("new_message")
        assert event.data == await user.get(f"/v1/messages/{id}")
        assert (event.data["text"], event.envelope["source"]) == ("oi", "live")


async def test_a_new_chat_is_told_once_before_its_first_message(user: User) -> None:
    """`new_chat` comes once in a chat's life, and first."""
    await user.paired()
    async with user.stream(types="new_chat,new_message") as stream:
        for text in ("one", "two"):
            await user.receive("main", text)
        await stream.next("new_message", lambda event: event.data["text"] == "two")
        told = [event.type for event in stream.seen if event.id]
        assert told == ["new_chat", "new_message", "new_message"]


async def test_a_text_is_sent_and_its_ticks_advance(user: User) -> None:
    """202 with the message as pending; sent, delivered and read follow as events."""
    await user.paired()
    async with user.stream() as stream:
        body = {"type": "text", "text": "Bom dia", "client_ref": "r1"}
        sent = await user.post(f"/v1/chats/{CHAT}/messages", body)
        assert (sent["status"], sent["client_ref"]) == ("pending", "r1")
        statuses = []
        while "read" not in statuses:
            ack = await stream.next("message_ack")
            assert ack.data["messageId"] == sent["id"]
            statuses.append(ack.data["status"])
        assert statuses == ["sent", "delivered", "read"]
    message = await user.get(f"/v1/messages/{sent['id']}")
    assert message["wa_id"].startswith("SANDBOX")


async def test_the_snapshot_and_the_stream_fit_together(user: User) -> None:
    """`as_of` is where the list stops and the stream goes on."""
    await user.paired()
    await user.receive("main", "before")
    snapshot = await user.get("/v1/chats")
    await user.receive("main", "after")
    async with user.stream(after=snapshot["as_of"], types="new_message") as stream:
        event = await stream.next("new_message")
    assert snapshot["items"][0]["last_message"]["text"] == "before"
    assert event.data["text"] == "after"


async def test_reading_a_chat_clears_its_count(user: User) -> None:
    """Unread counts what came in, and reading tells everybody."""
    await user.paired()
    await user.receive("main", "one")
    await user.receive("main", "two")
    assert (await user.get(f"/v1/chats/{CHAT}"))["unread"] == 2
    assert len((await user.get("/v1/chats", unread="true"))["items"]) == 1
    async with user.stream() as stream:
        await user.post(f"/v1/chats/{CHAT}/read")
        assert (await stream.next("chat_updated")).data["unread"] == 0
    assert (await user.get("/v1/chats", unread="true"))["items"] == []


async def test_the_line_goes_and_comes_back(user: User) -> None:
    """A drop is a state with a code, and no stream notices otherwise."""
    await user.paired()
    async with user.stream(types="connection_status") as stream:
        await user.post("/v1/sessions/main/sandbox/drop")
        lost = await stream.next("connection_status", lambda e: e.data["code"] == "line_lost")
        assert lost.envelope["connected"] is False
        back = await stream.next("connection_status", lambda e: e.envelope["connected"])
        assert back.data["state"] == "connected"


async def test_the_phone_unlinks_and_a_person_is_told_what_to_do(user: User) -> None:
    """Logged out is a state with a user action; starting again shows a new code."""
    await user.paired()
    await user.post("/v1/sessions/main/sandbox/logout")
    ended = await user.in_state("main", "logged_out")
    assert ended["code"] == "unlinked_by_phone"
    assert "scan" in ended["user_action"]
    await user.post("/v1/sessions/main/start")
    assert await user.qr("main")


async def test_stopping_tells_the_streams_last(daemon: Daemon, user: User) -> None:
    """SIGTERM drains, closes the streams, and ends with 0."""
    await user.paired()
    async with user.stream() as stream:
        await stream.next("hello")
        code = await daemon.end(signal.SIGTERM)
        await asyncio.wait_for(stream.closed.wait(), 5)
    assert code == 0
