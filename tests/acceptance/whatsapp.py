"""What the acceptance tests of WhatsApp share: a daemon on loopback, and its paired sessions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from tests.loopback.contact import Contact
from tests.loopback.phone import Phone
from tests.loopback.server import LoopbackWhatsApp
from tests.support.daemon import Daemon, User

#: Seconds for a session to show a code, however many start beside it.
START_PATIENCE = 45.0


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
async def running(folder: Path) -> AsyncIterator[Rig]:
    """Yield a daemon on loopback without a session; it must end in order."""
    async with LoopbackWhatsApp() as whatsapp:
        daemon = Daemon(folder / "data", worker_command=whatsapp.worker_command())
        await daemon.start()
        async with daemon.user() as user:
            yield Rig(whatsapp, daemon, user)
        assert await daemon.end() == 0


def chat_of(person: Contact, session: str = "main") -> str:
    """Return the id of the chat with somebody."""
    return f"{session}:{person.pn_jid}"
