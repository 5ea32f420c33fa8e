"""The daemon is killed while messages arrive from the real core: nothing twice, nothing forgotten."""

from __future__ import annotations

import asyncio
import random
import signal
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from daemon.history.sqlite import SqliteHistory
from sessions.ids import ChatRef
from tests.acceptance.whatsapp import chat_of, running
from tests.loopback.contact import Contact
from tests.loopback.phone import Phone
from tests.support.daemon import User
from tests.support.waiting import eventually

KILLS = 5
MESSAGES = 600
PEOPLE = 3
PACE = 0.01  # seconds between two messages: some fifty arrive in each life


async def _write(people: list[Contact], phone: Phone, numbers: list[int]) -> None:
    for number in numbers:
        await people[number % len(people)].send_text(phone, f"number {number}")
        await asyncio.sleep(PACE)


async def _listen(user: User, told: list[str]) -> None:
    """Note the ids of what is told; ends with the daemon."""
    with suppress(httpx.TransportError):
        async with user.stream(types="new_message") as stream:
            while not stream.closed.is_set() or not stream.seen:
                await asyncio.wait_for(stream.closed.wait(), 60)
            told += [event.data["id"] for event in stream.seen if event.type == "new_message"]


async def _messages(user: User, chat: str) -> list[Any]:
    found: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = await user.get(f"/v1/chats/{chat}/messages", limit=200, **cursor)
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


async def _all_here(user: User, chats: list[str]) -> list[list[Any]]:
    """Return the messages of the chats when as many are there as were sent."""

    async def look() -> list[list[Any]] | None:
        found = [await _messages(user, chat) for chat in chats]
        return found if sum(map(len, found)) >= MESSAGES else None

    return await eventually(look, 60)


async def _kept(data_dir: Path, people: list[Contact]) -> set[str]:
    """Return the ids of what a daemon that was killed had kept."""
    store = await SqliteHistory.open(data_dir)
    try:
        refs = [ChatRef("default", "main", str(person.pn_jid)) for person in people]
        pages = [await store.before(ref, None, MESSAGES) for ref in refs]
        return {message.id for page in pages for _, message in page}
    finally:
        await store.close()


@pytest.mark.timeout(240)
async def test_each_message_is_kept_and_counted_once(tmp_path: Path) -> None:
    """Five kills: each message is there once and in order, and each chat's unread count is exact.

    What was kept before a kill is not told again after it.
    """
    dice = random.Random(3)  # noqa: S311 - moments of kills
    async with running(tmp_path) as rig:
        phone = await rig.paired("main", 1)
        people = [rig.contact(number, f"P{number}") for number in range(PEOPLE)]
        writing = asyncio.ensure_future(_write(people, phone, list(range(MESSAGES))))
        kept: set[str] = set()
        for _ in range(KILLS):
            told: list[str] = []
            listening = asyncio.ensure_future(_listen(rig.user, told))
            await asyncio.sleep(dice.uniform(0.3, 1.5))
            await rig.daemon.end(signal.SIGKILL)
            await listening
            assert kept.isdisjoint(told)
            kept = await _kept(rig.daemon.data_dir, people)
            await rig.daemon.start()
            await rig.user.in_state("main", "connected")
        await writing
        chats = [chat_of(person) for person in people]
        found = await _all_here(rig.user, chats)
        for chat, messages in zip(chats, found, strict=True):
            _check(chat, messages)
        assert await _unread(rig.user, chats) == [len(messages) for messages in found]
        await rig.user.post(f"/v1/chats/{chats[0]}/read")  # answered when all is kept
        await rig.daemon.end(signal.SIGKILL)
        await rig.daemon.start()
        assert found == [await _messages(rig.user, chat) for chat in chats]
        assert await _unread(rig.user, chats) == [0, *map(len, found[1:])]


async def _unread(user: User, chats: list[str]) -> list[int]:
    return [(await user.get(f"/v1/chats/{chat}"))["unread"] for chat in chats]


def _check(chat: str, messages: list[Any]) -> None:
    """Newest first: the numbers fall by the number of people, the times never rise."""
    numbers = [int(message["text"].split()[1]) for message in messages]
    assert len(messages) == MESSAGES // PEOPLE, chat
    assert {newer - older for newer, older in pairwise(numbers)} == {PEOPLE}
    assert all(newer["at"] >= older["at"] for newer, older in pairwise(messages))
