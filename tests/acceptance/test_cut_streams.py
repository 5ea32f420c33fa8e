"""What a client has after its line was cut: every event once, or an honest reset."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.support.daemon import Daemon, User
from tests.support.stream import Stream


@pytest_asyncio.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    """Yield a daemon that lets a test write a thousand messages by as many requests."""
    settings = {"ZAPD_RATE_LIMIT": "100000", "ZAPD_RATE_BURST": "100000"}
    daemon = await Daemon(tmp_path / "data", settings=settings).start()
    yield daemon
    await daemon.end()


SENDERS = [f"+55119999{n:05d}" for n in range(10)]


async def _thousand(user: User) -> None:
    """Let ten contacts write a hundred messages each, ten at a time."""
    for n in range(100):
        await asyncio.gather(*(user.receive("main", f"{n}", sender) for sender in SENDERS))


async def _until(stream: Stream, head: str) -> list[str]:
    await stream.next("new_message", lambda event: event.id == head, seconds=30)
    return [event.id for event in stream.seen if event.id and event.type == "new_message"]


async def test_a_thousand_missed_events_come_once_each(user: User) -> None:
    """`Last-Event-ID` after a cut of 1,000 messages: no gap and no repeat."""
    await user.paired()
    await user.receive("main", "before")
    async with user.stream(types="new_message") as stream:
        before = (await user.get("/v1/chats"))["as_of"]
        await stream.next("hello")
    await _thousand(user)
    last = (await user.get("/v1/poll", after=before, timeout=0, types="new_message"))["items"]
    head = (await user.get("/v1/chats"))["as_of"]
    async with user.stream(after=before, types="new_message") as stream:
        got = await _until(stream, head)
    offsets = [int(id.rpartition("-")[2]) for id in got]
    assert len(got) == 1000
    assert offsets == sorted(set(offsets))
    assert [item["id"] for item in last] == got[: len(last)]


async def test_an_id_of_another_life_is_a_reset(user: User) -> None:
    """An unknown epoch is told at once: take a snapshot."""
    await user.paired()
    async with user.stream(after="0ther11fe-17") as stream:
        reset = await stream.next("stream_reset")
    assert reset.data["reason"] == "epoch_changed"
    assert reset.id is None


async def test_a_ticket_reopens_its_stream_after_a_cut(daemon: Daemon, user: User) -> None:
    """As EventSource does by itself: the same URL again, with the last id; nothing is lost."""
    await user.paired()
    ticket = (await user.post("/v1/tickets", {"use": "stream"}))["ticket"]
    async with User(daemon.base, "") as browser:
        async with browser.stream(ticket=ticket) as stream:
            await user.receive("main", "one")
            await stream.next("new_message")
            last = stream.last_id
        await user.receive("main", "two")
        async with browser.stream(after=last, ticket=ticket, types="new_message") as stream:
            assert (await stream.next("new_message")).data["text"] == "two"


async def test_a_newer_stream_of_a_ticket_ends_the_older(daemon: Daemon, user: User) -> None:
    """A ticket that leaked opens no second stream beside the first."""
    ticket = (await user.post("/v1/tickets", {"use": "stream"}))["ticket"]
    async with User(daemon.base, "") as browser, browser.stream(ticket=ticket) as older:
        await older.next("hello")
        async with browser.stream(ticket=ticket) as newer:
            await newer.next("hello")
            await asyncio.wait_for(older.closed.wait(), 5)
            assert not newer.closed.is_set()


async def test_a_revoked_key_ends_its_streams(daemon: Daemon, user: User) -> None:
    """Within a moment of `zapd key revoke`, also from another process."""
    async with user.stream() as stream:
        await stream.next("hello")
        await daemon.command("key", "revoke", user.key.split("_")[1])
        await asyncio.wait_for(stream.closed.wait(), 10)
    assert (await user.http.get("/v1/me")).status_code == 401
