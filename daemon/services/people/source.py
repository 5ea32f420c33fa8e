"""Chats, contacts and messages as an export takes them: from history and RAM, in pages.

History has what was; RAM has the last word on what it holds, and is all there is where history is
off. Nothing here is counted as used: an export leaves the caches as they are.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

import msgspec
import orjson

from daemon.history.models import StoredChat, StoredMessage
from daemon.services.people.past import Past
from daemon.storage.known_chats import chat_hash
from sessions.cache.chats import ChatRow
from sessions.cache.messages import Entry
from sessions.ids import ChatRef, SessionKey, jid_kind
from sessions.manager.memory import Memory
from sessions.models import Contact, iso, sender_of, splice

T = TypeVar("T")
PAGE = 500
CHAT_COLUMNS = (
    "id",
    "session",
    "jid",
    "pn",
    "lid",
    "kind",
    "name",
    "unread",
    "updated_at",
    "archived",
    "pinned",
    "muted_until",
)


class Wanted(NamedTuple):
    """What is asked for. ``jids`` None: all of the workspace's; ``groups``: what they wrote there.

    ``sessions``: those that are looked into.
    """

    workspace: str
    sessions: tuple[str, ...]
    jids: frozenset[str] | None = None
    groups: bool = False

    def has_chat(self, ref: ChatRef) -> bool:
        """Tell whether the chat itself is asked for."""
        return self._is_near(ref) and (self.jids is None or ref.jid in self.jids)

    def has_writings(self, ref: ChatRef) -> bool:
        """Tell whether messages in the chat are asked for."""
        shared = self.groups and jid_kind(ref.jid) != "user"
        return self.has_chat(ref) or (shared and self._is_near(ref))

    def _is_near(self, ref: ChatRef) -> bool:
        return ref.workspace == self.workspace and ref.session in self.sessions


class Source:
    """Reads both. Either may be missing: RAM beside no daemon, history where it is off."""

    def __init__(self, memory: Memory | None, past: Past | None) -> None:
        self._memory = memory
        self._past = past

    @property
    def parts(self) -> list[str]:
        """What is read, for the manifest."""
        found = {"memory": self._memory, "history": self._past}
        return [name for name, part in found.items() if part is not None]

    async def settle(self) -> None:
        """Have history hold what it is to hold by now; raise ``HistoryFailed``."""
        if self._past is not None:
            await self._past.settle()

    async def chats(self, wanted: Wanted) -> AsyncIterator[list[tuple[ChatRef, bytes]]]:
        """Yield the chats whose messages are asked for, those of history first."""
        seen = _Seen()
        if self._past is not None:
            async for page in self._past.store.chats():
                found = [chat for chat in page if wanted.has_writings(chat.ref)]
                for chat in found:
                    seen.note(chat.ref.id)
                yield [(chat.ref, self._chat(chat)) for chat in found]
        seen.settle()
        if self._memory is not None:
            chats = self._memory.chats
            for session in wanted.sessions:
                refs = chats.of_session(wanted.workspace, session)
                fresh = (r for r in refs if wanted.has_writings(r) and r.id not in seen)
                for page_ in _pages(fresh):
                    rows = (chats.look(ref) for ref in page_)
                    yield [(row.ref, _json(row)) for row in rows if row is not None]

    def _chat(self, stored: StoredChat) -> bytes:
        row = self._memory.chats.look(stored.ref) if self._memory else None
        return _json(stored if row is None else row)

    async def contacts(self, wanted: Wanted) -> AsyncIterator[list[bytes]]:
        """Yield the contacts that are asked for, those of RAM first."""
        seen = _Seen()
        for page in _pages(self._contacts_here(wanted)):
            for contact in page:
                seen.note(f"{contact.session}:{contact.jid}")
            yield [msgspec.json.encode(contact) for contact in page]
        seen.settle()
        if self._past is not None:
            async for stored in self._past.store.contacts():
                yield [
                    contact.body
                    for contact in stored
                    if wanted.has_chat(ChatRef(contact.workspace, contact.session, contact.jid))
                    and f"{contact.session}:{contact.jid}" not in seen
                ]

    def _contacts_here(self, wanted: Wanted) -> Iterator[Contact]:
        if self._memory is None:
            return
        for session in wanted.sessions:
            for contact in self._memory.contacts.of_session(SessionKey(wanted.workspace, session)):
                if wanted.jids is None or contact.jid in wanted.jids:
                    yield contact

    async def messages(self, ref: ChatRef, wanted: Wanted) -> AsyncIterator[list[bytes]]:
        """Yield the chat's messages, oldest first; of a shared chat those of the person only."""
        by = None if wanted.has_chat(ref) else wanted.jids
        held = {entry.id: entry for entry in self._held(ref)}
        if self._past is not None:
            place = -1
            while page := await self._past.store.after(ref, place, PAGE):
                place = page[-1][0]
                yield [
                    _rendered(stored, held.pop(stored.id, None))
                    for _, stored in page
                    if by is None or stored.sender in by
                ]
        for entries in _pages(e for e in held.values() if by is None or sender_of(e.head) in by):
            yield [entry.render() for entry in entries]

    def _held(self, ref: ChatRef) -> list[Entry]:
        """Return what RAM has of the chat; its last message may have outlived the others."""
        if self._memory is None:
            return []
        held = self._memory.messages.held(ref)
        row = self._memory.chats.look(ref)
        last = row.last if row is not None else None
        return [last] if last is not None and not held else held


class _Seen:
    """Names that were met, eight bytes each; all are noted before any is looked up."""

    def __init__(self) -> None:
        self._hashes: array[int] = array("q")

    def note(self, name: str) -> None:
        self._hashes.append(chat_hash(name))

    def settle(self) -> None:
        self._hashes = array("q", sorted(self._hashes))

    def __contains__(self, name: str) -> bool:
        number = chat_hash(name)
        place = bisect_left(self._hashes, number)
        return place < len(self._hashes) and self._hashes[place] == number


def _rendered(stored: StoredMessage, entry: Entry | None) -> bytes:
    return splice(stored.head, stored.tail) if entry is None else entry.render()


def _pages(items: Iterable[T]) -> Iterator[Sequence[T]]:
    following = iter(items)
    while page := list(islice(following, PAGE)):
        yield page


def _json(chat: StoredChat | ChatRow) -> bytes:
    ref = chat.ref
    values = {
        "id": ref.id,
        "session": ref.session,
        "jid": ref.jid,
        "pn": chat.pn,
        "lid": chat.lid,
        "kind": jid_kind(ref.jid),
        "name": chat.name,
        "unread": chat.unread,
        "updated_at": iso(chat.updated_at) if chat.updated_at else None,
        "archived": chat.archived,
        "pinned": chat.pinned,
        "muted_until": iso(chat.muted_until) if chat.muted_until else None,
    }
    return orjson.dumps(values)
