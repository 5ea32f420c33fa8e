"""Under which addresses one person's messages stand.

A person has a number and a LID. A message names its sender by the one that was known when it came, in
groups often the LID. What is known now is told by names of chats and by contacts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress

import msgspec

from daemon.history.port import HistoryFailed, HistoryStore
from sessions.cache.chats import ChatRow
from sessions.ids import ChatRef, SessionKey, jid_kind
from sessions.manager.memory import Memory
from sessions.models import Contact

_STORE_SECONDS = 2.0


class _Names(msgspec.Struct):
    pn: str | None = None
    lid: str | None = None


_DECODER = msgspec.json.Decoder(_Names)


class Addresses:
    """Asks RAM, and history for what left it."""

    def __init__(self, memory: Memory, store: HistoryStore | None) -> None:
        """``store`` None: history is off."""
        self._memory = memory
        self._store = store

    async def of(self, workspace: str, sessions: Iterable[str], jid: str) -> tuple[str, ...]:
        """Return all addresses of whoever has this one, as these sessions know them."""
        found, new = {jid}, {jid} if jid_kind(jid) == "user" else set()
        names = sorted(sessions)
        while new:
            refs = [ChatRef(workspace, name, each) for name in names for each in sorted(new)]
            told = [*self._here(refs), *await self._beyond(refs)]
            new = {each for each in told if each and jid_kind(each) == "user"} - found
            found |= new
        return tuple(sorted(found))

    def _here(self, refs: Sequence[ChatRef]) -> list[str | None]:
        """Return what RAM has beside these addresses."""
        found: list[str | None] = []
        for ref in refs:
            found.append(self._memory.home(ref).jid)
            for known in self._known(ref):
                found += [] if known is None else [known.pn, known.lid]
        return found

    def _known(self, ref: ChatRef) -> tuple[ChatRow | None, Contact | None]:
        return self._memory.chats.look(ref), self._memory.contacts.look(ref.key, ref.jid)

    async def _beyond(self, refs: Sequence[ChatRef]) -> list[str | None]:
        """Return what history has of those that RAM does not hold; nothing where it fails."""
        if self._store is None:
            return []
        found: list[str | None] = []
        with suppress(HistoryFailed, TimeoutError):
            async with asyncio.timeout(_STORE_SECONDS):
                chats = [] if self._memory.chats.is_whole else self._missing(refs, 0)
                for chat in await self._store.chats_of(chats) if chats else []:
                    found += [chat.pn, chat.lid]
                contacts = [] if self._memory.contacts.is_whole else self._missing(refs, 1)
                found += await self._contacts(self._store, contacts)
        return found

    def _missing(self, refs: Sequence[ChatRef], kind: int) -> list[ChatRef]:
        return [ref for ref in refs if self._known(ref)[kind] is None]

    async def _contacts(self, store: HistoryStore, refs: Sequence[ChatRef]) -> list[str | None]:
        by_session: dict[SessionKey, list[str]] = {}
        for ref in refs:
            by_session.setdefault(ref.key, []).append(ref.jid)
        found: list[str | None] = []
        for key, jids in by_session.items():
            for contact in await store.contacts_of(key, jids):
                names = _DECODER.decode(contact.body)
                found += [names.pn, names.lid]
        return found
