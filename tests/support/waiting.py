"""Waiting for something to become true, with a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
POLL_SECONDS = 0.02


async def eventually(look: Callable[[], Awaitable[T | None]], seconds: float = 15.0) -> T:
    """Return what ``look`` gives as soon as it gives something true; fail after ``seconds``."""
    async with asyncio.timeout(seconds):
        while not (found := await look()):
            await asyncio.sleep(POLL_SECONDS)
    return found
