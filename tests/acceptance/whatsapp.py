"""What the acceptance tests of WhatsApp share: a daemon on loopback, and its paired sessions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.loopback.contact import Contact
from tests.loopback.phone import Phone
from tests.loopback.server import LoopbackWhatsApp
from tests.support.daemon import Daemon, User

#: Seconds for a session to show a code, however many start beside it.
START_PATIENCE = 45.0

#: When things happen in the tests that say when: Unix milliseconds, and as the API tells it.
NOW_MS = 1_790_000_000_123
NOW = "2026-09-21T14:13:20.123Z"
#: The account of ``talking``.
OWN = "5511900000001@s.whatsapp.net"


class Rig(NamedTuple):
    """A daemon on loopback and somebody who uses it; sessions and people are made by the tests."""

    whatsapp: LoopbackWhatsApp
    daemon: Daemon
    user: User

    def phone(self, number: int = 1) -> Phone:
        """Add the phone of an account: ``+55119000000NN``."""
        return self.whatsapp.phone(f"55119{number:08d}", lid=f"1{number:014d}")

    def contact(self, number: int, name: str) -> Contact:
        """Add somebody who has WhatsApp: ``+55219000000NN``."""
        return self.whatsapp.contact(f"55219{number:08d}", lid=f"2{number:014d}", name=name)

    async def paired(self, session: str, number: int) -> Phone:
        """Make a session and pair it by QR; return its phone."""
        phone = self.phone(number)
        await self.user.session(session, "whatsapp")
        await phone.scan(await self._code(session))
        await phone.connected()
        await self.user.in_state(session, "connected")
        return phone

    async def _code(self, session: str) -> str:
        """Ask at leisure: fifty sessions that start at once must not wait for our questions."""
        async with asyncio.timeout(START_PATIENCE):
            while True:
                response = await self.user.http.get(f"/v1/sessions/{session}/qr")
                if response.is_success:
                    return str(response.json()["qr"])
                await asyncio.sleep(0.1)


@asynccontextmanager
async def running(folder: Path, **settings: str) -> AsyncIterator[Rig]:
    """Yield a daemon on loopback without a session; it must end in order."""
    async with LoopbackWhatsApp() as whatsapp:
        command = whatsapp.worker_command()
        daemon = Daemon(folder / "data", worker_command=command, settings=settings)
        await daemon.start()
        async with daemon.user() as user:
            yield Rig(whatsapp, daemon, user)
        assert await daemon.end() == 0


class Scene(NamedTuple):
    """The rig, its one session ``main``, and who writes to it."""

    rig: Rig
    user: User
    phone: Phone
    alice: Contact

    async def told(self, payload: bytes, kind: str = "text") -> dict[str, Any]:
        """Let Alice send a payload; return the ``new_message`` that tells it."""
        async with self.user.stream(types="new_message") as stream:
            wa_id = await self.alice.send_payload(self.phone, payload, kind=kind)
            return (await stream.next("new_message", lambda e: e.data["wa_id"] == wa_id)).data


@asynccontextmanager
async def talking(folder: Path) -> AsyncIterator[Scene]:
    """Yield a paired session and a contact; one of them serves all the tests of a module."""
    async with running(folder) as rig:
        yield Scene(rig, rig.user, await rig.paired("main", 1), rig.contact(1, "Alice"))


def chat_of(person: Contact, session: str = "main") -> str:
    """Return the id of the chat with somebody."""
    return f"{session}:{person.pn_jid}"
