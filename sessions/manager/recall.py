"""Lets an event wait until what it is about was read from the past; the next ones wait behind it.

A session's events are applied in the order in which they came: while one of them waits, so do
those after it, and the marks that confirm them. What can be applied at once never comes here.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from sessions.events import AnyEvent
from sessions.ids import SessionKey
from sessions.keeper import KeeperFailed
from sessions.manager.needs import Needs
from sessions.manager.past import AtHand, Past, nothing

log = logging.getLogger("zapd.sessions")

Apply = Callable[[SessionKey, AnyEvent | None, int, AtHand], None]

#: Events that are applied between two looks at the rest of the loop.
AT_ONCE = 100
#: Seconds before the past is asked again after it failed: events go on with what is in RAM.
REST = 1.0


class _Waiting(NamedTuple):
    """An event, or none where only its mark waits."""

    event: AnyEvent | None
    mark: int


class Recall:
    """The queues of sessions whose next event needs something that is not in RAM."""

    def __init__(self, past: Past, needs: Needs, apply: Apply) -> None:
        """``apply`` takes an event with what was read for it; it must not raise."""
        self._past = past
        self._needs = needs
        self._apply = apply
        self._tasks: set[asyncio.Task[None]] = set()
        self._queues: dict[SessionKey, deque[_Waiting]] = {}
        self._rests_until = 0.0

    def defer(self, key: SessionKey, event: AnyEvent | None, mark: int) -> bool:
        """Take the event, or its mark alone, if it has to wait; tell whether it has to."""
        if not self._past.keeps:
            return False
        queue = self._queues.get(key)
        if queue is None:
            if event is None or not self._needs.any(key, event):
                return False
            queue = self._queues[key] = deque()
            task = asyncio.get_running_loop().create_task(self._run(key, queue))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        queue.append(_Waiting(event, mark))
        return True

    def forget(self, key: SessionKey) -> None:
        """Drop what waits of a session that is deleted."""
        self._queues.pop(key, None)

    def waiting(self) -> int:
        """Return how many events wait in all sessions."""
        return sum(len(queue) for queue in self._queues.values())

    async def close(self) -> None:
        """Return when nothing waits any more."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _run(self, key: SessionKey, queue: deque[_Waiting]) -> None:
        done = 0
        while queue and self._queues.get(key) is queue:
            event = queue[0].event
            found = await self._read(key, event) if event is not None else nothing()
            if self._queues.get(key) is not queue:
                return
            self._apply(key, *queue.popleft(), found)
            done += 1
            if done % AT_ONCE == 0:
                await asyncio.sleep(0)
        if self._queues.get(key) is queue:
            del self._queues[key]

    async def _read(self, key: SessionKey, event: AnyEvent) -> AtHand:
        loop = asyncio.get_running_loop()
        if loop.time() < self._rests_until:
            return nothing()
        try:
            chats = self._needs.chats(key, event)
            if chats:
                await self._past.rows(chats)
            contacts = self._needs.contacts(key, event)
            if contacts:
                await self._past.contacts(key, contacts)
            return await self._messages(key, event)
        except KeeperFailed as error:
            log.warning("what left the RAM cannot be read: %s", error)
            self._rests_until = loop.time() + REST
            return nothing()

    async def _messages(self, key: SessionKey, event: AnyEvent) -> AtHand:
        ids, wa_ids = self._needs.messages(key, event)
        by_id = await self._past.entries(key.workspace, ids) if ids else []
        missing = [wa_id for wa_id in wa_ids if wa_id not in {e.tail.wa_id for e in by_id}]
        sent = await self._past.sent(key, missing) if missing else []
        return AtHand({e.id: e for e in by_id}, {e.tail.wa_id or "": e for e in sent})
