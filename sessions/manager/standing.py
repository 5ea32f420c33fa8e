"""Where a session stands: its status, as the table of states allows, and its record on disk."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec

from sessions.errors import EngineError
from sessions.ids import SessionKey
from sessions.manager.live import LiveSession
from sessions.manager.publish import Publisher
from sessions.manager.tasks import Tasks
from sessions.ports import SessionStore
from sessions.states import SessionState, Status

log = logging.getLogger("zapd.sessions")

STORE_PAUSE = 1.0  # seconds before a record that could not be written is tried again


class Standing:
    """Changes what a session is, tells it, and has it remembered; for the lifecycle alone."""

    def __init__(
        self,
        publisher: Publisher,
        store: SessionStore,
        tasks: Tasks,
        on_line: Callable[[LiveSession], None],
    ) -> None:
        """``on_line`` hears of every new status."""
        self._publisher = publisher
        self._store = store
        self._tasks = tasks
        self._on_line = on_line
        self._dirty: dict[SessionKey, LiveSession] = {}
        self._is_writing = False
        self._closing = False

    def set(self, live: LiveSession, status: Status) -> None:
        """Change the status as the table allows, tell it, remember it."""
        if status == live.status:
            return
        if not status.follows(live.status):
            log.warning("session %s: no %s after %s", live.key, status.state, live.status.state)
            return
        live.status = status
        if status.state is not SessionState.PAIRING:
            live.qr = live.code = None
        self.change(live, state=status.state, code=status.code, detail=status.detail)
        self.tell(live)

    def tell(self, live: LiveSession) -> None:
        """Tell the status as it is."""
        self._publisher.status(live)
        self._on_line(live)

    def change(self, live: LiveSession, **fields: object) -> None:
        """Change the record; it is written soon."""
        record = msgspec.structs.replace(live.record, **fields)
        if record != live.record:
            live.record = record
            self._dirty[live.key] = live
            if not self._is_writing:
                self._is_writing = True
                self._tasks.own(self._write())

    def forget(self, key: SessionKey) -> None:
        """Write no more of a session that is deleted."""
        self._dirty.pop(key, None)

    def begin_close(self) -> None:
        """Try a record that cannot be written no more."""
        self._closing = True

    async def write(self) -> None:
        """Write changed records, each as it is by then; a failed one stays for the next time."""
        while self._dirty:
            key = next(iter(self._dirty))
            record = self._dirty[key].record
            try:
                await self._store.save(record)
            except EngineError as error:
                log.warning("session %s cannot be written: %s", key, error)
                if self._closing:
                    return
                await asyncio.sleep(STORE_PAUSE)
                continue
            if key in self._dirty and self._dirty[key].record is record:
                del self._dirty[key]

    async def _write(self) -> None:
        try:
            await asyncio.sleep(0)  # what changes together is written once
            await self.write()
        finally:
            self._is_writing = False
