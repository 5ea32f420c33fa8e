"""What requests may say: queries and bodies, with their bounds. Unknown fields are refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from daemon.metadata.models import ConversationStatus, Role
from daemon.services.abilities import Ability
from daemon.transports.rest.metadata_shapes import AnnotatedChat
from daemon.transports.rest.values import (
    Cursor,
    Limit,
    SessionName,
    Shape,
    Short,
)
from sessions.models import Contact, Message, ProviderName, Session, Source, Value


class NewSession(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A session to make."""

    id: SessionName
    label: Annotated[str, Meta(max_length=200)] = ""
    provider: ProviderName = ProviderName.WHATSAPP


class Phone(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The number of the phone that is to be linked, with country code."""

    phone: Annotated[str, Meta(min_length=7, max_length=32)]


class SandboxText(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a contact of the scripted phone writes."""

    sender: Annotated[str, Meta(min_length=7, max_length=32)] = msgspec.field(name="from")
    text: Annotated[str, Meta(min_length=1, max_length=65_536)]
    name: Annotated[str, Meta(max_length=100)] | None = None


class Traffic(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much the scripted phone's contacts write; 0 is silence."""

    messages_per_minute: Annotated[int, Meta(ge=0, le=600_000)]


class ChatsQuery(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Filters of the chat list. ``updated_after`` is an ISO 8601 time.

    ``assignee`` is a user, ``me`` or ``none``.
    """

    session: SessionName | None = None
    q: Short | None = None
    unread: bool = False
    updated_after: Annotated[str, Meta(max_length=40)] | None = None
    assignee: Short | None = None
    tag: Short | None = None
    status: ConversationStatus | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class MessagesQuery(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a page of messages hangs: a message's id or an ISO 8601 time.

    One of them at most; ``cursor`` (a ``next_cursor``) is another word for ``before``.
    """

    limit: Limit = 50
    before: Short | None = None
    after: Short | None = None
    around: Short | None = None
    cursor: Short | None = None


class ContactsQuery(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Filters of the contact list."""

    session: SessionName | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class TextMessage(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A text to send. ``reply_to`` is the id of a message of the same chat."""

    type: Literal["text"]
    text: str
    reply_to: Short | None = None
    client_ref: Annotated[str, Meta(max_length=200)] | None = None


class Typing(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether the account is to be shown typing (or recording)."""

    is_typing: bool
    kind: Literal["text", "audio"] = "text"


class TicketRequest(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a ticket is to open."""

    use: Literal["stream", "media"]


class Ticket(Value, frozen=True, kw_only=True):
    """A short-lived credential for a URL."""

    ticket: str
    expires_at: str


class Me(Value, frozen=True, kw_only=True):
    """Who asks, and what it may do. ``sessions`` None: it sees all of the workspace's."""

    workspace: str
    subject: str
    scopes: list[str]
    kind: str
    expires_at: str | None
    name: str
    member: bool
    role: Role
    abilities: list[Ability]
    sessions: list[str] | None


class Created(Value, frozen=True, kw_only=True):
    """The id of what was made."""

    id: str


class Sessions(Value, frozen=True, kw_only=True):
    """All sessions of the workspace."""

    items: list[Session]
    next_cursor: str | None


class Chats(Value, frozen=True, kw_only=True):
    """A page of chats; ``as_of``: the stream's position that it is consistent with."""

    items: list[AnnotatedChat]
    next_cursor: str | None
    as_of: str


class Messages(Value, frozen=True, kw_only=True):
    """A page of messages, newest first; ``evicted_before``: older ones left the memory."""

    items: list[Message]
    next_cursor: str | None
    evicted_before: str | None


class Contacts(Value, frozen=True, kw_only=True):
    """A page of contacts."""

    items: list[Contact]
    next_cursor: str | None


class Health(Value, frozen=True, kw_only=True):
    """Whether the daemon lives, or serves."""

    status: str


class Envelope(Value, frozen=True, kw_only=True):
    """One event. ``data`` is as the reference of events says for its ``type``."""

    id: str | None
    type: str
    workspace: str
    session: str | None
    chat: str | None
    at: str
    source: Source
    data: dict[str, Any]


class Poll(Value, frozen=True, kw_only=True):
    """What happened since ``after``; ``reset``: the past is gone, take a snapshot."""

    items: list[Envelope]
    next: str
    reset: bool
