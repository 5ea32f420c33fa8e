"""What all parts of the metadata service share: who may, and the way of a change.

The way of a change is disk, index, chat rows, hub, in this order: who sees an event can read
what it tells. Changes of one thing are made one after the other (:meth:`Core.locked`), so that
memory and stream see them in the order of the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from daemon.auth.principal import Principal
from daemon.errors import ApiError
from daemon.metadata.ids import Ids
from daemon.metadata.index import MetadataIndex
from daemon.metadata.models import AnyRow, Assignment, ChatTag, Key, Row, Tag
from daemon.metadata.port import Change, MetadataStore, VersionConflict
from daemon.services.abilities import Ability, Standing, standing
from daemon.services.engine import Engine
from daemon.services.metadata.annotating import tag_label
from daemon.services.metadata.refusals import answered, conflict
from daemon.services.metadata.telling import chat_tags_event, events_of
from sessions.ids import ChatRef
from sessions.manager import SessionManager
from sessions.ports import Clock, EventSink

R = TypeVar("R", bound=Row)
#: Chats that are annotated anew in one go, before others get a turn (some milliseconds).
AT_ONCE = 200
#: How often a change is tried whose row was changed elsewhere between reading and writing.
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Parts:
    """What the service is made of; given by the composition root."""

    store: MetadataStore
    index: MetadataIndex
    engine: Engine
    manager: SessionManager
    sink: EventSink
    clock: Clock


class Core:
    """Checks, writes and tells."""

    def __init__(self, parts: Parts) -> None:
        self.store = parts.store
        self.index = parts.index
        self.clock = parts.clock
        self.ids = Ids(parts.clock)
        self._engine = parts.engine
        self._manager = parts.manager
        self._sink = parts.sink
        self._locks: dict[Hashable, tuple[asyncio.Lock, int]] = {}

    # -- who

    def standing(self, who: Principal) -> Standing:
        """Return what the principal is; raise ``not_a_member`` for who is no longer one."""
        member = None
        if who.is_user:
            member = self.index.member(who.workspace, who.subject)
        if member is not None and not member.active:
            raise ApiError("not_a_member")
        return standing(who, member)

    def require(self, who: Principal, ability: Ability, session: str | None = None) -> Standing:
        """Return what the principal is; raise ``missing_ability`` unless it may."""
        found = self.standing(who)
        if not found.may(ability, session):
            raise ApiError("missing_ability", f"This needs the ability {ability}.")
        return found

    def visible(self, who: Principal) -> frozenset[str] | None:
        """Return the sessions that the principal may see; None: all of the workspace's."""
        return who.sessions

    def chat(self, who: Principal, chat: str) -> ChatRef:
        """Return the chat by the name it goes by now; its session must be there to be seen.

        The chat itself need not be in memory: what is known of it outlives that.
        """
        return self._manager.memory.home(self._engine.ref(who, chat))

    def session(self, who: Principal, session: str) -> None:
        """Raise ``SessionNotFound`` for a session that the principal cannot see."""
        self._engine.session(who, session)

    # -- reading

    async def assignment(self, ref: ChatRef) -> Assignment | None:
        """Return the chat's assignment, from memory where it is whole."""
        await self._known(ref)
        return self.index.assignment(ref)

    async def tags_of(self, ref: ChatRef) -> tuple[str, ...]:
        """Return the chat's tags."""
        await self._known(ref)
        return self.index.tags_of(ref)

    async def stored(self, shape: type[R], workspace: str, key: Key) -> R | None:
        """Return a living row as it is on disk now."""
        with answered(self.index):
            row = await self.store.row(shape, workspace, key)
        return row if isinstance(row, shape) and row.live else None

    async def learn(self, ref: ChatRef) -> bool:
        """Read a chat that left the memory; return whether anything is known of it."""
        async with self.locked(ref):
            if self.index.is_known(ref):
                return False
            rows = await self.store.of_chat(ref)
            self.index.learn(ref, rows)
            return bool(rows)

    async def _known(self, ref: ChatRef) -> None:
        if not self.index.is_known(ref):
            with answered(self.index):
                await self.learn(ref)

    # -- changing

    @asynccontextmanager
    async def locked(self, *names: Hashable) -> AsyncIterator[None]:
        """Be alone with these things: chats by their names, other rows by kind and key."""
        async with AsyncExitStack() as stack:
            for name in sorted(set(names), key=repr):  # one order for all: none waits in a ring
                await stack.enter_async_context(self._lock(name))
            yield

    @asynccontextmanager
    async def _lock(self, name: Hashable) -> AsyncIterator[None]:
        lock, users = self._locks.get(name, (asyncio.Lock(), 0))
        self._locks[name] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            _, users = self._locks[name]
            if users > 1:
                self._locks[name] = lock, users - 1
            else:
                del self._locks[name]

    @asynccontextmanager
    async def at(self, ref: ChatRef) -> AsyncIterator[ChatRef]:
        """Be alone with a chat, by the name it goes by then: it may be merged while one waits."""
        home = self._manager.memory.home
        while True:
            ref = home(ref)
            async with self.locked(ref):
                if home(ref) == ref:
                    yield ref
                    return

    def joined(self, old: ChatRef, new: ChatRef) -> None:
        """Remember in memory what the store remembers: ``old`` is a name of ``new``."""
        self._manager.memory.alias(old, new)

    async def write(self, changes: Sequence[Change]) -> list[AnyRow]:
        """Store, then tell. The caller is alone with what it changes."""
        with answered(self.index):
            rows = await self.store.write(changes)
        await self.took(rows)
        return rows

    async def change(
        self,
        shape: type[R],
        workspace: str,
        key: Key,
        expected: int | None,
        make: Callable[[R | None], Change | None],
    ) -> R | None:
        """Change a row to what ``make`` says of the row there is; None leaves it as it is.

        ``expected`` is the version that the client knows; None: whatever is there. A row that was
        changed elsewhere while ``make`` thought is looked at again.
        """
        for _ in range(_TRIES):
            async with self._alone(shape, workspace, key) as now_key:
                current = await self.stored(shape, workspace, now_key)
                version = current.version if current else 0
                if expected is not None and expected != version:
                    raise conflict(version)
                change = make(current)
                if change is None:
                    return current
                try:
                    with answered(self.index, conflicts=False):
                        rows = await self.store.write([_at(change, now_key, version)])
                except VersionConflict as error:
                    self._learn_alias(workspace, now_key, error.current)
                    continue
                await self.took(rows)
                return next(row for row in rows if isinstance(row, shape))
        raise ApiError("storage_busy", "The row is being changed elsewhere.")

    @asynccontextmanager
    async def _alone(self, shape: type[Row], workspace: str, key: Key) -> AsyncIterator[Key]:
        if shape is Assignment:
            async with self.at(ChatRef(workspace, *key)) as ref:
                yield (ref.session, ref.jid)
        else:
            async with self.locked(lock_name(shape, workspace, key)):
                yield key

    def _learn_alias(self, workspace: str, key: Key, current: AnyRow | None) -> None:
        """Remember a name that left the memory: the store found the row under another."""
        if isinstance(current, Assignment) and current.key != key:
            self._manager.memory.alias(ChatRef(workspace, *key), current.chat)

    async def took(self, rows: Sequence[AnyRow]) -> None:
        """Put rows that are on disk into memory, and tell them."""
        turned = [row for row in rows if isinstance(row, Tag) and row.live != self._has(row)]
        self.index.apply(rows)
        for ref in dict.fromkeys(row.chat for row in rows if isinstance(row, Assignment | ChatTag)):
            self._manager.annotate(ref)
        now = self.clock.now_ms()
        events = events_of(rows, self.index, now)
        for tag in turned:
            refs = await self._follow(tag)
            if tag.live:
                events += [chat_tags_event(ref, self.index, tag, now) for ref in refs]
        for event in events:
            self._sink.publish(event)

    async def took_elsewhere(self, rows: Sequence[AnyRow]) -> None:
        """Learn rows that others wrote; each is read again, for it may have changed since."""
        for row in rows:
            async with self.locked(lock_name(type(row), row.workspace, row.key)):
                fresh = await self.store.row(type(row), row.workspace, row.key)
                if fresh is not None:
                    await self.took([fresh])

    def _has(self, tag: Tag) -> bool:
        return self.index.tag(tag.workspace, tag.id) is not None

    async def _follow(self, tag: Tag) -> list[ChatRef]:
        """Show in the chats that a tag is gone, or is back; return them."""
        if not tag.live:
            label = tag_label(tag.id)
            refs = self._manager.memory.chats.labelled(tag.workspace, label)
        elif tag.version > 1:
            refs = self.index.chats_with(tag.workspace, tag.id)
        else:
            return []
        await self._annotate(refs)
        return refs

    async def _annotate(self, refs: Sequence[ChatRef]) -> None:
        for place, ref in enumerate(refs, 1):
            if not self.index.is_known(ref):
                await self.learn(ref)
            self._manager.annotate(ref)
            if place % AT_ONCE == 0:
                await asyncio.sleep(0)

    def annotate(self, ref: ChatRef, *, tell: bool) -> None:
        """Show in the chat's row what is known now."""
        self._manager.annotate(ref, tell=tell)


def _at(change: Change, key: Key, version: int) -> Change:
    """Return the change of the row of this key and version: the chat may have another name now."""
    row = change.row
    if isinstance(row, Assignment):
        row = msgspec.structs.replace(row, session=key[0], jid=key[1])
    return change._replace(row=row, expected=version)


def lock_name(shape: type[Row], workspace: str, key: Key) -> Hashable:
    """Return what a row is locked by: those of a chat by the chat."""
    if shape in {Assignment, ChatTag}:
        return ChatRef(workspace, *key[:2])
    return (shape.kind, workspace, key)
