"""The daemon is killed while messages arrive from the real core, and its history is in PostgreSQL."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.whatsapp import chat_of, running
from tests.loopback.contact import Contact
from tests.loopback.phone import Phone
from tests.supabase.postgres import Postgres
from tests.supabase.rig import Rig as Project, open_rig
from tests.support.daemon import User
from tests.support.waiting import eventually

KILLS = (0.4, 0.9)  # seconds after a life has begun to take messages
MESSAGES = 180
PACE = 0.01  # seconds between two messages


@pytest.fixture
def project() -> Iterator[Project]:
    """Give a Supabase project."""
    server = Postgres()
    try:
        with open_rig(server.start()) as rig:
            yield rig
    finally:
        server.close()


async def _write(people: list[Contact], phone: Phone) -> None:
    for number in range(MESSAGES):
        await people[number % 2].send_text(phone, f"number {number}")
        await asyncio.sleep(PACE)


@pytest.mark.timeout(120)
async def test_each_message_is_kept_and_counted_once(tmp_path: Path, project: Project) -> None:
    """Two kills: each message is told by the API once and in order, unread counts are exact."""
    settings = {
        "ZAPD_HISTORY": "supabase",
        "ZAPD_SUPABASE_URL": project.url,
        "ZAPD_SUPABASE_KEY": project.secret_key,
    }
    async with running(tmp_path, **settings) as rig:
        phone = await rig.paired("main", 1)
        people = [rig.contact(1, "Alice"), rig.contact(2, "Bob")]
        chats = [chat_of(person) for person in people]
        writing = asyncio.ensure_future(_write(people, phone))
        for seconds in KILLS:
            await asyncio.sleep(seconds)
            await rig.daemon.end(signal.SIGKILL)
            await rig.daemon.start()
            await rig.user.in_state("main", "connected")
        await writing

        async def all_here() -> list[Any] | None:
            found = [
                (await rig.user.get(f"/v1/chats/{chat}/messages", limit=200))["items"]
                for chat in chats
            ]
            return found if sum(map(len, found)) >= MESSAGES else None

        found = await eventually(all_here, 60)
        for messages in found:
            numbers = [int(message["text"].split()[1]) for message in messages]
            assert {newer - older for newer, older in pairwise(numbers)} == {2}
            assert len(numbers) == MESSAGES // 2
        assert await _unread(rig.user, chats) == [MESSAGES // 2] * 2
        await rig.daemon.end(signal.SIGKILL)
        await rig.daemon.start()
        assert await _unread(rig.user, chats) == [MESSAGES // 2] * 2
    rows = project.rows("select unread::int from chats_history where unread > 0")
    assert rows == [{"unread": MESSAGES // 2}] * 2
    assert project.rows("select count(*) as n from messages_history") == [{"n": MESSAGES}]


async def _unread(user: User, chats: list[str]) -> list[int]:
    return [(await user.get(f"/v1/chats/{chat}"))["unread"] for chat in chats]
