"""What the metadata service does by itself: moves, reopens, wakes, reads again, expires."""

from __future__ import annotations

import asyncio
import logging

from daemon.errors import ApiError
from daemon.services.agent_presence import AgentPresence
from daemon.services.metadata.assignments import Assignments
from daemon.services.metadata.chores import Chores, Doer
from daemon.services.metadata.core import Core
from daemon.storage.failures import StorageError
from sessions.ids import ChatRef

log = logging.getLogger("zapd.metadata")

#: Between two looks at what is due: snoozes that are over, presences that nobody renewed.
TICK_SECONDS = 1.0


class Background:
    """The owner runs :meth:`run` in its task group, and :meth:`finish` before it ends that."""

    def __init__(
        self, core: Core, assignments: Assignments, presence: AgentPresence, chores: Chores
    ) -> None:
        self._core = core
        self._assignments = assignments
        self._presence = presence
        self._chores = chores

    async def run(self) -> None:
        """Work until cancelled."""
        doers: dict[str, Doer] = {"move": self._move, "reopen": self._reopen, "learn": self._learn}
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._chores.run(doers))
            tasks.create_task(self._look())

    async def finish(self) -> None:
        """Return when what was begun is done; never, while the disk refuses."""
        await self._chores.settled()

    async def _look(self) -> None:
        while True:
            self._presence.expire()
            await self._wake()
            await asyncio.sleep(TICK_SECONDS)

    async def _wake(self) -> None:
        """Open the chats whose snooze is over. What cannot be done now is due a second later."""
        try:
            for row in await self._core.store.due(self._core.clock.now_ms()):
                await self._assignments.wake(row)
        except (StorageError, ApiError) as error:
            log.warning("snoozed chats wait a little longer: %s", error)
        except Exception:
            log.exception("snoozed chats could not be opened")

    async def _move(self, old: ChatRef, new: ChatRef) -> None:
        self._presence.moved(old, new)
        async with self._core.locked(old, new):
            rows = await self._core.store.move_chat(old, new)
            self._core.joined(old, new)
            await self._core.took(rows)

    async def _reopen(self, ref: ChatRef) -> None:
        await self._core.learn(ref)
        await self._assignments.reopen(ref)

    async def _learn(self, ref: ChatRef) -> None:
        if await self._core.learn(ref):
            self._core.annotate(ref, tell=True)
