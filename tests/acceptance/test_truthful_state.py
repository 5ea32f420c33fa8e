"""A session says what is true of it: a line that is deaf, and what the engine cannot do."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import pytest_asyncio

from tests.loopback.phone import Phone
from tests.loopback.server import LoopbackWhatsApp
from tests.support.daemon import Daemon, User
from tests.support.engine import UNIT
from tests.support.waiting import eventually

CHAT = "main:5511999990000@s.whatsapp.net"
UNABLE = ("archive", "unarchive", "pin", "unpin", "mute", "unmute", "history")


class Rig(NamedTuple):
    """A connected session whose daemon asks quiet lines soon, and its phone."""

    user: User
    phone: Phone


@pytest_asyncio.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """Yield a session that is paired, with time in one scaled unit."""
    tuned = (f"probe.PROBE_PATIENCE={10 * UNIT}", f"provider.SLOW_DELAY={30 * UNIT}")
    module = "tests.unit.sessions.provider.neonize.hasty_worker"
    async with LoopbackWhatsApp() as whatsapp:
        options = [part for setting in tuned for part in ("--tune", setting)]
        command = [sys.executable, "-m", module, *options, *whatsapp.worker_command()[2:]]
        settings = {"ZAPD_PROBE_AFTER_SECONDS": str(max(1.0, 10 * UNIT))}
        daemon = Daemon(tmp_path / "data", worker_command=command, settings=settings)
        await daemon.start()
        phone = whatsapp.phone("5511900000001", lid="100000000000001")
        async with daemon.user() as user:
            await user.session("main", "whatsapp")
            await phone.scan(await user.qr("main"))
            await phone.connected()
            await user.in_state("main", "connected")
            yield Rig(user, phone)
        await daemon.end()


async def test_a_deaf_line_is_found_healed_and_at_last_told_to_a_person(rig: Rig) -> None:
    """Nobody sends anything: the daemon asks by itself; deaf twice, a person is to look."""
    async with rig.user.stream(types="connection_status") as stream:
        for code, word in (("deaf", "anew"), ("still_deaf", "phone")):
            rig.phone.silence()
            down = await stream.next(
                "connection_status", lambda event: event.data["state"] == "disconnected"
            )
            assert down.data["code"] == code
            assert word in down.data["user_action"]
            up = await stream.next("connection_status", lambda event: event.envelope["connected"])
            assert up.data["code"] is None
    session = await rig.user.get("/v1/sessions/main")
    assert session["last_received_at"] is None  # an answer to a probe is no message


@pytest.mark.parametrize("what", UNABLE)
async def test_what_the_engine_cannot_do_is_said(user: User, what: str) -> None:
    """501 with a sentence and an action, whatever the body; neither a 404 nor a lie."""
    await user.session("main")
    answer = await user.http.post(f"/v1/chats/{CHAT}/{what}", json={"until": None})
    problem = answer.json()
    assert answer.status_code == httpx.codes.NOT_IMPLEMENTED
    assert problem["code"] == "unsupported"
    assert "cannot" in problem["detail"]
    assert problem["user_action"]


async def test_a_session_that_does_not_exist_is_not_found_first(user: User) -> None:
    """Nobody learns what a session of another workspace could do."""
    answer = await user.http.post("/v1/chats/none:5511999990000/archive")
    assert (answer.status_code, answer.json()["code"]) == (404, "session_not_found")


async def test_a_worker_that_has_grown_is_renewed_and_its_session_comes_back(
    tmp_path: Path,
) -> None:
    """The real core is over so low a bound at once: drained, told as rehosting, connected again."""
    settings = {
        "ZAPD_WORKER_MAX_RSS": "64MiB",
        "ZAPD_WORKER_REST_SECONDS": "0",
        "ZAPD_PAIRING_HOST_SECONDS": str(UNIT),
    }
    async with LoopbackWhatsApp() as whatsapp:
        daemon = Daemon(
            tmp_path / "data", worker_command=whatsapp.worker_command(), settings=settings
        )
        await daemon.start()
        alice = whatsapp.contact("5511999990001", lid="200000000000002", name="Alice")
        phone = whatsapp.phone("5511900000001", lid="100000000000001")
        async with daemon.user() as user, user.stream() as stream:
            await user.session("main", "whatsapp")
            await phone.scan(await user.qr("main"))
            await stream.next("connection_status", lambda event: event.envelope["connected"])
            before = daemon.workers()
            await stream.next("connection_status", lambda event: event.data["code"] == "rehosting")
            await alice.send_text(phone, "meanwhile")
            await stream.next("connection_status", lambda event: event.envelope["connected"])

            async def arrived() -> bool:
                chats = (await user.get("/v1/chats"))["items"]
                return [chat["last_message"]["text"] for chat in chats] == ["meanwhile"]

            await eventually(arrived)
            assert daemon.workers() != before
        await daemon.end()
