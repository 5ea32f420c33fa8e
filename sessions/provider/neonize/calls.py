"""Threads for what may block: no call into Go is made on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from neonize.exc import NeonizeError

from sessions.provider.neonize.core import CoreNotReady

_P = ParamSpec("_P")
_T = TypeVar("_T")
_THREADS = 8


class Calls:
    """One session's threads."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="whatsapp-call")

    async def make(self, call: Callable[_P, _T], *args: _P.args, **kw: _P.kwargs) -> _T:
        """Return what ``call`` returns. It may take as long as it likes."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, lambda: call(*args, **kw))

    async def make_within(
        self, seconds: float, call: Callable[_P, _T], *args: _P.args, **kw: _P.kwargs
    ) -> _T | None:
        """Return what ``call`` returns; None where it hangs, is refused or fails."""
        try:
            async with asyncio.timeout(seconds):
                return await self.make(call, *args, **kw)
        except (TimeoutError, CoreNotReady, NeonizeError):
            return None

    def close(self) -> None:
        """Take no more calls. A thread that hangs in Go stays: only the process's end ends it."""
        self._pool.shutdown(wait=False, cancel_futures=True)
