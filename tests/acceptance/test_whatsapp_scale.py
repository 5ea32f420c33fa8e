"""Many at once: fifty sessions, ten thousand messages."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.acceptance.whatsapp import Rig, chat_of, running
from tests.loopback.phone import Phone
from tests.support.stream import Stream

SESSIONS = 50
MESSAGES = 10_000
AHEAD = 1_500
"""How many messages a server lets stand unacknowledged: fewer than the core's queue of 2,048."""


@pytest_asyncio.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """A daemon without a session."""
    async with running(tmp_path) as made:
        yield made


async def test_fifty_sessions_at_once(rig: Rig) -> None:
    """All pair at the same time, each gets its own message, and each answers."""
    names = [f"s{number}" for number in range(SESSIONS)]
    anna = rig.contact(1, "Anna")
    async with rig.user.stream(types="new_message") as stream:
        phones = await asyncio.gather(*(rig.paired(n, 1 + k) for k, n in enumerate(names)))
        for name, phone in zip(names, phones, strict=True):
            await anna.send_text(phone, f"to {name}")
        told = [await stream.next("new_message", seconds=30) for _ in names]
    assert {(event.envelope["session"], event.data["text"]) for event in told} == {
        (name, f"to {name}") for name in names
    }
    for name in names:
        path = f"/v1/chats/{chat_of(anna, name)}/messages"
        await rig.user.post(path, {"type": "text", "text": f"from {name}"})
    answers = {(await anna.next_message()).text for _ in names}
    assert answers == {f"from {name}" for name in names}


async def test_a_burst_keeps_its_order_at_the_pace_of_its_acks(rig: Rig) -> None:
    """10,000 messages, never more unacknowledged than the core's queue holds: once, in order."""
    phone = await rig.paired("main", 1)
    texts = [f"burst {number}" for number in range(MESSAGES)]
    assert await _told(rig, phone, texts, AHEAD) == texts


async def test_a_burst_that_waits_for_nothing_is_whole(rig: Rig) -> None:
    """10,000 messages at once: each comes once; above its queue the core gives up their order."""
    phone = await rig.paired("main", 1)
    texts = [f"burst {number}" for number in range(MESSAGES)]
    assert sorted(await _told(rig, phone, texts, MESSAGES)) == sorted(texts)


async def _told(rig: Rig, phone: Phone, texts: list[str], ahead: int) -> list[str]:
    """Send texts, ``ahead`` of them before the acknowledgement of the first is awaited.

    Return what streams tell, at once or after a reconnect: this process is sender, WhatsApp
    and listener, and a listener that is too slow is cut off.
    """
    anna = rig.contact(1, "Anna")
    nodes = anna.encrypt_texts(phone, texts)
    async with rig.user.stream(types="new_message,connection_status") as stream:
        for start in range(0, len(nodes), ahead):
            await phone.deliver(nodes[start : start + ahead])
            sent = {node.text("id") for node in nodes[: start + ahead]}
            await _acknowledged(phone, sent)
        told = await _read(stream)
    while len(told) < len(texts):
        async with rig.user.stream(after=stream.last_id, types="new_message") as stream:
            told += await _read(stream)
    chat = await rig.user.get(f"/v1/chats/{chat_of(anna)}")
    assert chat["unread"] == len(texts)
    return told


async def _acknowledged(phone: Phone, sent: set[str]) -> None:
    await phone.until(lambda: len(phone.acked) >= len(sent), 40)


async def _read(stream: Stream) -> list[str]:
    """Return the texts that the stream tells until it falls silent or is cut."""
    with contextlib.suppress(TimeoutError):
        while True:
            await stream.next("new_message", seconds=2)
    return [str(e.data["text"]) for e in stream.seen if e.id and e.type == "new_message"]
