"""Many at once: fifty sessions, ten thousand messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio

from tests.acceptance.whatsapp import START_PATIENCE, Rig, chat_of, running
from tests.loopback.phone import Phone
from tests.support.following import Follower
from tests.support.stream import Event, Stream

SESSIONS = 50
MESSAGES = 10_000
AHEAD = 1_000
"""How many messages a server lets stand unacknowledged. The core queues 2,048 stanzas: these, and
as many answers to its receipts for those before them."""
RING_EVENTS = 3 * MESSAGES
"""A listener that was cut must find all of it: each message also changes its chat."""
PATIENCE = 30.0
"""Seconds for the next of many."""
END = "that was all"


@pytest_asyncio.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """A daemon without a session."""
    async with running(tmp_path, ZAPD_RING_EVENTS=str(RING_EVENTS)) as made:
        yield made


@pytest.mark.timeout(120)  # it starts sixty processes: the machine may have others to run, too
async def test_fifty_sessions_at_once(rig: Rig) -> None:
    """All pair at the same time, each gets its own message, and each answers."""
    names = [f"s{number}" for number in range(SESSIONS)]
    anna = rig.contact(1, "Anna")
    phones = await _paired(rig, names)
    async with rig.user.stream(types="new_message") as stream:
        for name in names:
            await anna.send_text(phones[name], f"to {name}")
        told = [await stream.next("new_message", seconds=PATIENCE) for _ in names]
    assert {(event.envelope["session"], event.data["text"]) for event in told} == {
        (name, f"to {name}") for name in names
    }
    for name in names:
        path = f"/v1/chats/{chat_of(anna, name)}/messages"
        await rig.user.post(path, {"type": "text", "text": f"from {name}"})
    answers = {(await anna.next_message(PATIENCE)).text for _ in names}
    assert answers == {f"from {name}" for name in names}


async def _paired(rig: Rig, names: list[str]) -> dict[str, Phone]:
    """Start all, scan each code as it is told, and return when all are connected.

    Streams tell; fifty who ask again and again would be most of the load.
    """
    phones = {name: rig.phone(1 + number) for number, name in enumerate(names)}
    async with (
        rig.user.stream(types="qr") as codes,
        rig.user.stream(types="connection_status") as states,
        asyncio.TaskGroup() as scans,
    ):
        for name in names:
            await rig.user.session(name, "whatsapp")
        async for event in _one_each(codes, "qr", names):
            phone = phones[event.envelope["session"]]
            scans.create_task(phone.scan(event.data["qr"]))
        async for event in _one_each(states, "connection_status", names):
            assert event.data["phone"] == f"+{phones[event.envelope['session']].number}"
    return phones


async def _one_each(stream: Stream, type: str, names: Iterable[str]) -> AsyncIterator[Event]:
    """Yield the first code of each session, or that it is connected, as they come."""
    missing = set(names)

    def fits(event: Event) -> bool:
        return event.envelope["session"] in missing and event.envelope.get("connected") is not False

    while missing:
        event = await stream.next(type, fits, seconds=START_PATIENCE)
        missing.remove(event.envelope["session"])
        yield event


async def test_a_burst_keeps_its_order_at_the_pace_of_its_acks(rig: Rig) -> None:
    """10,000 messages, never more unacknowledged than the core's queue holds: once, in order."""
    sent, told = await _burst(rig, AHEAD)
    assert told == sent


async def test_a_burst_that_waits_for_nothing_is_whole(rig: Rig) -> None:
    """10,000 messages at once: each comes once; above its queue the core gives up their order."""
    sent, told = await _burst(rig, MESSAGES)
    assert sorted(told) == sorted(sent)


async def _burst(rig: Rig, ahead: int) -> tuple[list[str], list[str]]:
    """Send messages, at most ``ahead`` unacknowledged; return the texts as sent and as told.

    A last message, when all are acknowledged, says that nothing more of them comes: one that
    came twice is seen.
    """
    phone = await rig.paired("main", 1)
    anna, bela = rig.contact(1, "Anna"), rig.contact(2, "Bela")
    texts = [f"burst {number}" for number in range(MESSAGES)]
    nodes = anna.encrypt_texts(phone, texts)
    listening = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        told = group.create_task(_told(rig, listening))
        await listening.wait()
        for end in range(ahead, MESSAGES + 1, ahead):
            await phone.deliver(nodes[end - ahead : end])
            await _acknowledged(phone, end)
        await bela.send_text(phone, END)
    assert (await rig.user.get(f"/v1/chats/{chat_of(anna)}"))["unread"] == MESSAGES
    return texts, told.result()


async def _acknowledged(phone: Phone, count: int) -> None:
    await phone.until(lambda: len(phone.acked) >= count, PATIENCE)


async def _told(rig: Rig, listening: asyncio.Event) -> list[str]:
    """Return what streams tell up to the end.

    More than one: this process is sender, WhatsApp and listener at once, and a listener that is
    too slow is cut off.
    """
    texts: list[str] = []
    async with aclosing(Follower(rig.user, "new_message").events()) as events:
        async for event in events:
            if event.type == "hello":
                listening.set()
            elif event.data["text"] == END:
                break
            else:
                texts.append(str(event.data["text"]))
    return texts
