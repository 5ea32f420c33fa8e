"""Long work that survives a restart: what is to be done, how far it is, what came of it.

A job that ``running`` was cut off in is taken up again at the next start; whoever does it must
be able to begin anew.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    import sqlite3

    from daemon.storage.database import Database
    from sessions.ports import Clock

JobState = Literal["waiting", "running", "done", "failed"]
OPEN: frozenset[JobState] = frozenset({"waiting", "running"})


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of work. ``progress`` is in hundredths, ``tries`` how often it was begun.

    Nothing is done before ``due_at``.

    ``request`` says what to do; who did it may cut it down, where it names a person. ``code``
    and ``detail`` say why it failed.
    """

    seq: int
    id: str
    workspace: str
    kind: str
    state: JobState
    actor: str
    request: dict[str, Any]
    progress: int = 0
    report: dict[str, Any] = {}
    code: str | None = None
    detail: str | None = None
    tries: int = 0
    due_at: int = 0
    created_at: int
    updated_at: int


_COLUMNS = Job.__struct_fields__
_NAMES = ", ".join(_COLUMNS)
_JSON = ("request", "report")
_ADD = (
    f"INSERT INTO jobs({', '.join(_COLUMNS[1:])}) "
    f"VALUES({', '.join('?' * (len(_COLUMNS) - 1))}) RETURNING {_NAMES}"
)
_CHANGED = (
    "state",
    "request",
    "progress",
    "report",
    "code",
    "detail",
    "tries",
    "due_at",
    "updated_at",
)
_SAVE = f"UPDATE jobs SET {', '.join(f'{name} = ?' for name in _CHANGED)} WHERE id = ?"  # noqa: S608 - our own names
_NEXT = f"SELECT {_NAMES} FROM jobs WHERE state IN ('waiting', 'running') AND due_at <= ? ORDER BY seq LIMIT 1"  # noqa: S608 - our own names
_DUE = "SELECT min(due_at) AS due_at FROM jobs WHERE state IN ('waiting', 'running')"
_FIND = f"SELECT {_NAMES} FROM jobs WHERE workspace = ? AND kind = ? AND id = ?"  # noqa: S608 - our own names
_LIST = (
    f"SELECT {_NAMES} FROM jobs WHERE workspace = ? AND kind = ? AND seq < ? "  # noqa: S608 - our own names
    "ORDER BY seq DESC LIMIT ?"
)
_OLD = (
    f"SELECT {_NAMES} FROM jobs WHERE kind = ? AND updated_at < ? "  # noqa: S608 - our own names
    "AND state IN ('done', 'failed') ORDER BY seq"
)
_COUNT = (
    "SELECT count(*) AS n FROM jobs WHERE workspace = ? AND kind = ? "
    "AND state IN ('waiting', 'running')"
)
END = (1 << 63) - 1


class JobStore:
    """The jobs of all workspaces."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def now_ms(self) -> int:
        """Return the time by which jobs are due."""
        return self._clock.now_ms()

    async def add(self, workspace: str, kind: str, actor: str, request: dict[str, Any]) -> Job:
        """Write a job that waits; on disk when this returns."""
        now = self._clock.now_ms()
        job = Job(
            seq=0,
            id=secrets.token_hex(12),
            workspace=workspace,
            kind=kind,
            state="waiting",
            actor=actor,
            request=request,
            created_at=now,
            updated_at=now,
        )
        values = tuple(_plain(job, name) for name in _COLUMNS[1:])

        async def write(connection: Any) -> Any:  # noqa: ANN401 - aiosqlite's
            return next(iter(await connection.execute_fetchall(_ADD, values)))

        return _job(await self._database.write(write))

    async def save(self, job: Job, **changes: Any) -> Job:  # noqa: ANN401 - any field's value
        """Write what changed of the job; return it as it is now."""
        changed = msgspec.structs.replace(job, updated_at=self._clock.now_ms(), **changes)
        values = tuple(_plain(changed, name) for name in _CHANGED)
        await self._database.execute(_SAVE, (*values, job.id))
        return changed

    async def next(self) -> Job | None:
        """Return the oldest that is to be done now."""
        row = await self._database.one(_NEXT, (self._clock.now_ms(),))
        return _job(row) if row else None

    async def seconds(self) -> float | None:
        """Return in how many seconds the first that waits for its time is due; None: none does."""
        row = await self._database.one(_DUE)
        if row is None or row["due_at"] is None:
            return None
        wait: int = row["due_at"] - self._clock.now_ms()
        return max(0, wait) / 1000

    async def find(self, workspace: str, kind: str, id: str) -> Job | None:
        """Return a job of the workspace."""
        row = await self._database.one(_FIND, (workspace, kind, id))
        return _job(row) if row else None

    async def of_workspace(
        self, workspace: str, kind: str, limit: int = 200, before: int | None = None
    ) -> list[Job]:
        """Return jobs of a kind, newest first; ``before``: the ``seq`` of the page before's last."""
        values = (workspace, kind, END if before is None else before, limit)
        return [_job(row) for row in await self._database.all(_LIST, values)]

    async def finished_before(self, kind: str, at: int) -> list[Job]:
        """Return jobs of all workspaces that ended before the time (ms)."""
        return [_job(row) for row in await self._database.all(_OLD, (kind, at))]

    async def count_open(self, workspace: str, kind: str) -> int:
        """Return how many wait or run."""
        row = await self._database.one(_COUNT, (workspace, kind))
        return int(row["n"]) if row else 0

    async def exists(self, id: str) -> bool:
        """Tell whether there is a job of that id, in any workspace."""
        return bool(await self._database.one("SELECT 1 FROM jobs WHERE id = ?", (id,)))

    async def delete(self, id: str) -> bool:
        """Forget a job; tell whether it was there."""
        return bool(await self._database.execute("DELETE FROM jobs WHERE id = ?", (id,)))


def _plain(job: Job, name: str) -> Any:  # noqa: ANN401 - what SQLite takes
    value = getattr(job, name)
    return msgspec.json.encode(value) if name in _JSON else value


def _job(row: sqlite3.Row) -> Job:
    values = dict(row)
    for name in _JSON:
        values[name] = msgspec.json.decode(values[name])
    return Job(**values)
