"""A daemon on the loopback WhatsApp, and sessions that pair there: what several benchmarks share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

from tests.bench import cores
from tests.loopback.phone import Phone
from tests.loopback.server import LoopbackWhatsApp
from tests.support.daemon import Daemon, User

#: Pairing at once: each has a worker of its own meanwhile, and shows its code for 60 s.
AT_ONCE = 5
PATIENCE = 60.0  # seconds for one session to show a code, or to log in
POLL = 0.1

#: Bounds that guard a service from its clients; a benchmark is not to meet them.
UNBOUND = {
    "ZAPD_RATE_LIMIT": "100000",
    "ZAPD_RATE_BURST": "1000000",
    "ZAPD_SESSION_STARTS_MAX": "10000",
    "ZAPD_PAIRING_HOST_SECONDS": "0",  # the loopback sends no history: move to the pool at once
}


class Rig(NamedTuple):
    """A daemon that serves, and somebody who uses it."""

    whatsapp: LoopbackWhatsApp
    daemon: Daemon
    user: User

    async def pair(self, phones: Mapping[str, Phone]) -> None:
        """Make the sessions and pair each with its phone; return when all are connected."""
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(session: str, phone: Phone) -> None:
            async with turns:
                await self.user.session(session, "whatsapp")
                await phone.scan(await self._code(session))
                await phone.connected(PATIENCE)

        await asyncio.gather(*(one(session, phone) for session, phone in phones.items()))
        await self.all_connected(phones)

    async def all_connected(self, sessions: Iterable[str]) -> None:
        """Wait until the daemon says that all of these are connected."""
        wanted = set(sessions)
        async with asyncio.timeout(2 * PATIENCE):
            while not wanted <= await self._connected():
                await asyncio.sleep(POLL)

    async def _connected(self) -> set[str]:
        found = await self.user.get("/v1/sessions")
        return {one["id"] for one in found["items"] if one["state"] == "connected"}

    async def _code(self, session: str) -> str:
        async with asyncio.timeout(PATIENCE):
            while True:
                response = await self.user.http.get(f"/v1/sessions/{session}/qr")
                if response.is_success:
                    return str(response.json()["qr"])
                await asyncio.sleep(POLL)


def phones(whatsapp: LoopbackWhatsApp, prefix: str, numbers: Iterable[int]) -> dict[str, Phone]:
    """Add accounts' phones by the ids of their sessions; ``prefix`` is one digit, for a side."""
    return {
        f"s{number}": whatsapp.phone(f"55{prefix}1{number:09d}", lid=f"1{prefix}{number:013d}")
        for number in numbers
    }


@asynccontextmanager
async def serving(
    whatsapp: LoopbackWhatsApp,
    data: Path,
    settings: Mapping[str, str] | None = None,
    key: str | None = None,
    core: int | None = None,
) -> AsyncIterator[Rig]:
    """Yield a daemon in a life of its own on ``data``; its sessions are up to the caller.

    ``key`` is one of an earlier life: to make one costs a process, while sessions start. The
    daemon and its workers stay on ``core`` where it is given.
    """
    command = whatsapp.worker_command()
    daemon = Daemon(data, worker_command=command, settings=UNBOUND | dict(settings or {}))
    with nullcontext() if core is None else cores.on(core):
        await daemon.start()
    try:
        async with User(daemon.base, key or await daemon.key()) as user:
            yield Rig(whatsapp, daemon, user)
    finally:
        await daemon.end()
