"""The parent's end of ``core_child``."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self, TypeAlias

Json: TypeAlias = Any  # whatever JSON can hold: no closer type serves a table of tests

_REPOSITORY = Path(__file__).parents[5]
_PATIENCE = 30.0


class CoreProcess:
    """A running child."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Made by ``running``."""
        self._reader = reader
        self._writer = writer

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, port: int, root_key: bytes = b"\0" * 32) -> AsyncIterator[Self]:
        """A child whose core finds WhatsApp on this port; killed on leaving."""
        ours, theirs = socket.socketpair()
        module = f"{__package__}.core_child"
        with theirs:
            fd = theirs.fileno()
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", module, str(fd), str(port), root_key.hex()),
                cwd=_REPOSITORY,
                env={**os.environ, "NEONIZE_BOT_TAG": "off"},
                stdout=asyncio.subprocess.DEVNULL,
                pass_fds=(fd,),
            )
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            yield cls(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def ask(self, do: str, **arguments: Json) -> Json:
        """Return the child's answer."""
        self._writer.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        async with asyncio.timeout(_PATIENCE):
            answer = await self._reader.readline()
        assert answer, "the process was ended by the core"
        return json.loads(answer)

    async def call(self, method: str, *arguments: Json, name: str = "a") -> str:
        """Call a client; return what came of it: an answer, or ``refused``."""
        return str(await self.ask("call", name=name, method=method, arguments=arguments))
