"""What requests about metadata may say, and what the answers hold."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from daemon.metadata.models import Actor, ConversationStatus, Role
from daemon.services.agent_presence import State
from daemon.transports.rest.values import Cursor, Limit, SessionName, Shape, Short
from sessions.models import Chat, Value

User = Annotated[str, Meta(min_length=1, max_length=200)]
Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"\S")]
TagName = Annotated[str, Meta(min_length=1, max_length=60, pattern=r"\S")]
Color = Annotated[str, Meta(pattern="^#[0-9a-f]{6}$")]
Position = Annotated[int, Meta(ge=-1_000_000, le=1_000_000)]
Priority = Annotated[int, Meta(ge=-100, le=100)]
Time = Annotated[str, Meta(max_length=40)]
Id = Annotated[str, Meta(min_length=1, max_length=64)]
Shortcut = Annotated[str, Meta(pattern=r"^[^\s/]{1,40}$")]
ReplyText = Annotated[str, Meta(min_length=1, max_length=4096, pattern=r"\S")]
NoteText = Annotated[str, Meta(min_length=1, max_length=10_000)]
SettingName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]


# -- requests


class AssignmentPatch(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be different. ``snoozed_until`` (ISO 8601) goes with the status ``snoozed``."""

    assignee: User | UnsetType | None = UNSET
    status: ConversationStatus | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    snoozed_until: Time | UnsetType | None = UNSET


class Claim(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to claim. ``steal``: also from whoever has the chat."""

    steal: bool = False


class TagIds(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The tags that a chat is to have, and no others."""

    tags: Annotated[list[Id], Meta(max_length=50)]


class NewTag(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tag to make."""

    name: TagName
    color: Color | UnsetType = UNSET
    position: Position | UnsetType = UNSET


class TagPatch(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be different of a tag."""

    name: TagName | UnsetType = UNSET
    color: Color | UnsetType = UNSET
    position: Position | UnsetType = UNSET


class NoteBody(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A note's text."""

    body: NoteText


class NotesQuery(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page of notes."""

    limit: Limit = 50
    cursor: Cursor | None = None


class NewQuickReply(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A quick reply to make: one's own, or everybody's if ``shared``."""

    shortcut: Shortcut
    body: ReplyText
    shared: bool = False


class QuickReplyPatch(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be different of a quick reply."""

    shortcut: Shortcut | UnsetType = UNSET
    body: ReplyText | UnsetType = UNSET


class SettingsQuery(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose settings: ``workspace``, ``session:<id>``, ``user:<user>`` or ``user:me``."""

    scope: Short = "workspace"


class SettingValue(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A setting's value: any JSON."""

    value: Any


class NewMember(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of a member. ``sessions`` null: all of the workspace's are visible."""

    role: Role
    name: Name | None = None
    permissions: dict[str, Any] = msgspec.field(default_factory=dict)
    sessions: Annotated[list[SessionName], Meta(max_length=500)] | None = None
    active: bool = True


class MemberPatch(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be different of a member."""

    role: Role | UnsetType = UNSET
    name: Name | UnsetType | None = UNSET
    permissions: dict[str, Any] | UnsetType = UNSET
    sessions: Annotated[list[SessionName], Meta(max_length=500)] | UnsetType | None = UNSET
    active: bool | UnsetType = UNSET


class ActivityFilter(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which lines of the log; newest first."""

    chat: Short | None = None
    actor: User | None = None
    action: Short | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class PresenceState(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one does in a chat now."""

    state: State


# -- answers


class _RowView(Value, frozen=True, kw_only=True):
    version: int
    actor: Actor
    created_at: str | None
    updated_at: str | None
    deleted_at: str | None


class AssignmentView(_RowView, frozen=True, kw_only=True):
    """Who cares for a chat. Version 0: nobody ever touched it."""

    chat: str
    assignee: str | None
    assigned_by: str | None
    status: ConversationStatus
    priority: int
    snoozed_until: str | None


class TagView(_RowView, frozen=True, kw_only=True):
    """A tag of the workspace."""

    id: str
    name: str
    color: str
    position: int


class NoteView(_RowView, frozen=True, kw_only=True):
    """A note about a chat."""

    chat: str
    id: str
    author: str
    body: str


class QuickReplyView(_RowView, frozen=True, kw_only=True):
    """A quick reply. ``owner`` null: everybody's."""

    id: str
    shortcut: str
    body: str
    owner: str | None


class SettingView(_RowView, frozen=True, kw_only=True):
    """A setting."""

    scope: str
    name: str
    value: Any


class MemberView(_RowView, frozen=True, kw_only=True):
    """A member of the workspace."""

    user: str
    role: Role
    name: str | None
    permissions: dict[str, Any]
    sessions: list[str] | None
    active: bool


class AnnotatedChat(Chat, frozen=True, kw_only=True):
    """A chat with what people added to it. ``assignment`` null: nobody ever touched it."""

    assignment: AssignmentView | None
    tags: list[str]


class ChatTagsView(Value, frozen=True, kw_only=True):
    """The ids of a chat's tags."""

    chat: str
    tags: list[str]


class PresenceView(Value, frozen=True, kw_only=True):
    """An agent in a chat; ``since``: when this state began."""

    chat: str
    user: str
    state: State
    since: str
    actor: Actor
    version: int


class ActivityView(Value, frozen=True, kw_only=True):
    """A line of the activity log."""

    id: str
    at: str
    actor: Actor
    action: str
    session: str | None
    chat: str | None
    data: dict[str, Any]


class Tags(Value, frozen=True, kw_only=True):
    """All tags of the workspace, by position and name."""

    items: list[TagView]
    next_cursor: str | None


class Notes(Value, frozen=True, kw_only=True):
    """A page of notes, newest first."""

    items: list[NoteView]
    next_cursor: str | None


class QuickReplies(Value, frozen=True, kw_only=True):
    """Everybody's quick replies and one's own, by shortcut."""

    items: list[QuickReplyView]
    next_cursor: str | None


class Settings(Value, frozen=True, kw_only=True):
    """The settings of a scope, by name."""

    items: list[SettingView]
    next_cursor: str | None


class Members(Value, frozen=True, kw_only=True):
    """All members of the workspace."""

    items: list[MemberView]
    next_cursor: str | None


class Presences(Value, frozen=True, kw_only=True):
    """Who is in a chat, the first to come first."""

    items: list[PresenceView]
    next_cursor: str | None


class ActivityPage(Value, frozen=True, kw_only=True):
    """A page of the activity log, newest first."""

    items: list[ActivityView]
    next_cursor: str | None
