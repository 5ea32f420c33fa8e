"""The rows of metadata, as they are stored and as clients read them.

A row belongs to a workspace and has a key within it. ``version`` counts its changes from 1,
``changed_at`` is when the change was made (the last writer wins by it), ``op_id`` names the
operation that made it: who meets the same id twice has met the same change. A row that was
deleted keeps its place with ``deleted_at``, so that others can learn of the deletion. Times
are milliseconds since 1970 here and ISO 8601 UTC in JSON (:func:`render`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar, Literal, NamedTuple

import msgspec

from sessions.ids import ChatRef
from sessions.models import iso


class Role(StrEnum):
    """What a member of a workspace is, from all to least."""

    OWNER = "owner"
    ADMIN = "admin"
    SUPERVISOR = "supervisor"
    AGENT = "agent"
    VIEWER = "viewer"


class ConversationStatus(StrEnum):
    """Where the work on a chat stands."""

    OPEN = "open"
    PENDING = "pending"
    SNOOZED = "snoozed"
    CLOSED = "closed"


ActorKind = Literal["user", "gateway", "system", "external"]


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who made a change.

    ``user``: a member or whoever a token names; ``gateway``: an API key or the console;
    ``system``: zapd by itself; ``external``: somebody who wrote to Supabase directly.
    """

    id: str
    name: str
    kind: ActorKind = "user"


SYSTEM = Actor(id="zapd", name="zapd", kind="system")

Key = tuple[str, ...]
"""The values of a row's key columns, without the workspace."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What all rows have. ``version`` 0: a row that was never stored."""

    kind: ClassVar[str]
    key_fields: ClassVar[tuple[str, ...]]
    clock_fields: ClassVar[tuple[str, ...]] = ()
    """Fields of the kind itself that hold milliseconds."""

    workspace: str
    version: int = 0
    op_id: str = ""
    actor: Actor = SYSTEM
    changed_at: int = 0
    created_at: int = 0
    updated_at: int = 0
    deleted_at: int | None = None

    @property
    def key(self) -> Key:
        """The key within the workspace."""
        return tuple(getattr(self, name) for name in self.key_fields)

    @property
    def live(self) -> bool:
        """Whether it was not deleted."""
        return self.deleted_at is None


class _OfChat(Row, frozen=True, kw_only=True):
    session: str
    jid: str

    @property
    def chat(self) -> ChatRef:
        """The chat it belongs to."""
        return ChatRef(self.workspace, self.session, self.jid)


class Assignment(_OfChat, frozen=True, kw_only=True):
    """Who cares for a chat, and where that stands. A chat without one is open and nobody's.

    ``assignee`` is a member's ``user`` or None; ``priority`` -100 to 100, the higher the sooner;
    ``snoozed_until`` goes with the status ``snoozed``.
    """

    kind = "assignment"
    key_fields = ("session", "jid")
    clock_fields = ("snoozed_until",)

    assignee: str | None = None
    assigned_by: str | None = None
    status: ConversationStatus = ConversationStatus.OPEN
    priority: int = 0
    snoozed_until: int | None = None


class Tag(Row, frozen=True, kw_only=True):
    """A label of the workspace. ``color`` is ``#rrggbb``; lists are ordered by ``position``."""

    kind = "tag"
    key_fields = ("id",)

    id: str
    name: str
    color: str = "#888888"
    position: int = 0


class ChatTag(_OfChat, frozen=True, kw_only=True):
    """A tag on a chat; taken off, it is deleted."""

    kind = "chat_tag"
    key_fields = ("session", "jid", "tag")

    tag: str


class Note(_OfChat, frozen=True, kw_only=True):
    """What colleagues tell each other about a chat; the customer never sees it."""

    kind = "note"
    key_fields = ("id",)

    id: str
    author: str
    body: str


class QuickReply(Row, frozen=True, kw_only=True):
    """A text under a shortcut. ``owner`` None: everybody's, else one member's own."""

    kind = "quick_reply"
    key_fields = ("id",)

    id: str
    shortcut: str
    body: str
    owner: str | None = None


class Setting(Row, frozen=True, kw_only=True):
    """A value under a key. ``scope``: ``workspace``, ``session:<id>`` or ``user:<user>``."""

    kind = "setting"
    key_fields = ("scope", "name")

    scope: str
    name: str
    value: Any = None


class Member(Row, frozen=True, kw_only=True):
    """Somebody who works in the workspace.

    ``user`` is the ``sub`` of their tokens (with Supabase: the user's UUID). ``sessions`` None:
    all of the workspace's, else only those are visible to them. ``permissions`` adds to the role
    (``{"manage_tags": true}``) or takes away (``false``); ``{"sessions": {"<id>": {...}}}`` does
    so for one session.
    """

    kind = "member"
    key_fields = ("user",)

    user: str
    role: Role = Role.AGENT
    name: str | None = None
    permissions: dict[str, Any] = {}
    sessions: tuple[str, ...] | None = None
    active: bool = True


AnyRow = Assignment | Tag | ChatTag | Note | QuickReply | Setting | Member
KINDS: dict[str, type[AnyRow]] = {
    shape.kind: shape for shape in (Member, Tag, Assignment, ChatTag, Note, QuickReply, Setting)
}
"""By name, parents first: a row may refer to rows of kinds before its own."""


class Activity(NamedTuple):
    """A line of the activity log: who did what, when. Never changed. ``id`` is a UUIDv7."""

    workspace: str
    id: str
    at: int
    actor: Actor
    action: str
    session: str | None = None
    jid: str | None = None
    data: dict[str, Any] = {}  # noqa: RUF012 - a NamedTuple's default, never written to


_INTERNAL = {"workspace", "op_id", "changed_at", "created_at", "updated_at", "deleted_at"}


def render(row: AnyRow) -> dict[str, Any]:
    """Return what clients read of a row: in answers and, the same, in events."""
    shown: dict[str, Any] = {}
    if isinstance(row, _OfChat):
        shown["chat"] = row.chat.id
    for name in row.__struct_fields__:
        if name in _INTERNAL or (name in {"session", "jid"} and "chat" in shown):
            continue
        value = getattr(row, name)
        shown[name] = iso(value) if name in row.clock_fields and value is not None else value
    shown["actor"] = msgspec.to_builtins(row.actor)
    for name in ("created_at", "updated_at", "deleted_at"):
        at = getattr(row, name)
        shown[name] = iso(at) if at else None
    return shown
