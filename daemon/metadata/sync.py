"""Learns what others wrote in Supabase: by asking, again and again.

Each kind is read from a *mark* on: the greatest ``updated_at`` that was seen. That time is taken
before a row is committed, so that a row may appear behind the mark for as long as a transaction
lasts: what lies up to ``OVERLAP`` before the mark is read again, once more after that time has
passed, and then no more. Reading twice changes nothing (:meth:`MetadataStore.merge`).

Realtime only says when to ask sooner, and that it stands, when to ask everything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from daemon.metadata.models import KINDS, Actor, AnyRow
from daemon.metadata.remote import Query
from daemon.metadata.tables import from_remote, table_of
from daemon.metadata.trouble import Kind, Trouble
from daemon.storage.failures import StorageError

if TYPE_CHECKING:
    import aiosqlite

    from daemon.metadata.health import Health
    from daemon.metadata.remote import DataApi, RemoteRow
    from daemon.metadata.sqlite import SqliteMetadata
    from daemon.metadata.workspace_ids import WorkspaceIds
    from daemon.storage.database import Database

log = logging.getLogger("zapd.supabase")

PART = "reading"
OVERLAP = timedelta(seconds=30)
PAGE = 1000  # rows; what Supabase gives at most unless its owner says otherwise
TOGETHER = 100  # workspaces in one request: 3.7 KB of the address
AT_ONCE = 200  # rows merged in one transaction: other writers wait some 20 ms for it
ELSEWHERE = Actor(id="supabase", name="Supabase", kind="external")
CHANGED_ELSEWHERE = "changed_elsewhere"
"""What the activity log says of a change that somebody made in Supabase."""

OnRows = Callable[[list[AnyRow]], Awaitable[None]]

_MARKS = "SELECT workspace, kind, mark FROM sync_marks"
_SET_MARK = (
    "INSERT INTO sync_marks VALUES(?, ?, ?) "
    "ON CONFLICT(workspace, kind) DO UPDATE SET mark = excluded.mark"
)


class Pace(NamedTuple):
    """Seconds between two readings of everything."""

    poll: float = 30.0
    poll_alone: float = 5.0  # while Realtime does not say when
    blocked: float = 30.0
    gather: float = 0.1  # from Realtime's hint to the reading: changes come in company


class _Mark(NamedTuple):
    """How far a kind was read; ``settled``: nothing can appear behind it any more."""

    text: str
    seen_at: float
    settled: bool = False


class Parts(NamedTuple):
    """What a :class:`Sync` works with."""

    api: DataApi
    store: SqliteMetadata
    database: Database
    ids: WorkspaceIds
    health: Health


class Calls(NamedTuple):
    """What a :class:`Sync` asks and tells.

    ``on_rows`` gets what changed by it, after it is on disk; it must not raise. ``workspaces``
    names those that there are. ``is_ours`` tells of an operation that is under way here and
    stores its result itself. ``on_success`` is called when Supabase answered; it must not wait.
    """

    on_rows: OnRows
    workspaces: Callable[[], Awaitable[Sequence[str]]]
    is_ours: Callable[[str], bool] = lambda _op_id: False
    on_success: Callable[[], None] = lambda: None


class Sync:
    """The one who reads. :meth:`run` is its life."""

    def __init__(self, parts: Parts, calls: Calls, pace: Pace | None = None) -> None:
        self._api, self._store, self._database, self._ids, self._health = parts
        self._calls = calls
        self._pace = pace or Pace()
        self._marks: dict[tuple[str, str], _Mark] = {}
        self._loaded = False
        self._hinted: set[str] = set()
        self._wake = asyncio.Event()
        self._odd: set[tuple[str, str]] = set()

    def hint(self, table: str, record: Mapping[str, Any]) -> None:
        """Take from Realtime that a row changed: its table is read soon."""
        kind = _KIND_OF.get(table)
        workspace = record.get("workspace_id")
        if kind is None or (workspace and workspace not in self._ids.known.values()):
            return
        self._hinted.add(kind)
        self._wake.set()

    def look(self) -> None:
        """Read everything soon: changes may have been told to nobody."""
        self._hinted.update(KINDS)
        self._wake.set()

    async def run(self) -> None:
        """Read until cancelled."""
        loop = asyncio.get_running_loop()
        whole_at = loop.time()
        while True:
            if loop.time() >= whole_at:  # hints that never end must not keep all else waiting
                self._hinted.update(KINDS)
            kinds, self._hinted = self._hinted, set()
            self._wake.clear()
            next_at = await self._try(kinds) + loop.time()
            whole_at = next_at if KINDS.keys() <= kinds else min(whole_at, next_at)
            await self._rest(whole_at - loop.time())

    async def read(self, kinds: set[str] | None = None) -> None:
        """Read what is new, of all kinds or some; raise ``Trouble`` or ``StorageError``."""
        if not self._loaded:
            await self._load()
        wanted = KINDS.keys() if kinds is None else kinds
        workspaces = sorted(await self._calls.workspaces())
        if KINDS.keys() <= wanted:
            await self._ids.verify(workspaces)
        else:
            await self._ids.ensure(workspaces)
        for kind in KINDS:
            if kind in wanted:
                await self._read_kind(kind, workspaces)
        self._health.well(PART)
        self._calls.on_success()

    async def _load(self) -> None:
        found = await self._database.all(_MARKS)
        now = asyncio.get_running_loop().time()
        self._marks = {
            (self._ids.id_of(row["workspace"]), row["kind"]): _Mark(row["mark"], now)
            for row in found
            if row["workspace"] in self._ids.known
        }
        self._loaded = True

    def _mark(self, kind: str, name: str) -> _Mark | None:
        """Return the workspace's mark. It goes by the UUID: in another project all is new."""
        return self._marks.get((self._ids.id_of(name), kind))

    async def _read_kind(self, kind: str, known: Sequence[str]) -> None:
        old = {name: mark for name in known if (mark := self._mark(kind, name))}
        for name in known:
            if name not in old:
                await self._read_from(kind, [name], None)
        names = list(old)
        for at in range(0, len(names), TOGETHER):
            some = names[at : at + TOGETHER]
            earliest = min((old[name] for name in some), key=lambda mark: _at(mark.text))
            await self._read_from(kind, some, earliest)

    async def _read_from(self, kind: str, names: Sequence[str], mark: _Mark | None) -> None:
        """Read what changed in the workspaces since the mark, and move it."""
        began = asyncio.get_running_loop().time()
        since = None if mark is None else _at(mark.text)
        if mark is not None and since is not None and not mark.settled:
            since -= OVERLAP
        latest = None if mark is None else mark.text
        slugs = {self._ids.id_of(name): name for name in names}
        query = Query(
            within=("workspace_id", sorted(slugs)),
            since=None if since is None else ("updated_at", since.isoformat()),
            order=("updated_at", *table_of(kind).remote_key),
            limit=PAGE,
        )
        while page := await self._api.select(table_of(kind).remote, query):
            await self._take(kind, page, slugs, first=mark is None)
            last = str(page[-1]["updated_at"])
            latest = last if latest is None else max(latest, last, key=_at)
            query = _after(query, page)
        await self._move(kind, names, mark, latest, began)

    async def _move(
        self, kind: str, names: Sequence[str], mark: _Mark | None, latest: str | None, began: float
    ) -> None:
        # of a kind without rows nothing can be late: whatever comes is after 1970
        text = latest or _EPOCH
        if mark is not None and mark.text == text:
            settled = mark.settled or began - mark.seen_at >= OVERLAP.total_seconds()
            moved = mark._replace(settled=settled)
        else:
            moved = _Mark(text, asyncio.get_running_loop().time())
        changed = [
            name for name in names if (at := self._mark(kind, name)) is None or at.text != text
        ]
        if changed:
            await self._save(kind, changed, text)
        self._marks.update(((self._ids.id_of(name), kind), moved) for name in names)

    async def _save(self, kind: str, names: Sequence[str], text: str) -> None:
        async def job(connection: aiosqlite.Connection) -> None:
            await connection.executemany(_SET_MARK, [(name, kind, text) for name in names])

        await self._database.write(job)

    async def _take(
        self, kind: str, page: Sequence[RemoteRow], slugs: Mapping[str, str], *, first: bool
    ) -> None:
        rows = [row for body in page if (row := self._row(kind, body, slugs)) is not None]
        for at in range(0, len(rows), AT_ONCE):
            some = rows[at : at + AT_ONCE]
            action = None if first else CHANGED_ELSEWHERE
            if changed := await self._store.merge(some, action=action):
                await self._calls.on_rows(changed)

    def _row(self, kind: str, body: RemoteRow, slugs: Mapping[str, str]) -> AnyRow | None:
        """Return the row, or None for what is under way here or cannot be one."""
        op_id = body.get("op_id")
        if op_id and self._calls.is_ours(op_id):
            return None
        try:
            return from_remote(kind, body, slugs[body["workspace_id"]], ELSEWHERE)
        except (msgspec.ValidationError, KeyError, ValueError) as error:
            odd = (kind, str([body.get(name) for name in table_of(kind).remote_key]))
            if odd not in self._odd:
                self._odd.add(odd)
                log.warning(
                    "a row (%s) in Supabase cannot be read and is left out: %s", kind, error
                )
            return None

    async def _try(self, kinds: set[str]) -> float:
        """Read; return in how many seconds everything is to be read again."""
        try:
            await self.read(kinds)
        except Trouble as trouble:
            self._health.met(PART, trouble)
            self._hinted |= kinds
            blocked = trouble.kind is Kind.BLOCKED
            return self._pace.blocked if blocked else self._pace.poll_alone
        except StorageError as error:
            log.warning("what others wrote in Supabase cannot be stored for now: %s", error)
            self._hinted |= kinds
        return self._interval()

    def _interval(self) -> float:
        if self._health.realtime:
            return self._pace.poll
        return min(self._pace.poll, self._pace.poll_alone)

    async def _rest(self, seconds: float) -> None:
        """Wait for a hint, or as long as it may take without one."""
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return
        await asyncio.sleep(self._pace.gather)


_KIND_OF = {table_of(kind).remote: kind for kind in KINDS}
REALTIME_TABLES = tuple(_KIND_OF)
"""Tables whose changes are hints."""

_EPOCH = "1970-01-01T00:00:00+00:00"


def _after(query: Query, page: Sequence[RemoteRow]) -> Query:
    """Return the query for the next page: from the last time on, past what was seen of it."""
    last = str(page[-1]["updated_at"])
    seen = sum(1 for row in page if row["updated_at"] == page[-1]["updated_at"])
    if query.since is not None and _at(query.since[1]) == _at(last):
        seen += query.offset  # the whole page is of one time
    return query._replace(since=("updated_at", _at(last).isoformat()), offset=seen)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)
