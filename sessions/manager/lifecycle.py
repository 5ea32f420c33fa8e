"""Sessions from their making to their end: started, paired, lost, restored, logged out.

Every change is a status from the table in ``sessions.states``; nothing is raised at a caller
for trouble of the line. What was started is started again after a restart of the daemon.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sessions import events as e
from sessions.commands import Logout, Start
from sessions.errors import EngineError, SessionExists, SessionNotFound
from sessions.ids import SessionKey, check_session
from sessions.manager.folders import Folders
from sessions.manager.live import Ending, LiveSession
from sessions.manager.publish import Publisher
from sessions.manager.settling import Settling
from sessions.manager.standing import Standing
from sessions.manager.tasks import Tasks
from sessions.models import ProviderName
from sessions.ports import Clock, SessionRecord, SessionStore
from sessions.states import Outcome, SessionState, Status, trouble
from sessions.worker.process import Death
from sessions.worker.supervisor import Supervisor

log = logging.getLogger("zapd.sessions")

LOGOUT_SECONDS = 20.0


class Lifecycle:
    """All sessions of all workspaces, and what may be done with them."""

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self,
        supervisor: Supervisor,
        publisher: Publisher,
        store: SessionStore,
        clock: Clock,
        *,
        stores: Path,
        pairing_host_seconds: float,
        on_line: Callable[[LiveSession], None],
    ) -> None:
        """``stores``: where the sessions' key stores lie; ``on_line`` hears of every change."""
        self._supervisor = supervisor
        self._publisher = publisher
        self._store = store
        self._clock = clock
        self.folders = Folders(stores)
        self.tasks = Tasks()
        self._standing = Standing(publisher, store, self.tasks, on_line)
        self.settling = Settling(pairing_host_seconds, self._synced)
        self._sessions: dict[SessionKey, LiveSession] = {}
        self._closing = False
        self._handlers: dict[type, Any] = {
            e.PairingStarted: self._on_pairing,
            e.Connecting: self._on_connecting,
            e.Connected: self._on_connected,
            e.Troubled: self._on_troubled,
            e.QrShown: self._on_qr,
            e.CodeShown: self._on_code,
            e.Paired: self._on_paired,
            e.HistoryProgress: self._on_history,
        }

    # -- reading

    def get(self, key: SessionKey) -> LiveSession:
        """Return the session; raise ``SessionNotFound``."""
        live = self._sessions.get(key)
        if live is None:
            raise SessionNotFound("There is no such session.")
        return live

    def knows(self, key: SessionKey) -> bool:
        """Tell whether there is such a session."""
        return key in self._sessions

    def _still_is(self, live: LiveSession) -> None:
        if self._sessions.get(live.key) is not live:
            raise SessionNotFound("There is no such session.")

    def of_workspace(self, workspace: str) -> list[LiveSession]:
        """Return the workspace's sessions, oldest first."""
        found = [s for key, s in self._sessions.items() if key.workspace == workspace]
        return sorted(found, key=lambda s: (s.record.created_at, s.record.id))

    def all(self) -> list[LiveSession]:
        """Return every session, for metrics."""
        return list(self._sessions.values())

    def handles(self, event: e.AnyEvent) -> bool:
        """Tell whether the event is about a session itself."""
        return type(event) in self._handlers

    # -- what people ask for

    async def load(self) -> None:
        """Remember all sessions."""
        for record in await self._store.load():
            self._sessions[record.key] = LiveSession(record)

    def resume(self) -> None:
        """Start what ran when the last life ended."""
        for live in self._sessions.values():
            if live.record.wanted and live.record.paired:
                self._host(live)

    async def create(
        self, workspace: str, id: str, label: str, provider: ProviderName
    ) -> LiveSession:
        """Make a session; raise ``InvalidId`` or ``SessionExists``."""
        key = SessionKey(workspace, check_session(id))
        if key in self._sessions:
            raise SessionExists(f"There is a session {id} already.")
        record = SessionRecord(
            workspace=workspace,
            id=id,
            label=label,
            provider=provider,
            created_at=self._clock.now_ms(),
        )
        live = self._sessions[key] = LiveSession(record)
        try:
            await self._store.save(record)
        except BaseException:
            del self._sessions[key]
            raise
        self._publisher.status(live)
        return live

    def start(self, live: LiveSession) -> None:
        """Open the session, in the background; nothing if it is open."""
        self.in_background(live, self._start)

    def stop(self, live: LiveSession) -> None:
        """Close the session, in the background; nothing if it is closed."""
        self.in_background(live, self._stop)

    def restart(self, live: LiveSession) -> None:
        """Close and open the session, in the background."""
        self.stop(live)
        self.start(live)

    def logout(self, live: LiveSession) -> None:
        """Unlink the device, in the background; nothing if it is not linked."""
        self.in_background(live, self._logout)

    async def delete(self, live: LiveSession) -> None:
        """Close the session and forget it, with its keys."""
        async with live.lock:
            self._still_is(live)
            await self._supervisor.release(live.key, throw_away=not live.record.paired)
            self.settling.cancel(live.key)
            self.folders.remove(live.key)
            self._standing.forget(live.key)
            await self._store.delete(live.key)
            del self._sessions[live.key]
            self._standing.forget(live.key)
        live.status = Status.of_trouble("deleted")
        self._standing.tell(live)

    def begin_close(self) -> None:
        """Start nothing any more; workers that end from now on are no news."""
        self._closing = True
        self._standing.begin_close()

    async def close(self) -> None:
        """Let the background work end, then write what is not written."""
        self.begin_close()
        self.settling.cancel_all()
        await self.tasks.finish()
        await self._standing.write()

    @asynccontextmanager
    async def aside(self, live: LiveSession) -> AsyncIterator[Path | None]:
        """Give the folder of a linked session while no process has it open; it goes on afterwards.

        None for one that is not linked: nothing of anybody is in its folder.
        """
        async with live.lock:
            self._still_is(live)
            await self._tidy(live)
            if not live.record.paired:
                yield None
                return
            was_hosted = self._supervisor.hosts(live.key)
            if was_hosted:
                self.lost(live.key, Death.MOVED)
                await self._supervisor.release(live.key)
            try:
                yield self.folders.of(live.key)
            finally:
                if was_hosted and not self._closing:
                    self._host(live)

    # -- what happens (called by the supervisor's listener)

    def take(self, key: SessionKey, event: e.AnyEvent) -> None:
        """Apply an event of the session itself."""
        live = self._sessions.get(key)
        if live is not None:
            self._handlers[type(event)](live, event)

    def lost(self, key: SessionKey, death: Death) -> None:
        """Note that the session's worker died."""
        live = self._sessions.get(key)
        if live is None or self._closing:
            return
        self._standing.set(live, Status.of_trouble(death))
        if trouble(death).outcome is Outcome.GIVE_UP:
            self._standing.change(live, wanted=False)

    def starting(self, key: SessionKey) -> None:
        """Note that a worker opens the session."""
        live = self._sessions.get(key)
        if live is not None:
            self._standing.set(live, Status(SessionState.STARTING))

    def _on_pairing(self, live: LiveSession, event: e.PairingStarted) -> None:
        self._standing.set(live, Status(SessionState.PAIRING))

    def _on_qr(self, live: LiveSession, event: e.QrShown) -> None:
        self._standing.set(live, Status(SessionState.PAIRING))
        live.qr = event
        self._publisher.qr(live.key, event.qr, event.expires_at)

    def _on_code(self, live: LiveSession, event: e.CodeShown) -> None:
        live.code = event
        self._publisher.pairing_code(live.key, event.code, event.expires_at)

    def _on_paired(self, live: LiveSession, event: e.Paired) -> None:
        self._standing.change(live, paired=True, synced=False, jid=event.jid, lid=event.lid)
        self._standing.set(live, Status(SessionState.CONNECTING))

    def _on_connecting(self, live: LiveSession, event: e.Connecting) -> None:
        self._standing.set(live, Status(SessionState.CONNECTING))

    def _on_connected(self, live: LiveSession, event: e.Connected) -> None:
        self._standing.change(live, paired=True, jid=event.jid, lid=event.lid or live.record.lid)
        live.last_heard_at = self._clock.now_ms()
        self._standing.set(live, Status(SessionState.CONNECTED))
        if self._supervisor.is_alone(live.key):
            self.settling.begin(live)

    def _on_history(self, live: LiveSession, event: e.HistoryProgress) -> None:
        data = {"session": live.key.session, "percent": event.percent}
        self._publisher.in_session("history_progress", live.key, data)
        if event.done:
            self._synced(live)

    def _synced(self, live: LiveSession) -> None:
        self._standing.change(live, synced=True)
        self.in_background(live, self._settle)

    def _on_troubled(self, live: LiveSession, event: e.Troubled) -> None:
        was_pairing = not live.record.paired
        outcome = trouble(event.code).outcome
        if outcome is Outcome.RETRY:
            code = live.deaf_code(self._clock.now_ms()) if event.code == "deaf" else event.code
            self._standing.set(live, Status.of_trouble(code, event.detail))
            if event.code == Death.HUNG:  # told by the provider: only its process can be ended
                self._supervisor.kill(live.key)
            return
        if outcome is Outcome.PAIR_AGAIN:
            self._standing.change(live, paired=False, synced=False)
        self._standing.change(live, wanted=False)
        self._standing.set(live, Status.of_trouble(event.code, event.detail))
        live.ending = Ending(throw_away=was_pairing, forget=outcome is Outcome.PAIR_AGAIN)
        self.in_background(live, self._tidy)

    def hung(self, live: LiveSession) -> None:
        """End the session's worker, which does not answer although its loop lives."""
        if not self._closing:
            self._on_troubled(live, e.Troubled(code=Death.HUNG))

    # -- the work itself; each holds the session's lock

    async def _start(self, live: LiveSession) -> None:
        await self._tidy(live)
        if self._supervisor.hosts(live.key):  # it runs, or comes back by itself
            return
        self._standing.change(live, wanted=True)
        self._host(live)

    def _host(self, live: LiveSession) -> None:
        store = str(self.folders.make(live.key))
        command = Start(provider=live.record.provider, store=store)
        alone = not live.record.paired or not live.record.synced
        self._standing.set(live, Status(SessionState.STARTING))
        self._supervisor.host(live.key, command, alone=alone)

    async def _stop(self, live: LiveSession) -> None:
        self._standing.change(live, wanted=False)
        await self._supervisor.release(live.key, throw_away=not live.record.paired)
        if live.is_hosted or live.status.state is SessionState.DISCONNECTED:
            self._standing.set(live, Status.of_trouble("stopped"))

    async def _logout(self, live: LiveSession) -> None:
        if not live.record.paired:
            return
        try:
            await self._supervisor.request(live.key, Logout(), LOGOUT_SECONDS)
        except EngineError as error:
            log.warning("session %s is logged out here only: %s", live.key, error)
        await self._supervisor.release(live.key)
        self.folders.remove(live.key)
        self._standing.change(live, paired=False, synced=False, wanted=False)
        self._standing.set(live, Status.of_trouble("logged_out"))

    async def _tidy(self, live: LiveSession) -> None:
        """Let go of what ended by itself."""
        ending, live.ending = live.ending, None
        if ending is not None:
            await self._supervisor.release(live.key, throw_away=ending.throw_away)
            if ending.forget:
                self.folders.remove(live.key)

    async def _settle(self, live: LiveSession) -> None:
        if live.record.synced and live.is_connected:
            await self._supervisor.settle(live.key)

    def in_background(
        self, live: LiveSession, work: Callable[[LiveSession], Coroutine[Any, Any, None]]
    ) -> None:
        """Do work on the session when what came before has ended; owned, and ended by close."""

        async def locked() -> None:
            async with live.lock:
                if self._sessions.get(live.key) is live and not self._closing:
                    await work(live)

        self.tasks.own(locked())
