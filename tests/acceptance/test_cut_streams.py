"""What a client has after its line was cut: every event once, or an honest reset."""

from __future__ import annotations

import asyncio

from tests.support.daemon import User
from tests.support.stream import Stream

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
