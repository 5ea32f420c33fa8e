"""Metadata with Supabase: the embedded database, an outbox to Supabase, and claims made there.

Everything but a claim is stored here at once and sent later. Who has a chat is decided where
everybody can see it: by a write in Supabase that holds only if the row is still the one that
was read. Its answer may be lost; then the row is read again, and the id of the operation tells
whether it was ours. Nothing is stored here before Supabase has said yes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from msgspec import structs

from daemon.metadata.checks import check_member
from daemon.metadata.deciding import claimed
from daemon.metadata.ids import is_uuid
from daemon.metadata.models import Actor, AnyRow, Assignment
from daemon.metadata.port import AlreadyClaimed, Change, Refused, Unreachable
from daemon.metadata.remote import Query
from daemon.metadata.sqlite import CLAIM, SqliteMetadata
from daemon.metadata.tables import TABLES, from_remote, to_remote
from daemon.metadata.trouble import Kind, Trouble, no_answer
from daemon.metadata.unit import Unit, key_text
from daemon.storage.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from daemon.metadata.drain import Drain
    from daemon.metadata.health import Health
    from daemon.metadata.remote import DataApi
    from daemon.metadata.workspace_ids import WorkspaceIds
    from daemon.storage.database import Database
    from sessions.ids import ChatRef
    from sessions.ports import Clock

PART = "claiming"
TABLE = TABLES[Assignment]


class Pace(NamedTuple):
    """Seconds. An agent waits for the answer: no request may take long."""

    whole: float = 8.0
    request: float = 3.0
    again: float = 0.2  # before a request whose answer was lost is followed by another


class Remote(NamedTuple):
    """What a :class:`SupabaseMetadata` needs beside the embedded database.

    ``on_lost`` is called when a chat proved to be somebody else's: more may be new there.
    """

    api: DataApi
    ids: WorkspaceIds
    drain: Drain
    health: Health
    on_lost: Callable[[], None] = lambda: None


class _Claim(NamedTuple):
    """One claim that is under way: ``chat`` by the name it goes by now."""

    chat: ChatRef
    user: str
    actor: Actor
    steal: bool
    op_id: str


class _Won(NamedTuple):
    row: Assignment
    before: str | None
    changed: bool


class SupabaseMetadata(SqliteMetadata):
    """The rows in the embedded database, and on their way to Supabase."""

    def __init__(
        self, database: Database, clock: Clock, remote: Remote, pace: Pace | None = None
    ) -> None:
        super().__init__(database, clock, outbox=True)
        self._api, self._workspace_ids, self._drain, self._health, self._on_lost = remote
        self._waiting = Outbox(database, clock)
        self._pace = pace or Pace()
        self._under_way: dict[str, asyncio.Event] = {}

    def is_under_way(self, op_id: str) -> bool:
        """Tell whether a claim with that id waits for its answer: it stores the row itself."""
        return op_id in self._under_way

    async def write(self, changes: Sequence[Change]) -> list[AnyRow]:
        """Store the rows here, and let them be sent."""
        written = await super().write(changes)
        self._drain.wake()
        return written

    async def merge(self, rows: Sequence[AnyRow], *, action: str | None = None) -> list[AnyRow]:
        """Take rows that were written elsewhere."""
        changed = await super().merge(rows, action=action)
        if changed and action is not None:
            self._drain.wake()
        return changed

    async def move_chat(self, old: ChatRef, new: ChatRef) -> list[AnyRow]:
        """Give ``new`` all that ``old`` had, and let that be sent."""
        changed = await super().move_chat(old, new)
        self._drain.wake()
        return changed

    async def claim(
        self, chat: ChatRef, user: str, actor: Actor, *, steal: bool = False
    ) -> Assignment:
        """Give the chat to ``user`` in Supabase, then here."""
        claim = await self._prepared(chat, user, actor, steal=steal)
        with self._running(claim.op_id):
            try:
                async with asyncio.timeout(self._pace.whole):
                    won = await self._claim_there(claim)
            except AlreadyClaimed as lost:
                raise await self._lost_to(lost.current) from None
            except TimeoutError as error:
                raise Unreachable("Supabase does not answer in time.") from error
            except Trouble as trouble:
                raise self._failed(trouble) from trouble
            self._health.well(PART)
            stored = await self._keep(claim, won)
        self._drain.wake()
        return stored

    async def _prepared(self, chat: ChatRef, user: str, actor: Actor, *, steal: bool) -> _Claim:
        async def job(unit: Unit) -> ChatRef:
            ref = await unit.canonical(chat)
            await check_member(unit, _nobodys(ref, assignee=user))
            return ref

        if not is_uuid(user):
            raise Refused("unknown_member", "The workspace has no such member.")
        ref = await self._transaction(job)
        return _Claim(ref, user, actor, steal, self._ids.new())

    @contextmanager
    def _running(self, op_id: str) -> Iterator[None]:
        done = self._under_way[op_id] = asyncio.Event()
        try:
            yield
        finally:
            del self._under_way[op_id]
            done.set()

    async def _lost_to(self, there: Assignment) -> AlreadyClaimed:
        """Return who has the chat: as it is stored here, where it was won here."""
        if done := self._under_way.get(there.op_id):
            await done.wait()
        here = await self.row(Assignment, there.workspace, there.key)
        if isinstance(here, Assignment) and here.op_id and here.op_id == there.op_id:
            return AlreadyClaimed(here)
        self._on_lost()
        return AlreadyClaimed(there)

    async def _claim_there(self, claim: _Claim) -> _Won:
        """Win the chat in Supabase; raise ``AlreadyClaimed`` or ``Trouble``."""
        await self._send_waiting(claim.chat)
        in_doubt, helped, before = False, False, None
        while True:
            try:
                current = await self._read(claim.chat)
                if current is not None and current.op_id == claim.op_id:
                    return _Won(current, before, changed=True)
                wanted = self._wanted(claim, current)
                if wanted is None:
                    assert current is not None  # noqa: S101 - it is theirs
                    return _Won(current, claim.user, changed=False)
                before = current.assignee if current is not None else None
                in_doubt = True
                if won := await self._put(claim, wanted, current):
                    return _Won(won, before, changed=True)
                in_doubt = False  # somebody was faster: look again
            except Trouble as trouble:
                if trouble.kind is Kind.ORPHAN and not helped:
                    helped, in_doubt = True, False
                    await self._drain.flush()  # the session's row, or the member's, may wait
                elif trouble.kind is Kind.TRANSIENT and in_doubt:
                    await asyncio.sleep(self._pace.again)
                else:
                    raise

    async def _send_waiting(self, chat: ChatRef) -> None:
        """Send what waits of this very row, so that Supabase decides by what is the case."""
        key = key_text((chat.session, chat.jid))
        item = await self._waiting.find(chat.workspace, Assignment.kind, key)
        await self._workspace_ids.ensure([chat.workspace])
        if item is None:
            return
        try:
            await self._drain.send_now(Assignment.kind, item)
        except Trouble as trouble:
            if trouble.kind is not Kind.ORPHAN:
                raise
            await self._drain.flush()

    def _wanted(self, claim: _Claim, current: Assignment | None) -> Assignment | None:
        """Return the row as it is to be; None if it is theirs already."""
        chat = current if current is not None and current.live else _nobodys(claim.chat)
        if chat.assignee not in {None, claim.user} and not claim.steal:
            raise AlreadyClaimed(chat)
        wanted = claimed(chat, claim.user, claim.actor)
        if current is chat and chat.assignee == claim.user and wanted.status is chat.status:
            return None
        now = self._clock.now_ms()
        changed_at = now if current is None else max(now, current.changed_at + 1)
        return structs.replace(
            wanted,
            op_id=claim.op_id,
            changed_at=changed_at,
            created_at=now if current is None else current.created_at,
        )

    async def _read(self, chat: ChatRef) -> Assignment | None:
        async with self._patience():
            found = await self._api.select(TABLE.remote, Query(equal=self._key(chat), limit=1))
        return self._row(chat, found[0]) if found else None

    async def _put(
        self, claim: _Claim, wanted: Assignment, current: Assignment | None
    ) -> Assignment | None:
        """Write the row if it is still the one that was read; None if it is not."""
        body = to_remote(wanted, self._workspace_ids.id_of(claim.chat.workspace))
        async with self._patience():
            if current is None:
                found = await self._api.insert(TABLE.remote, [body], TABLE.remote_key)
            else:
                where = {**self._key(claim.chat), "version": current.version}
                found = await self._api.update(TABLE.remote, where, body)
        return self._row(claim.chat, found[0]) if found else None

    async def _keep(self, claim: _Claim, won: _Won) -> Assignment:
        """Store here what Supabase has, whatever was here: it was decided there."""

        async def job(unit: Unit) -> Assignment:
            stored = await unit.load(Assignment, claim.chat.workspace, won.row.key)
            version = max(won.row.version, stored.version + 1 if stored else 1)
            row = structs.replace(won.row, version=version, actor=claim.actor)
            if isinstance(stored, Assignment) and _is_later(stored, row):
                if stored.assignee != claim.user:  # won, and lost again before it was stored
                    raise AlreadyClaimed(stored)
                return stored
            await unit.store(row, here=False)
            if won.changed:
                unit.log(row, CLAIM, {"assignee": claim.user, "before": won.before})
            return row

        return await self._transaction(job)

    def _failed(self, trouble: Trouble) -> Exception:
        if trouble.kind is Kind.ORPHAN:
            return Refused("unknown_member", "Supabase has no such member in this workspace.")
        if trouble.kind in {Kind.TRANSIENT, Kind.BLOCKED}:
            self._health.met(PART, trouble)
        return Unreachable(trouble.sentence)

    @asynccontextmanager
    async def _patience(self) -> AsyncIterator[None]:
        """Bound one request: an agent waits."""
        try:
            async with asyncio.timeout(self._pace.request):
                yield
        except TimeoutError as error:
            raise no_answer(error) from error

    def _key(self, chat: ChatRef) -> dict[str, str | int | None]:
        values = (self._workspace_ids.id_of(chat.workspace), chat.session, chat.jid)
        return dict(zip(TABLE.remote_key, values, strict=True))

    def _row(self, chat: ChatRef, body: dict[str, object]) -> Assignment:
        actor = Actor(id="supabase", name="Supabase", kind="external")
        row = from_remote(Assignment.kind, body, chat.workspace, actor)
        assert isinstance(row, Assignment)  # noqa: S101 - by its kind
        return row


def _is_later(stored: Assignment, won: Assignment) -> bool:
    """Tell whether what was read from Supabase meanwhile is the row that was won, or a later one."""
    if stored.op_id and stored.op_id == won.op_id:
        return True
    return stored.actor.kind == "external" and stored.changed_at > won.changed_at


def _nobodys(chat: ChatRef, assignee: str | None = None) -> Assignment:
    return Assignment(
        workspace=chat.workspace, session=chat.session, jid=chat.jid, assignee=assignee
    )
