"""Work that nobody waits for: taken up in order, repeated when the disk is busy or full."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from daemon.errors import ApiError
from daemon.metadata.port import Unreachable
from daemon.storage.failures import StorageError
from sessions.ids import ChatRef

log = logging.getLogger("zapd.metadata")

RETRY_SECONDS = 1.0
#: Chores that wait, at most. More than a burst of a whole account's chats; one weighs some 300
#: bytes. What is over that is left undone, and logged.
MOST = 100_000

Chore = tuple[str, tuple[ChatRef, ...]]
Doer = Callable[..., Awaitable[None]]


class Chores:
    """A queue in which each chore is once. The owner runs :meth:`run`."""

    def __init__(self, retry_seconds: float = RETRY_SECONDS) -> None:
        self._retry_seconds = retry_seconds
        self._waiting: dict[Chore, None] = {}
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def put(self, kind: str, *refs: ChatRef) -> None:
        """Add a chore, unless it waits already. Never waits itself."""
        chore = (kind, refs)
        if len(self._waiting) >= MOST and chore not in self._waiting:
            log.warning("too much is to be done; left undone: %s", kind)
            return
        self._waiting[chore] = None
        self._idle.clear()
        self._wake.set()

    def __len__(self) -> int:
        return len(self._waiting)

    async def run(self, doers: Mapping[str, Doer]) -> None:
        """Do chores, by kind, until cancelled."""
        while True:
            if not self._waiting:
                self._idle.set()
                self._wake.clear()
                await self._wake.wait()
            chore = next(iter(self._waiting))
            del self._waiting[chore]  # put again meanwhile, it is done again
            if not await self._done(chore, doers):
                await asyncio.sleep(self._retry_seconds)

    async def _done(self, chore: Chore, doers: Mapping[str, Doer]) -> bool:
        kind, refs = chore
        try:
            await doers[kind](*refs)
        except (StorageError, Unreachable, ApiError) as error:
            if isinstance(error, ApiError) and error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                log.warning("%s cannot be done: %s", kind, error)
                return True
            log.warning("%s is tried again: %s", kind, error)
            self._waiting = {chore: None, **self._waiting}  # first again: moves have an order
            return False
        except Exception:
            log.exception("what was to be done in the background failed: %s", kind)
        return True

    async def settled(self) -> None:
        """Return when nothing is left to do (the owner runs :meth:`run` meanwhile)."""
        await self._idle.wait()
