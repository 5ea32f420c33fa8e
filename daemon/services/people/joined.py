"""Exports and erasures, joined to the jobs that do them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from daemon.services.jobs import Jobs
from daemon.services.people.addresses import Addresses
from daemon.services.people.erasing import Places
from daemon.services.people.erasures import KIND as ERASURE, Elsewhere, Erasures
from daemon.services.people.exports import KIND as EXPORT, Exports, Room, Writer
from daemon.services.people.source import Source
from daemon.storage.jobs import JobStore
from daemon.storage.sends import SqliteSendJournal

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.hub.hub import Hub
    from daemon.metadata.index import MetadataIndex
    from daemon.services.engine import Engine
    from daemon.services.metadata import Metadata
    from daemon.services.people.past import Past
    from daemon.storage.database import Database
    from daemon.storage.known_chats import SqliteKnownChats
    from sessions.manager import SessionManager
    from sessions.ports import Clock


class Parts(NamedTuple):
    """What is given by the composition root. ``past`` None: history is off."""

    data_dir: Path
    database: Database
    manager: SessionManager
    engine: Engine
    metadata: Metadata
    past: Past | None
    hub: Hub
    annotated: MetadataIndex
    known: SqliteKnownChats
    elsewhere: Elsewhere | None
    clock: Clock
    keep_ms: int
    """How long the file of an export stays."""
    zapd: str
    """The version."""


class People:
    """People's rights, asked by principals. The owner runs :meth:`run`."""

    def __init__(self, parts: Parts) -> None:
        self._clock = parts.clock
        memory = parts.manager.memory
        addresses = Addresses(parts.database, memory, parts.past)
        room = Room(
            data_dir=parts.data_dir,
            database=parts.database,
            source=Source(memory, parts.past),
            addresses=addresses,
            sessions=lambda workspace: [
                live.record.id for live in parts.manager.lifecycle.of_workspace(workspace)
            ],
            clock=parts.clock,
            zapd=parts.zapd,
        )
        store = JobStore(parts.database, parts.clock)
        self.exports = Exports(Writer(room), store, parts.engine, parts.metadata, parts.keep_ms)
        places = Places(
            database=parts.database,
            manager=parts.manager,
            hub=parts.hub,
            sends=SqliteSendJournal(parts.database, parts.clock),
            known=parts.known,
            annotated=parts.annotated,
            past=parts.past,
        )
        self.erasures = Erasures(
            places,
            store,
            parts.engine,
            parts.metadata,
            addresses,
            self.exports,
            data_dir=parts.data_dir,
            elsewhere=parts.elsewhere,
        )
        doers = {EXPORT: self.exports.doer, ERASURE: self.erasures.doer}
        self.jobs = Jobs(store, doers, self._tend)
        self.exports.jobs = self.erasures.jobs = self.jobs

    async def run(self) -> None:
        """Do the jobs, until cancelled."""
        await self.jobs.run()

    async def _tend(self) -> None:
        await self.exports.tend(self._clock.now_ms())
