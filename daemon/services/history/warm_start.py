"""Fills the caches again after a start: the newest first, while sessions connect and streams answer.

Nothing waits for it but the start itself, for a second at most: what an event or a request needs
before it is here is read for it. It fills a part of each bound and evicts nobody.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from daemon.history.history import History
from daemon.history.port import HistoryFailed
from daemon.services.history.keeper import HistoryKeeper, contact_of
from sessions.ids import ChatRef, SessionKey
from sessions.keeper import KeeperFailed
from sessions.manager import SessionManager
from sessions.ports import Clock

log = logging.getLogger("zapd.history")

#: Part of each cache's bound that is filled; the rest is for what comes.
SHARE = 0.8
#: Seconds that the start waits for the newest rows, before the first session connects.
HEAD_START = 1.0
#: Messages of each chat, first of all of them and then on and on, as far as they fit.
DEPTHS = (50, 200)
#: Rows put back before others get a turn: about a millisecond.
BITE = 50
#: Seconds before it is tried again to read what could not be read.
PAUSE = 5.0

_Step: TypeAlias = Callable[[], Awaitable[None]]


class WarmStart:
    """Does it once; its owner runs :meth:`run`."""

    def __init__(
        self, manager: SessionManager, keeper: HistoryKeeper, history: History, clock: Clock
    ) -> None:
        """Fill the manager's memory from the history."""
        self._memory = manager.memory
        self._past = manager.past
        self._keeper = keeper
        self._history = history
        self._store = history.store
        self._clock = clock
        self._rows_are_in = asyncio.Event()
        #: Chats whose rows were put back, newest activity first.
        self._refs: list[ChatRef] = []

    async def head_start(self) -> None:
        """Return when the chats' rows are in, or a second has passed."""
        try:
            async with asyncio.timeout(HEAD_START):
                await self._rows_are_in.wait()
        except TimeoutError:
            log.info("%d chats are back so far; the rest follows", len(self._refs))

    async def run(self) -> None:
        """Fill the caches, and end."""
        began = time.monotonic()
        for step in (self._spill, self._rows, self._contacts, self._messages):
            await self._done(step)
        used = self._memory.messages.usage()
        log.info(
            "%d chats, the messages of %d of them and %d contacts are back after %.1f s",
            len(self._refs),
            used.entries,
            self._memory.contacts.usage().entries,
            time.monotonic() - began,
        )

    async def _done(self, step: _Step) -> None:
        while True:
            try:
                await step()
            except (HistoryFailed, KeeperFailed) as error:
                log.warning("the memory is not filled again for now: %s", error)
                self._rows_are_in.set()  # nobody waits for a store that refuses
                await asyncio.sleep(PAUSE)
            else:
                return

    async def _spill(self) -> None:
        """Have the store take what waited on disk: it is newer than what is in the store."""
        if self._history.health().spilled:
            await self._keeper.flush()

    async def _rows(self) -> None:
        chats = self._memory.chats
        left = chats.usage().evictions
        self._refs.clear()
        async for batch in self._store.chats():
            with self._memory.watched() as touched:
                found = await self._keeper.with_last(batch)
            for place, kept in enumerate(found):
                if kept.ref in touched:
                    continue  # it is here, or became part of another
                if not self._past.put_back(kept, SHARE):
                    self._rows_are_in.set()
                    return
                self._refs.append(kept.ref)
                if place % BITE == BITE - 1:
                    await asyncio.sleep(0)
        chats.is_whole = chats.usage().evictions == left
        self._rows_are_in.set()

    async def _contacts(self) -> None:
        contacts = self._memory.contacts
        left = contacts.usage().evictions
        stored = self._store.contacts()
        while True:
            with self._memory.watched() as touched:
                batch = await anext(stored, None)
            if batch is None:
                break
            for place, one in enumerate(batch):
                key = SessionKey(one.workspace, one.session)
                if (key, one.jid) in touched or key in touched:
                    continue
                if not contacts.restore_cold(key, contact_of(one), SHARE):
                    return
                if place % BITE == BITE - 1:
                    await asyncio.sleep(0)
        contacts.is_whole = contacts.usage().evictions == left

    async def _messages(self) -> None:
        waiting = list(self._refs)
        first, then = DEPTHS
        depth = first
        while waiting:
            deeper = []
            for ref in waiting:
                if self._memory.messages.is_filled(SHARE):
                    return
                if await self._past.deepen(ref, depth, SHARE, self._clock.now_ms()):
                    deeper.append(ref)
            waiting, depth = deeper, then
