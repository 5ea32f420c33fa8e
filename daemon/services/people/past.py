"""What exports and erasures need of history; given by the composition root, None where it is off."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from daemon.history.port import HistoryFailed, HistoryStore

PATIENCE = 60.0  # seconds for what waits to be written


async def _nothing() -> None:
    """Nothing waits to be written."""


class Past(NamedTuple):
    """The store, and how to have it hold what it is to hold.

    ``settle`` returns when all that was handed over before the call is in the store, the spill
    file included, and raises ``HistoryFailed`` where that cannot be: the flusher's ``flush``.
    """

    store: HistoryStore
    settle: Callable[[], Awaitable[None]] = _nothing


def past_of(store: HistoryStore, flush: Callable[[], Awaitable[None]]) -> Past:
    """Return the past behind a flusher; a ``settle`` that takes too long fails."""

    async def settle() -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await flush()
        except TimeoutError as error:
            raise HistoryFailed(
                "What waits for the history is too much to be written now."
            ) from error

    return Past(store, settle)
