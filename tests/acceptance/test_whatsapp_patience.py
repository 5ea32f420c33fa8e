"""What takes the time that the core gives it, run side by side: codes that expire, a deaf line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
import pytest_asyncio

from tests.acceptance.whatsapp import Rig, running
from tests.loopback.phone import Phone
from tests.support.stream import Stream

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Waiting(NamedTuple):
    """Two sessions whose time runs, and a stream that saw it begin."""

    rig: Rig
    silent: Phone
    stream: Stream


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def waiting(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Waiting]:
    """Begin both: a session that nobody pairs, and one whose line carries nothing any more."""
    async with running(tmp_path_factory.mktemp("patience")) as rig:
        rig.whatsapp.qr_refs = 2  # 20 s each: the core counts that, it cannot be hurried
        silent = await rig.paired("silent", 1)
        async with rig.user.stream(types="qr,connection_status") as stream:
            silent.silence()
            await rig.user.session("unpaired", "whatsapp")
            await rig.user.qr("unpaired")
            yield Waiting(rig, silent, stream)


async def test_a_line_that_carries_nothing_is_noticed(waiting: Waiting) -> None:
    """TCP stands, pings stay unanswered: told within a minute."""
    told = await waiting.stream.next(
        "connection_status", lambda event: event.data["code"] == "keepalive_timeout", 50
    )
    assert (told.data["id"], told.data["state"]) == ("silent", "disconnected")


async def test_codes_change_and_then_expire(waiting: Waiting) -> None:
    """Each code is another; after the last, what to do."""
    found = await waiting.rig.user.in_state("unpaired", "failed", 50)
    assert (found["code"], bool(found["user_action"])) == ("pairing_expired", True)
    codes = [event.data["qr"] for event in waiting.stream.seen if event.type == "qr"]
    assert len(codes) == len(set(codes)) == 2
    await waiting.rig.user.post("/v1/sessions/unpaired/start")
    await waiting.rig.user.qr("unpaired")


async def test_a_deaf_line_comes_back_when_it_is_heard_again(waiting: Waiting) -> None:
    """Cut at last, the core connects anew and the session is connected."""
    await waiting.silent.drop()
    await waiting.rig.user.in_state("silent", "connected")
