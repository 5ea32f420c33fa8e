"""The parent's end of `_core_child`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .server import LoopbackWhatsApp

_REPOSITORY = Path(__file__).parents[2]
_PATIENCE = 20.0


class Core:
    """A running core child: send commands, await events."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Made by `running`."""
        self._process = process
        self._reader = reader
        self._writer = writer
        self._seen: list[dict[str, Any]] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, whatsapp: LoopbackWhatsApp, folder: Path) -> AsyncIterator[Self]:
        """A child whose core talks to this loopback; killed on leaving."""
        ours, theirs = socket.socketpair()
        with theirs:
            fd = theirs.fileno()
            where = [str(fd), str(whatsapp.port), whatsapp.root_key.hex(), str(folder)]
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "tests.loopback._core_child", *where),
                cwd=_REPOSITORY,
                env={
                    **os.environ,
                    "NEONIZE_BOT_TAG": "off",
                    "SSL_CERT_FILE": str(whatsapp.media.certificates),
                },
                stdout=asyncio.subprocess.DEVNULL,
                pass_fds=(fd,),
            )
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            yield cls(process, reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def tell(self, do: str, **arguments: str) -> None:
        """Gives a command."""
        self._writer.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        await self._writer.drain()

    async def event(self, name: str) -> dict[str, Any]:
        """The next event of this name; events of other names are kept for later calls.

        Raises:
            TimeoutError: if none came in time; the message says what came instead.
        """
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._next(name)
        except TimeoutError:
            msg = f"no {name!r} from the core, but {self._seen}"
            raise TimeoutError(msg) from None

    async def _line(self) -> bytes:
        with contextlib.suppress(ConnectionResetError):
            return await self._reader.readline()
        return b""

    async def _next(self, name: str) -> dict[str, Any]:
        found = next((event for event in self._seen if event["event"] == name), None)
        if found:
            self._seen.remove(found)
            return found
        while line := await self._line():
            event: dict[str, Any] = json.loads(line)
            if event["event"] == name:
                return event
            self._seen.append(event)
        msg = f"the core ended with {await self._process.wait()}; before: {self._seen}"
        raise EOFError(msg)
