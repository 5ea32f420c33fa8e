"""A server, two people, and the real core, for those tests that need them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from ._core import Core
from .server import LoopbackWhatsApp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from .contact import Contact
    from .phone import Phone


@pytest_asyncio.fixture
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
    """Somebody to talk to."""
    return whatsapp.contact("5511999990001", lid="200000000000002", name="Alice")


@pytest_asyncio.fixture
async def core(whatsapp: LoopbackWhatsApp, tmp_path: Path) -> AsyncIterator[Core]:
    """A core that has begun to connect."""
    async with Core.running(whatsapp, tmp_path) as child:
        await child.tell("connect")
        yield child


@pytest_asyncio.fixture
async def paired(core: Core, phone: Phone) -> Core:
    """A core that is paired by QR and connected."""
    await phone.scan((await core.event("qr"))["code"])
    await phone.connected()
    await core.event("connected")
    return core
