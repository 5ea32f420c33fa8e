"""A message that cannot be decrypted, from somebody whose phone is off, with the real core."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sessions import events as e
from sessions.provider.optional import Counts
from tests.loopback.contact import Contact
from tests.loopback.nodes import Attribute
from tests.loopback.phone import Phone
from tests.loopback.server import LoopbackWhatsApp
from tests.support.engine import UNIT, passes
from tests.unit.sessions.provider.neonize.worker import Worker

WAIT = 10 * UNIT
Connect = Callable[[float], AbstractAsyncContextManager[Worker]]


class SwitchedOff:
    """A contact whose phone answers no retry receipt; what it was asked for is kept."""

    def __init__(self, contact: Contact, monkeypatch: pytest.MonkeyPatch) -> None:
        self._contact = contact
        self._kept: dict[str, tuple[dict[str, Attribute], bytes]] = {}
        self._keep = contact.keep
        monkeypatch.setattr(contact, "keep", self._forget)

    def _forget(self, attrs: dict[str, Attribute], payload: bytes) -> None:
        self._kept[str(attrs["id"])] = attrs, payload

    async def comes_on(self, phone: Phone, wa_id: str) -> None:
        """Answer at last."""
        self._keep(*self._kept[wa_id])
        again = self._contact.again(phone.companion, wa_id)
        assert again is not None
        await phone.deliver([again])


@pytest.fixture
async def whatsapp() -> AsyncIterator[LoopbackWhatsApp]:
    """A started server."""
    async with LoopbackWhatsApp() as server:
        yield server


@pytest.fixture
def phone(whatsapp: LoopbackWhatsApp) -> Phone:
    """The account's phone, nothing linked."""
    return whatsapp.phone("5511900000001", lid="100000000000001")


@pytest.fixture
def alice(whatsapp: LoopbackWhatsApp) -> Contact:
    """Somebody who writes."""
    return whatsapp.contact("5511999990001", lid="200000000000002", name="Alice")


@pytest.fixture
def off(alice: Contact, monkeypatch: pytest.MonkeyPatch) -> SwitchedOff:
    """Her phone, switched off: what she writes was under way already."""
    return SwitchedOff(alice, monkeypatch)


@pytest.fixture
def connect(whatsapp: LoopbackWhatsApp, phone: Phone, tmp_path: Path) -> Connect:
    """How to get a worker whose session is connected, and waits so many seconds for a message."""

    @asynccontextmanager
    async def connected(patience: float) -> AsyncIterator[Worker]:
        module = "tests.unit.sessions.provider.neonize.hasty_worker"
        tuned = ("--tune", f"undecrypted.PATIENCE_MS={patience * 1000}")
        where = whatsapp.worker_command()[2:]
        async with Worker.running([sys.executable, "-m", module, *tuned, *where]) as worker:
            await worker.start(tmp_path)
            if not tmp_path.joinpath("whatsapp.db").exists() or not phone.linked:
                await phone.scan((await worker.event(e.QrShown)).qr)
            await worker.event(e.Connected)
            await phone.connected()
            yield worker

    return connected


def head(message: e.MessageReceived) -> dict[str, Any]:
    """Return the message as clients read it, without its tail."""
    opened: dict[str, Any] = json.loads(message.head + b"}")
    return opened


async def test_it_is_told_as_a_place_and_later_as_itself(
    connect: Connect, phone: Phone, alice: Contact, off: SwitchedOff
) -> None:
    """In time somebody knows that there was a message; what comes after all is no repeat."""
    async with connect(WAIT) as worker:
        wa_id = await alice.send_damaged(phone, "secret")
        place = await worker.event(e.MessageReceived)
        assert (place.wa_id, place.counts) == (wa_id, True)
        assert head(place)["type"] == "unsupported"
        assert head(place)["content"] == {"kind": "unsupported", "name": "undecryptable"}
        await off.comes_on(phone, wa_id)
        message = await worker.event(e.MessageReceived)
        assert (message.wa_id, message.chat, head(message)["text"]) == (
            wa_id,
            place.chat,
            "secret",
        )
        assert message.id != place.id
        assert await worker.end() == 0
        assert [frame.counts for frame in worker.health] == [Counts(undecrypted=1)]


async def test_what_comes_in_time_is_told_once(
    connect: Connect, phone: Phone, alice: Contact, off: SwitchedOff
) -> None:
    """There is nothing to say about what it took."""
    async with connect(WAIT) as worker:
        wa_id = await alice.send_damaged(phone, "secret")
        await phone.until(lambda: any(r.kind == "retry" for r in phone.receipts))
        await off.comes_on(phone, wa_id)
        assert head(await worker.event(e.MessageReceived))["text"] == "secret"
        await passes(1.5 * WAIT / UNIT)
        assert worker.take(e.MessageReceived) is None
        assert await worker.end() == 0
        assert worker.health == []


async def test_it_is_waited_for_over_a_restart(
    connect: Connect, phone: Phone, alice: Contact, off: SwitchedOff
) -> None:
    """Its raw event was confirmed long ago; who waits is remembered apart."""
    async with connect(3600) as worker:
        wa_id = await alice.send_damaged(phone, "secret")
        await phone.until(lambda: any(r.kind == "retry" for r in phone.receipts))
        await alice.send_text(phone, "behind it")
        assert head(await worker.event(e.MessageReceived))["text"] == "behind it"
        await worker.kill()
    async with connect(WAIT) as again:
        while (place := await again.event(e.MessageReceived)).wa_id != wa_id:
            pass  # what the killed worker had told, and nobody confirmed in time
        assert head(place)["content"]["name"] == "undecryptable"
        assert await again.end() == 0


async def test_what_nobody_would_miss_is_only_counted(
    connect: Connect, phone: Phone, alice: Contact, off: SwitchedOff
) -> None:
    """A reaction or an edit is marked so by its sender: WhatsApp shows no place for it."""
    async with connect(WAIT) as worker:
        await alice.send_damaged(phone, "a reaction", **{"decrypt-fail": "hide"})
        async for _ in _pulses(worker):
            if worker.health:
                break
        assert [frame.counts for frame in worker.health] == [Counts(undecrypted=1)]
        assert worker.take(e.MessageReceived) is None


async def _pulses(worker: Worker) -> AsyncIterator[None]:
    """Ask for signs of life, as a daemon does."""
    for _ in range(100):
        worker.ping()
        await passes(1)
        yield


async def test_at_a_logout_all_that_is_missing_is_told(
    connect: Connect, phone: Phone, alice: Contact, off: SwitchedOff
) -> None:
    """Nothing comes to an account that is gone."""
    async with connect(3600) as worker:
        wa_id = await alice.send_damaged(phone, "secret")
        await phone.until(lambda: any(r.kind == "retry" for r in phone.receipts))
        await phone.unlink()
        assert (await worker.event(e.MessageReceived)).wa_id == wa_id
        assert (await worker.event(e.Troubled)).code == "unlinked_by_phone"
