"""Erases one person of one session, place by place. Every part may be done again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from daemon.metadata.erasing import erase as erase_metadata
from daemon.storage import device_store
from sessions.errors import SessionNotFound
from sessions.ids import ChatRef, SessionKey
from sessions.provider import scrubbing

if TYPE_CHECKING:
    from daemon.hub.hub import Hub
    from daemon.metadata.index import MetadataIndex
    from daemon.services.people.past import Past
    from daemon.storage.database import Database
    from daemon.storage.known_chats import SqliteKnownChats
    from daemon.storage.sends import SqliteSendJournal
    from sessions.manager import SessionManager

Counts = dict[str, dict[str, int]]
"""How much was erased, by place and kind."""


class Places(NamedTuple):
    """Where something of a person may be. ``past`` None: history is off."""

    database: Database
    manager: SessionManager
    hub: Hub
    sends: SqliteSendJournal
    known: SqliteKnownChats
    annotated: MetadataIndex
    past: Past | None


class SessionEraser:
    """Erases in one session."""

    def __init__(self, places: Places, key: SessionKey, jids: frozenset[str]) -> None:
        self._places = places
        self._key = key
        self._jids = jids

    async def run(self) -> Counts:
        """Erase everywhere; the session is closed meanwhile, so that nothing comes in between.

        Raises ``HistoryFailed``, ``StorageError``, ``OSError``.
        """
        places, counts = self._places, Counts()
        counts["memory"] = await places.manager.erase(self._key, self._jids)
        await self._settle()  # what the engine keeps for us until it is on disk may go
        async with AsyncExitStack() as stack:
            folder = await self._aside(stack)
            await self._settle()
            add(counts["memory"], await places.manager.erase(self._key, self._jids))
            counts["sends"] = await places.sends.erase(self._key, self._jids)
            counts["metadata"] = await erase_metadata(places.database, self._key, self._jids)
            for jid in self._jids:
                places.annotated.forget(ChatRef(*self._key, jid))
            known = await places.known.erase(self._key, self._jids)
            counts["known_chats"] = {"chats": known}
            if folder is not None:
                counts |= await asyncio.to_thread(self._scrub, folder)
            if places.past is not None:
                found = await places.past.store.erase_contact(self._key, self._jids)
                counts["history"] = dict(found)
        counts["streams"] = {"events": places.hub.forget_past(self._key.workspace)}
        return counts

    async def _settle(self) -> None:
        if self._places.past is not None:
            await self._places.past.settle()

    async def _aside(self, stack: AsyncExitStack) -> Path | None:
        """Close the session for as long as the stack; return its folder, None where it has none."""
        lifecycle = self._places.manager.lifecycle
        try:
            return await stack.enter_async_context(lifecycle.aside(lifecycle.get(self._key)))
        except SessionNotFound:  # deleted meanwhile, with its folder
            return None

    def _scrub(self, folder: Path) -> Counts:
        confirmed = self._places.manager.supervisor.confirmed(self._key)
        return {
            "engine": scrubbing.scrub(folder, self._jids, confirmed),
            "device": device_store.scrub(folder, self._jids),
        }


def add(counts: dict[str, int], more: Mapping[str, int]) -> None:
    """Add to counts, in place."""
    for kind, number in more.items():
        counts[kind] = counts.get(kind, 0) + number


def joined(
    before: Mapping[str, Mapping[str, int]], more: Mapping[str, Mapping[str, int]]
) -> Counts:
    """Return both together: a job that was cut off erased some of it before."""
    result = {place: dict(kinds) for place, kinds in before.items()}
    for place, kinds in more.items():
        add(result.setdefault(place, {}), kinds)
    return result


def find_in(data_dir: Path, users: list[bytes]) -> dict[str, int]:
    """Return the files below the data directory that name one of these still, and how often.

    Runs in a thread; reads every byte. A file that goes meanwhile has nothing to tell.
    """
    found: dict[str, int] = {}
    for path in sorted(data_dir.rglob("*")):
        try:
            if path.is_symlink() or not path.is_file():
                continue
            count = sum(device_store.count_in(path, user) for user in users)
        except OSError:
            continue
        if count:
            found[str(path.relative_to(data_dir))] = count
    return found
