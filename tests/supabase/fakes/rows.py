"""The tables behind the stand-in: what PostgreSQL does with zapd's schema, as far as it matters.

The merge guard (``private.merge_guard``), primary and foreign keys, and whatever the test wants
refused. The guard itself is held against the real one by the tests on PostgreSQL.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

Row = dict[str, Any]

KEYS: dict[str, tuple[str, ...]] = {
    "workspaces": ("id",),
    "workspace_members": ("workspace_id", "user_id"),
    "whatsapp_sessions": ("workspace_id", "id"),
    "tags": ("workspace_id", "id"),
    "chat_assignments": ("workspace_id", "session_id", "chat_jid"),
    "chat_tags": ("workspace_id", "session_id", "chat_jid", "tag_id"),
    "chat_notes": ("workspace_id", "id"),
    "quick_replies": ("workspace_id", "id"),
    "settings": ("workspace_id", "scope", "key"),
    "activity_log": ("workspace_id", "id"),
}
_GUARDED = frozenset(KEYS) - {"workspaces", "whatsapp_sessions", "activity_log"}
_OF_SESSION = (("workspace_id", "session_id"), "whatsapp_sessions", ("workspace_id", "id"))
_PARENTS: dict[str, tuple[tuple[tuple[str, ...], str, tuple[str, ...]], ...]] = {
    "chat_assignments": (_OF_SESSION,),
    "chat_notes": (_OF_SESSION,),
    "chat_tags": (_OF_SESSION, (("workspace_id", "tag_id"), "tags", ("workspace_id", "id"))),
    **dict.fromkeys(
        ("workspace_members", "whatsapp_sessions", "tags", "quick_replies", "settings"),
        ((("workspace_id",), "workspaces", ("id",)),),
    ),
    "activity_log": ((("workspace_id",), "workspaces", ("id",)),),
}


class Refusal(Exception):
    """PostgreSQL's error as PostgREST shows it."""

    def __init__(self, status: int, code: str | None, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "details": None, "hint": None, "message": message}


class Written(NamedTuple):
    """One row that a request wrote, in order."""

    table: str
    row: Row


class Tables:
    """All rows, and the log of what was written."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[tuple[Any, ...], Row]] = {name: {} for name in KEYS}
        self.log: list[Written] = []
        self.refuse: Callable[[str, Row], Refusal | None] = lambda _table, _row: None
        self._last = datetime.fromtimestamp(0, UTC)

    def upsert(self, table: str, rows: Sequence[Row], *, ignore: bool) -> list[Row]:
        """Store the rows, all or none; return those that were written."""
        if len({frozenset(row) for row in rows}) > 1:
            raise Refusal(400, "PGRST102", "All object keys must match")
        before, logged = dict(self.rows[table]), len(self.log)
        try:
            return [stored for row in rows if (stored := self._one(table, row, ignore=ignore))]
        except Refusal:
            self.rows[table] = before
            del self.log[logged:]
            raise

    def update(self, table: str, found: Sequence[Row], values: Row) -> list[Row]:
        """Change the rows that a filter found."""
        return [
            stored
            for row in found
            if (stored := self._one(table, {**self._key(table, row), **values}, ignore=False))
        ]

    def direct(self, table: str, row: Row) -> Row:
        """Write as the CRM does: past the API, with neither ``op_id`` nor ``changed_at``."""
        stored = self._one(table, row, ignore=False)
        assert stored is not None
        return stored

    def _key(self, table: str, row: Mapping[str, Any]) -> Row:
        return {column: row[column] for column in KEYS[table]}

    def _one(self, table: str, row: Row, *, ignore: bool) -> Row | None:
        if table == "workspaces":
            row = {"id": self._workspace(row["slug"]), **row}
        key = tuple(row[column] for column in KEYS[table])
        old = self.rows[table].get(key)
        if old is not None and ignore:
            return None
        new = {"deleted_at": None, **(old or {}), **row}
        self._check(table, new)
        now = self._now()
        if table in _GUARDED:
            guarded = _guard(old, new, row, now)
            if guarded is None:
                return None
            new = guarded
        new["updated_at"] = now
        new.setdefault("created_at", now)
        self.rows[table][key] = new
        self.log.append(Written(table, new))
        return new

    def _workspace(self, slug: str) -> str:
        """Return the id of the workspace that has the slug, or a new one."""
        had = (id_ for (id_,), row in self.rows["workspaces"].items() if row["slug"] == slug)
        return next(had, None) or str(uuid.uuid4())

    def _check(self, table: str, row: Row) -> None:
        if refusal := self.refuse(table, row):
            raise refusal
        for columns, parent, parent_columns in _PARENTS.get(table, ()):
            wanted = tuple(row[column] for column in columns)
            have = (
                tuple(found[column] for column in parent_columns)
                for found in self.rows[parent].values()
            )
            if wanted not in set(have):
                message = f'insert or update on table "{table}" violates foreign key constraint'
                raise Refusal(409, "23503", message)

    def _now(self) -> str:
        """Return the time in microseconds, later than any before."""
        self._last = max(datetime.now(UTC), self._last + timedelta(microseconds=1))
        return self._last.isoformat(timespec="microseconds")


def _guard(old: Row | None, new: Row, sent: Row, now: str) -> Row | None:
    """Do as the trigger; None: the write changes nothing."""
    changed = min(_at(new.get("changed_at") or now), _at(now))
    if old is None:
        return {"op_id": None, **new, "changed_at": changed.isoformat(), "version": 1}
    if all(_same(old.get(name), value) for name, value in sent.items()):
        return None
    if new.get("op_id") == old.get("op_id") and _same(new["changed_at"], old["changed_at"]):
        return {**new, "op_id": None, "changed_at": now, "version": old["version"] + 1}
    if _at(new["changed_at"]) < _at(old["changed_at"]):
        return None
    kept = {"created_at": old["created_at"], "version": old["version"] + 1}
    return {**new, **kept, "changed_at": changed.isoformat()}


def _same(one: object, other: object) -> bool:
    if one == other:
        return True
    try:
        return _at(str(one)) == _at(str(other))
    except ValueError:
        return False


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)
