"""A process that is asked in lines and answers in lines of JSON, on a core of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tests.bench import cores

PATIENCE = 60.0  # seconds for any answer


class Child:
    """A running process. Made by :func:`child`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Talk to ``process``, whose stdin and stdout are pipes."""
        self._process = process

    async def ask(self, question: str) -> Any:  # noqa: ANN401 - JSON
        """Write a line, return the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{question}\n".encode())
        return await self.hear()

    async def hear(self) -> Any:  # noqa: ANN401 - JSON
        """Return the next line that is JSON; what else is printed is for people."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while line := await self._process.stdout.readline():
                try:
                    return json.loads(line)
                except ValueError:
                    continue
        raise SystemExit(f"a process of the benchmark ended early ({await self._process.wait()})")


@asynccontextmanager
async def child(command: Sequence[str], core: int) -> AsyncIterator[Child]:
    """Yield the process of ``command``; at the end it is told by its stdin, then killed."""
    pipe = asyncio.subprocess.PIPE
    with cores.on(core):
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        yield Child(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()
