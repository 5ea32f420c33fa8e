"""Ports of the engine that remember what they were told, for tests to look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
from msgspec.structs import replace

from sessions.errors import EngineError
from sessions.ids import SessionKey
from sessions.ports import Published, SendRow, SessionRecord

#: JSON as it was decoded: a test looks into it without a schema.
Json: TypeAlias = Any
START_MS = 1_800_000_000_000


class SetClock:
    """A :class:`sessions.ports.Clock` that stands where it was set."""

    def __init__(self, ms: int = START_MS) -> None:
        self.ms = ms

    def now_ms(self) -> int:
        """Return the time that was set."""
        return self.ms


class RecordingSink:
    """A :class:`sessions.ports.EventSink`; ``inside`` is called within each publish."""

    def __init__(self) -> None:
        self.events: list[Published] = []
        self.inside: Callable[[Published], None] | None = None

    def publish(self, event: Published) -> None:
        """Keep the event."""
        self.events.append(event)
        if self.inside is not None:
            self.inside(event)

    @property
    def types(self) -> list[str]:
        """The types, in order."""
        return [event.type for event in self.events]

    def of(self, *types: str) -> list[Json]:
        """Return the decoded data of the events of these types."""
        return [msgspec.json.decode(event.data) for event in self.events if event.type in types]

    def clear(self) -> None:
        """Forget what came."""
        self.events.clear()


class MemorySessions:
    """A :class:`sessions.ports.SessionStore` in a dictionary."""

    def __init__(self, *records: SessionRecord) -> None:
        self.records = {record.key: record for record in records}
        self.saves: list[SessionRecord] = []
        self.is_broken = False

    async def load(self) -> list[SessionRecord]:
        """Return all records."""
        return list(self.records.values())

    async def save(self, record: SessionRecord) -> None:
        """Keep the record."""
        if self.is_broken:
            raise EngineError("The disk is full.")
        self.saves.append(record)
        self.records[record.key] = record

    async def delete(self, key: SessionKey) -> None:
        """Drop the record."""
        self.records.pop(key, None)


class MemoryJournal:
    """A :class:`sessions.ports.SendJournal` in a dictionary; ``marks`` tells all states in order."""

    def __init__(self, *rows: SendRow) -> None:
        self.rows = {row.id: row for row in rows}
        self.marks: list[tuple[str, str]] = []
        self.is_broken = False

    async def accept(self, row: SendRow) -> SendRow | None:
        """Keep the row, unless its key is taken."""
        if self.is_broken:
            raise EngineError("The disk is full.")
        taken = await self.find(row.workspace, row.session, row.key) if row.key else None
        if taken is None:
            self.rows[row.id] = row
        return taken

    async def find(self, workspace: str, session: str, key: str) -> SendRow | None:
        """Return the row with that key."""
        wanted = (workspace, session, key)
        found = (r for r in self.rows.values() if (r.workspace, r.session, r.key) == wanted)
        return next(found, None)

    async def mark(self, row: SendRow, state: str, wa_id: str | None = None) -> None:
        """Set the state."""
        if self.is_broken:
            raise EngineError("The disk is full.")
        self.marks.append((row.id, state))
        known = self.rows.get(row.id, row)
        self.rows[row.id] = replace(known, state=state, wa_id=wa_id or known.wa_id)

    async def unfinished(self) -> list[SendRow]:
        """Return what is not finished."""
        rows = [row for row in self.rows.values() if row.state in ("accepted", "trying")]
        return sorted(rows, key=lambda row: row.at)

    async def finished(self, since: int) -> list[SendRow]:
        """Return what is finished; nothing here is marked at a time."""
        rows = [row for row in self.rows.values() if row.state not in ("accepted", "trying")]
        return sorted(rows, key=lambda row: row.at)

    def states(self) -> list[str]:
        """Return the state of each row."""
        return [row.state for row in self.rows.values()]


class MemoryKnownChats:
    """A :class:`sessions.ports.KnownChats` in a set."""

    def __init__(self) -> None:
        self.known: set[tuple[str, str, str]] = set()

    def add(self, workspace: str, session: str, jid: str) -> bool:
        """Remember the chat; return whether it is new."""
        chat = (workspace, session, jid)
        is_new = chat not in self.known
        self.known.add(chat)
        return is_new
