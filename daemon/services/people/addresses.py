"""Which addresses are one person's: a number and a LID may stand in different places."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from daemon.storage import device_store
from sessions.ids import LID, USER, ChatRef, SessionKey
from sessions.models import Contact
from sessions.provider import scrubbing

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.history.models import StoredChat
    from daemon.history.port import HistoryStore
    from daemon.services.people.past import Past
    from daemon.storage.database import Database
    from sessions.manager.memory import Memory

_ALIASES = (
    "SELECT jid, canonical FROM chat_aliases WHERE workspace = ?1 AND session = ?2 "
    "AND (jid = ?3 OR canonical = ?3)"
)


class Addresses:
    """Asks RAM, history and the embedded database, whichever are there."""

    def __init__(self, database: Database, memory: Memory | None, past: Past | None) -> None:
        self._database = database
        self._memory = memory
        self._past = past

    async def of(self, key: SessionKey, jid: str, folder: Path | None = None) -> frozenset[str]:
        """Return all addresses of the person that ``jid`` is one of, as this session knows them.

        ``folder`` is the session's own, where what the engine knows is to be asked too.
        """
        found, new = {jid}, {jid}
        while new:
            told = [await self._beside(key, each) for each in sorted(new)]
            if folder is not None:
                told += [await asyncio.to_thread(_in_folder, folder, each) for each in sorted(new)]
            new = {each for group in told for each in group if _is_person(each)} - found
            found |= new
        return frozenset(found)

    async def _beside(self, key: SessionKey, jid: str) -> set[str]:
        """Return the addresses that are told together with this one."""
        ref = ChatRef(*key, jid)
        rows = await self._database.all(_ALIASES, (*key, jid))
        found = {row[name] for row in rows for name in ("jid", "canonical")}
        if self._memory is not None:
            found.add(self._memory.home(ref).jid)
            row = self._memory.chats.look(ref)
            contact = self._memory.contacts.look(key, jid)
            for known in (row, contact):
                found |= {known.pn or "", known.lid or ""} if known is not None else set()
        if self._past is not None:
            found |= await _in_history(self._past.store, ref)
        return found


async def _in_history(store: HistoryStore, ref: ChatRef) -> set[str]:
    chat = await store.chat(ref)
    contacts = await store.contacts_of(ref.key, [ref.jid])
    names: list[StoredChat | Contact] = [] if chat is None else [chat]
    names += [msgspec.json.decode(contact.body, type=Contact) for contact in contacts]
    return {address for name in names for address in (name.pn, name.lid) if address}


def _in_folder(folder: Path, jid: str) -> set[str]:
    return scrubbing.addresses(folder, jid) | device_store.addresses(folder, jid)


def _is_person(jid: str) -> bool:
    return jid.endswith((f"@{USER}", f"@{LID}"))
