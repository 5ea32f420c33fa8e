"""What Supabase is told of WhatsApp sessions: never a credential, never a message.

Chats' rows there refer to their session's, so that these go first. zapd owns them: what is in
the embedded database is the truth, and each change is sent whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import structs

from daemon.metadata.ids import Ids
from daemon.metadata.unit import key_text
from daemon.storage.outbox import Entry, put
from sessions.ids import USER, jid_user
from sessions.models import iso
from sessions.ports import SessionRecord, SessionStore
from sessions.states import SessionState, trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import aiosqlite

    from daemon.storage.database import Database
    from sessions.ids import SessionKey
    from sessions.ports import Clock

SESSION = "session"
"""The kind of these rows, in the outbox."""
SESSION_REMOTE, SESSION_KEY = "whatsapp_sessions", ("workspace_id", "id")


class SessionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A session as the outbox keeps it."""

    workspace: str
    id: str
    label: str
    provider: str
    jid: str | None = None
    state: str
    code: str | None = None
    message: str | None = None
    op_id: str
    changed_at: int
    created_at: int
    deleted_at: int | None = None


def row_of(record: SessionRecord, op_id: str, now: int) -> SessionRow:
    """Return what is told of a session."""
    return SessionRow(
        workspace=record.workspace,
        id=record.id,
        label=record.label,
        provider=record.provider,
        jid=record.jid,
        state=record.state,
        code=record.code,
        message=record.detail or (trouble(record.code).message if record.code else None),
        op_id=op_id,
        changed_at=now,
        created_at=record.created_at,
    )


def ended_row(workspace: str, session: str, op_id: str, now: int) -> SessionRow:
    """Return what is told of a session that is gone, for the rows that still name it."""
    return SessionRow(
        workspace=workspace,
        id=session,
        label="",
        provider="whatsapp",
        state=SessionState.DISCONNECTED,
        code="deleted",
        message=trouble("deleted").message,
        op_id=op_id,
        changed_at=now,
        created_at=now,
        deleted_at=now,
    )


def entry_of(row: SessionRow) -> Entry:
    """Return the row for the outbox."""
    return Entry(row.workspace, SESSION, key_text((row.id,)), row.op_id, msgspec.json.encode(row))


def session_to_remote(doc: bytes, workspace_id: str) -> dict[str, Any]:
    """Return the row of the outbox as the Data API takes it."""
    row = msgspec.json.decode(doc, type=SessionRow)
    number = row.jid if row.jid and row.jid.endswith(f"@{USER}") else None
    return {
        "workspace_id": workspace_id,
        "id": row.id,
        "label": row.label,
        "provider": row.provider,
        "jid": row.jid,
        "phone": jid_user(number) if number else None,
        "status": row.state,
        "status_code": row.code,
        "status_message": row.message,
        "op_id": row.op_id,
        "changed_at": iso(row.changed_at),
        "created_at": iso(row.created_at),
        "deleted_at": iso(row.deleted_at) if row.deleted_at else None,
    }


class MirroredSessions:
    """A :class:`sessions.ports.SessionStore` whose changes are sent to Supabase too."""

    def __init__(
        self,
        inner: SessionStore,
        database: Database,
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        """``wake`` is called when there is something to send."""
        self._inner = inner
        self._database = database
        self._clock = clock
        self._ids = Ids(clock)
        self._wake = wake
        self._told: dict[SessionKey, SessionRecord] = {}

    async def load(self) -> list[SessionRecord]:
        """Return all sessions; what changed since Supabase was last told is sent."""
        records = await self._inner.load()
        await self._tell(records)
        return records

    async def save(self, record: SessionRecord) -> None:
        """Write the record; tell Supabase if what it sees has changed."""
        await self._inner.save(record)
        told = self._told.get(record.key)
        if told is None or _seen(told) != _seen(record):
            await self._tell([record])

    async def delete(self, key: SessionKey) -> None:
        """Forget the session; in Supabase it stays as deleted, with what refers to it."""
        await self._inner.delete(key)
        now = self._clock.now_ms()
        record = self._told.pop(key, None)
        if record is None:  # told nothing of it in this life: `load` comes before all deletions
            return
        ended = structs.replace(
            record, state=SessionState.DISCONNECTED, code="deleted", detail=None
        )
        row = row_of(ended, self._ids.new(), now)
        await self._put([structs.replace(row, deleted_at=now)])

    async def _tell(self, records: Iterable[SessionRecord]) -> None:
        now = self._clock.now_ms()
        told = list(records)
        await self._put([row_of(record, self._ids.new(), now) for record in told])
        self._told.update((record.key, record) for record in told)

    async def _put(self, rows: list[SessionRow]) -> None:
        now = self._clock.now_ms()

        async def job(connection: aiosqlite.Connection) -> None:
            await put(connection, [entry_of(row) for row in rows], now)

        if rows:
            await self._database.write(job)
            self._wake()


def _seen(record: SessionRecord) -> tuple[object, ...]:
    return (record.label, record.provider, record.jid, record.state, record.code)
