"""How rows are stored: one table per kind, its columns here and in Supabase.

Column names of the embedded database are the fields' names. ``remote`` names the column in
Supabase; what has none stays here. ``version`` and ``updated_at`` are Supabase's own: its
trigger sets them, so they are read from there and never sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from daemon.metadata.ids import is_uuid
from daemon.metadata.models import (
    KINDS,
    Activity,
    Actor,
    AnyRow,
    Assignment,
    ChatTag,
    Member,
    Note,
    QuickReply,
    Row,
    Setting,
    Tag,
)
from sessions.models import from_iso, iso

ACTIVITY = "activity"
"""The kind of the log's lines, in the outbox and for Supabase."""


class As(StrEnum):
    """How a field is stored."""

    TEXT = "text"  # a text or an integer, in both as it is
    CODE = "code"  # a text, an enum in the field
    BOOL = "bool"  # here 0 or 1
    JSON = "json"  # here a text, there jsonb
    LIST = "list"  # here a JSON text, there text[]
    TIME = "time"  # here milliseconds, there timestamptz
    PERSON = "person"  # there a member's UUID: null for whoever is none


class Column(NamedTuple):
    """One field of a kind."""

    field: str
    remote: str | None
    stored: As = As.TEXT


class Table(NamedTuple):
    """One kind."""

    shape: type[AnyRow]
    name: str
    remote: str
    columns: tuple[Column, ...]
    actors: tuple[str, ...] = ("changed_by",)
    """Supabase's columns for who made the change; null for who is no member."""

    @property
    def key(self) -> tuple[str, ...]:
        """The key's columns here."""
        return ("workspace", *self.shape.key_fields)

    @property
    def remote_key(self) -> tuple[str, ...]:
        """The key's columns in Supabase."""
        names = {column.field: column.remote for column in self.columns}
        return ("workspace_id", *(names[field] or field for field in self.shape.key_fields))


_CHAT = (Column("session", "session_id"), Column("jid", "chat_jid"))
_CHANGED = (
    Column("op_id", "op_id"),
    Column("changed_at", "changed_at", As.TIME),
    Column("created_at", "created_at", As.TIME),
    Column("deleted_at", "deleted_at", As.TIME),
)
_OWN = (Column("version", "version"), Column("updated_at", "updated_at", As.TIME))
_ACTOR = ("actor_id", "actor_name", "actor_kind")

TABLES: dict[type[Row], Table] = {
    Member: Table(
        Member,
        "members",
        "workspace_members",
        (
            Column("user", "user_id"),
            Column("role", "role", As.CODE),
            Column("name", "display_name"),
            Column("permissions", "permissions", As.JSON),
            Column("sessions", "session_ids", As.LIST),
            Column("active", "active", As.BOOL),
        ),
    ),
    Tag: Table(
        Tag,
        "tags",
        "tags",
        (
            Column("id", "id"),
            Column("name", "name"),
            Column("color", "color"),
            Column("position", "position"),
        ),
    ),
    Assignment: Table(
        Assignment,
        "assignments",
        "chat_assignments",
        (
            *_CHAT,
            Column("assignee", "assignee_id", As.PERSON),
            Column("assigned_by", "assigned_by", As.PERSON),
            Column("status", "status", As.CODE),
            Column("priority", "priority"),
            Column("snoozed_until", "snoozed_until", As.TIME),
        ),
    ),
    ChatTag: Table(
        ChatTag,
        "chat_tags",
        "chat_tags",
        (*_CHAT, Column("tag", "tag_id")),
        actors=("changed_by", "added_by"),
    ),
    Note: Table(
        Note,
        "notes",
        "chat_notes",
        (
            Column("id", "id"),
            *_CHAT,
            Column("author", "author_id", As.PERSON),
            Column("body", "body"),
        ),
    ),
    QuickReply: Table(
        QuickReply,
        "quick_replies",
        "quick_replies",
        (
            Column("id", "id"),
            Column("shortcut", "shortcut"),
            Column("body", "body"),
            Column("owner", "owner_id", As.PERSON),
        ),
    ),
    Setting: Table(
        Setting,
        "settings",
        "settings",
        (Column("scope", "scope"), Column("name", "key"), Column("value", "value", As.JSON)),
    ),
}

ACTIVITY_REMOTE, ACTIVITY_KEY = "activity_log", ("workspace_id", "id")


def table_of(kind: str) -> Table:
    """Return the table of a kind's name."""
    return TABLES[KINDS[kind]]


def columns(table: Table) -> tuple[str, ...]:
    """Return the names of all columns here, in the order of :func:`to_values`."""
    fields = (column.field for column in (*table.columns, *_CHANGED, *_OWN))
    return ("workspace", *fields, *_ACTOR)


def to_values(table: Table, row: Row) -> tuple[Any, ...]:
    """Return the row as the embedded database takes it."""
    stored = (
        _convert(_TO_LOCAL, column, getattr(row, column.field))
        for column in (*table.columns, *_CHANGED, *_OWN)
    )
    return (row.workspace, *stored, row.actor.id, row.actor.name, row.actor.kind)


def from_values(table: Table, found: Mapping[str, Any]) -> AnyRow:
    """Return the row that the embedded database gave."""
    values = {
        column.field: _convert(_FROM_LOCAL, column, found[column.field])
        for column in (*table.columns, *_CHANGED, *_OWN)
    }
    actor = {"id": found["actor_id"], "name": found["actor_name"], "kind": found["actor_kind"]}
    return msgspec.convert({"workspace": found["workspace"], "actor": actor, **values}, table.shape)


def encode(row: AnyRow | Activity) -> bytes:
    """Return the row as the outbox keeps it."""
    return msgspec.json.encode(row)


def decode(kind: str, doc: bytes) -> AnyRow | Activity:
    """Return the row that :func:`encode` wrote."""
    shape: Any = Activity if kind == ACTIVITY else KINDS[kind]
    row: AnyRow | Activity = msgspec.json.decode(doc, type=shape)
    return row


def to_remote(row: AnyRow | Activity, workspace_id: str) -> dict[str, Any]:
    """Return the row as Supabase's Data API takes it; always with the same names for one kind."""
    if isinstance(row, Activity):
        return _activity_to_remote(row, workspace_id)
    table = TABLES[type(row)]
    body: dict[str, Any] = {"workspace_id": workspace_id}
    for column in (*table.columns, *_CHANGED):
        if column.remote is not None:
            body[column.remote] = _convert(_TO_REMOTE, column, getattr(row, column.field))
    return body | dict.fromkeys(table.actors, _member(row.actor))


def from_remote(kind: str, body: Mapping[str, Any], workspace: str, actor: Actor) -> AnyRow:
    """Return the row that Supabase gave.

    Raises ``msgspec.ValidationError``, ``KeyError`` or ``ValueError`` for what cannot be one.
    """
    table = table_of(kind)
    values = {
        column.field: _convert(_FROM_REMOTE, column, body[column.remote])
        for column in (*table.columns, *_CHANGED, *_OWN)
        if column.remote is not None
    }
    values["op_id"] = values["op_id"] or ""
    if table.shape is Note:
        values["author"] = values["author"] or ""  # a gateway's: merging keeps whom we know
    shown = msgspec.to_builtins(actor)
    return msgspec.convert({"workspace": workspace, "actor": shown, **values}, table.shape)


def _activity_to_remote(line: Activity, workspace_id: str) -> dict[str, Any]:
    return {
        "workspace_id": workspace_id,
        "id": line.id,
        "at": iso(line.at),
        "actor_id": _member(line.actor),
        "actor_name": line.actor.name,
        "actor_kind": line.actor.kind,
        "action": line.action,
        "session_id": line.session,
        "chat_jid": line.jid,
        "data": line.data,
    }


def _person(user: str) -> str | None:
    return user if is_uuid(user) else None


def _member(actor: Actor) -> str | None:
    return _person(actor.id) if actor.kind == "user" else None


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


_Convert = Mapping[As, Callable[[Any], Any]]

_TO_LOCAL: _Convert = {As.CODE: str, As.BOOL: int, As.JSON: _json, As.LIST: _json}
_FROM_LOCAL: _Convert = {As.BOOL: bool, As.JSON: msgspec.json.decode, As.LIST: msgspec.json.decode}
_TO_REMOTE: _Convert = {As.CODE: str, As.LIST: list, As.TIME: iso, As.PERSON: _person}
_FROM_REMOTE: _Convert = {As.TIME: from_iso}


def _convert(how: _Convert, column: Column, value: object) -> object:
    """Convert a value; None is null everywhere, but a JSON value of its own here."""
    convert = how.get(column.stored)
    if convert is None or (value is None and column.stored is not As.JSON):
        return value
    return convert(value)
