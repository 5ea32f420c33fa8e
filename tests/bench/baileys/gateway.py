"""Runs processes of ``gateway.mjs``."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from tests.bench import npm
from tests.loopback.phone import Phone
from tests.loopback.server import LoopbackWhatsApp

Keys: TypeAlias = Literal["files", "memory"]

PATIENCE = 120.0  # seconds until all sessions are open: fifty processes start on two cores
_LINE_LIMIT = 1 << 20


class Setup(NamedTuple):
    """What a process is told."""

    sessions: Sequence[str]
    folder: Path
    keys: Keys = "files"
    socket_io: bool = False


@functools.cache  # a process that starts must not find the script half copied by the next
def script() -> Path:
    """Return the script, with its packages beside it."""
    return npm.install(Path(__file__).parent) / "gateway.mjs"


class Gateway:
    """One process, and the sessions in it. Made by :meth:`start`; whoever made it ends it."""

    def __init__(self, process: asyncio.subprocess.Process, phones: Mapping[str, Phone]) -> None:
        """Read what the process says (called by :meth:`start`)."""
        self.port = 0
        self._process = process
        self._phones = phones
        self._scanned: set[str] = set()
        self._open: set[str] = set()
        self._collections = 0
        self._trouble = ""
        self._changed = asyncio.Event()
        self._reader = asyncio.get_running_loop().create_task(self._read())

    @classmethod
    async def start(
        cls, whatsapp: LoopbackWhatsApp, setup: Setup, phones: Mapping[str, Phone]
    ) -> Gateway:
        """Start a process; ``phones`` scan the codes of the sessions that are not paired."""
        options = {
            "url": f"ws://127.0.0.1:{whatsapp.port}/ws/chat",
            "root": whatsapp.root_key.hex(),
            "folder": str(setup.folder),
            "sessions": list(setup.sessions),
            "keys": setup.keys,
            "socketIo": setup.socket_io,
        }
        process = await asyncio.create_subprocess_exec(
            "node",
            "--expose-gc",
            str(script()),
            json.dumps(options),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_LIMIT,
        )
        return cls(process, phones)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def all_open(self, count: int) -> None:
        """Wait until so many sessions are logged in, and socket.io listens where it is wanted."""
        await self._until(lambda: len(self._open) == count)

    async def collect(self) -> None:
        """Let it collect its garbage, as it would under pressure."""
        before = self._collections
        self._order({"collect": True})
        await self._until(lambda: self._collections > before)

    def send(self, session: str, to: str, text: str) -> None:
        """Let a session send a text."""
        self._order({"send": {"session": session, "to": to, "text": text}})

    def _order(self, order: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps(order)}\n".encode())

    async def end(self) -> None:
        """End the process."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reader

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                if self._trouble:
                    raise RuntimeError(self._trouble)
                self._changed.clear()
                await self._changed.wait()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            try:
                await self._take(json.loads(line))
            except Exception as error:  # noqa: BLE001 - whatever it is, who waits must hear of it
                self._trouble = repr(error)
            self._changed.set()
        self._trouble = self._trouble or "the gateway ended"
        self._changed.set()

    async def _take(self, said: dict[str, Any]) -> None:
        match said:
            case {"listening": int(port)}:
                self.port = port
            case {"qr": str(qr), "session": str(session)} if session not in self._scanned:
                self._scanned.add(session)
                await self._phones[session].scan(qr)
            case {"open": str(session)}:
                self._open.add(session)
            case {"collected": _}:
                self._collections += 1
            case {"closed": str(session)}:
                self._trouble = f"Baileys closed {session}: {said}"
            case _:  # another code of a session whose first was scanned
                pass
