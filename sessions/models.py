"""The resources that clients meet: messages, chats, contacts, sessions.

A message is encoded to JSON once, where it is decoded from WhatsApp, in two halves:
:class:`MessageHead` never changes, :class:`MessageTail` is the small overlay of what may
(WhatsApp's id, ticks, edit, deletion, reactions). :func:`splice` joins both to what
clients read, :class:`Message`. Times are ISO 8601 UTC with milliseconds.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType


class Value(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of the immutable values; untracked by the garbage collector, since none holds a cycle."""


MessageType = Literal[
    "text",
    "image",
    "video",
    "gif",
    "audio",
    "voice",
    "document",
    "sticker",
    "location",
    "live_location",
    "contact",
    "poll",
    "poll_vote",
    "event",
    "reaction_only",
    "revoked",
    "system",
    "view_once",
    "unsupported",
]
Source = Literal["live", "offline", "history", "api", "phone", "external"]
SendStatus = Literal["failed", "pending", "sent", "delivered", "read", "played", "unknown"]
ChatKind = Literal["user", "group", "newsletter", "broadcast"]


class ProviderName(StrEnum):
    """The providers that a session can be made with."""

    WHATSAPP = "whatsapp"
    SANDBOX = "sandbox"


#: Ack numbers of the documents; ``unknown`` shares 0 with ``pending``.
ACK: dict[SendStatus, int] = {
    "failed": -1,
    "pending": 0,
    "unknown": 0,
    "sent": 1,
    "delivered": 2,
    "read": 3,
    "played": 4,
}
_ACK_STATUS: dict[int, SendStatus] = {
    -1: "failed",
    0: "pending",
    1: "sent",
    2: "delivered",
    3: "read",
    4: "played",
}


class Media(Value, frozen=True, kw_only=True):
    """A file that hangs on a message. ``size`` in bytes, ``seconds`` of sound or film."""

    id: str
    kind: Literal["image", "video", "gif", "audio", "voice", "document", "sticker"]
    mime: str | None = None
    size: int | None = None
    file_name: str | None = None
    width: int | None = None
    height: int | None = None
    seconds: int | None = None
    thumbnail: str | None = None
    url: str | None = None


class ReplyTo(Value, frozen=True, kw_only=True):
    """The message that a message answers, as far as WhatsApp tells."""

    id: str | None
    wa_id: str
    sender: str | None
    text: str | None
    type: MessageType | None


class Reaction(Value, frozen=True, kw_only=True):
    """One person's emoji on a message."""

    emoji: str
    sender: str
    from_me: bool
    at: str


class Location(Value, frozen=True, kw_only=True, tag="location", tag_field="kind"):
    """A place, fixed or live. Degrees."""

    latitude: float
    longitude: float
    name: str | None = None
    address: str | None = None


class ContactCard(Value, frozen=True, kw_only=True):
    """One shared contact."""

    name: str | None
    vcard: str


class ContactCards(Value, frozen=True, kw_only=True, tag="contacts", tag_field="kind"):
    """Shared contacts."""

    contacts: tuple[ContactCard, ...]


class Poll(Value, frozen=True, kw_only=True, tag="poll", tag_field="kind"):
    """A question with options; ``selectable`` 0 means any number of them."""

    question: str
    options: tuple[str, ...]
    selectable: int


class PollVote(Value, frozen=True, kw_only=True, tag="poll_vote", tag_field="kind"):
    """A vote: ``options`` are names where the poll is known, else SHA-256 hashes in hex."""

    poll_wa_id: str
    options: tuple[str, ...] | None


class CalendarEvent(Value, frozen=True, kw_only=True, tag="event", tag_field="kind"):
    """An invitation."""

    name: str
    description: str | None
    start_at: str | None
    cancelled: bool


class SystemNote(Value, frozen=True, kw_only=True, tag="system", tag_field="kind"):
    """What WhatsApp itself says in a chat."""

    name: str


class Unsupported(Value, frozen=True, kw_only=True, tag="unsupported", tag_field="kind"):
    """A message kind that zapd does not know: its protobuf field's name."""

    name: str


Content = Location | ContactCards | Poll | PollVote | CalendarEvent | SystemNote | Unsupported


class MessageHead(Value, frozen=True, kw_only=True):
    """The part of a message that never changes.

    ``content`` exists only where text and media cannot say it (places, polls, cards).
    """

    id: str
    client_ref: str | None = None
    session: str
    chat: str
    sender: str
    sender_name: str | None = None
    from_me: bool
    at: str
    type: MessageType
    text: str | None = None
    reply_to: ReplyTo | None = None
    media: Media | None = None
    content: Content | UnsetType = UNSET
    source: Source


class MessageTail(Value, frozen=True, kw_only=True):
    """The part of a message that may change."""

    wa_id: str | None = None
    status: SendStatus
    ack: int
    edited_at: str | None = None
    deleted_at: str | None = None
    reactions: tuple[Reaction, ...] = ()


class Message(Value, frozen=True, kw_only=True):
    """A message as clients read it: head and tail in one object."""

    id: str
    wa_id: str | None
    client_ref: str | None
    session: str
    chat: str
    sender: str
    sender_name: str | None
    from_me: bool
    at: str
    type: MessageType
    text: str | None
    reply_to: ReplyTo | None
    media: Media | None
    content: Content | UnsetType = UNSET
    status: SendStatus
    ack: int
    edited_at: str | None
    deleted_at: str | None
    reactions: tuple[Reaction, ...]
    source: Source


class Chat(Value, frozen=True, kw_only=True):
    """A conversation of a session. ``evicted_before``: older messages left the RAM."""

    id: str
    session: str
    jid: str
    pn: str | None
    lid: str | None
    kind: ChatKind
    name: str | None
    picture_id: str | None
    picture_url: str | None
    unread: int
    last_message: Message | None
    updated_at: str | None
    archived: bool
    pinned: bool
    muted_until: str | None
    evicted_before: str | None


class Contact(Value, frozen=True, kw_only=True):
    """Somebody that a session knows. ``name`` is what to show."""

    session: str
    jid: str
    pn: str | None
    lid: str | None
    name: str | None
    push_name: str | None
    picture_id: str | None
    picture_url: str | None


class Session(Value, frozen=True, kw_only=True):
    """A linked device of one WhatsApp account, as clients see it."""

    id: str
    label: str
    provider: ProviderName
    state: str
    code: str | None
    message: str | None
    user_action: str | None
    phone: str | None
    jid: str | None
    last_received_at: str | None
    created_at: str


class QrCode(Value, frozen=True, kw_only=True):
    """The code to scan now."""

    qr: str
    expires_at: str


class PairingCode(Value, frozen=True, kw_only=True):
    """The code to type into the phone."""

    code: str
    expires_at: str


#: The last millisecond of the year 9999. Some times are chosen by whoever wrote the message.
MAX_MS = 253_402_300_799_999


def iso(ms: int) -> str:
    """Return ISO 8601 UTC with milliseconds for milliseconds since 1970, from 1970 to 9999."""
    ms = min(max(ms, 0), MAX_MS)
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def from_iso(text: str) -> int:
    """Return milliseconds since 1970; raise ``ValueError`` for what is no time."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def status_of(ack: int) -> SendStatus:
    """Return the status for an ack number."""
    return _ACK_STATUS[ack]


def encode_head(head: MessageHead) -> bytes:
    """Return the head's JSON without its closing brace, ready for :func:`splice`."""
    return msgspec.json.encode(head)[:-1]


def rewrite_head(head: bytes, *, without: str | None = None, **fields: object) -> bytes:
    """Return the head with other values in it: for edits, deletions and merges, which are rare."""
    values = msgspec.json.decode(head + b"}")
    values.update(fields)
    values.pop(without, None)
    return msgspec.json.encode(values)[:-1]


class _Sent(msgspec.Struct):
    sender: str


def sender_of(head: bytes) -> str:
    """Return who wrote the message of a head."""
    return msgspec.json.decode(head + b"}", type=_Sent).sender


class _Quoted(msgspec.Struct):
    sender: str | None = None


class _Quoting(msgspec.Struct):
    reply_to: _Quoted | None = None


def without_quote(head: bytes, jids: frozenset[str]) -> bytes | None:
    """Return the head without its quotation of one of these people; None where it has none."""
    quoted = msgspec.json.decode(head + b"}", type=_Quoting).reply_to
    if quoted is None or quoted.sender not in jids:
        return None
    return rewrite_head(head, reply_to=None)


def without_reactions(tail: bytes, jids: frozenset[str]) -> bytes | None:
    """Return an encoded tail without these people's reactions; None where it has none."""
    values = msgspec.json.decode(b"{" + tail[1:])
    left = [reaction for reaction in values["reactions"] if reaction["sender"] not in jids]
    if len(left) == len(values["reactions"]):
        return None
    return b"," + msgspec.json.encode(values | {"reactions": left})[1:]


def encode_tail(tail: MessageTail) -> bytes:
    """Return the tail's JSON as ``,"wa_id":…}``, ready for :func:`splice`."""
    return b"," + msgspec.json.encode(tail)[1:]


def splice(head: bytes, tail: bytes) -> bytes:
    """Return the JSON of the whole message."""
    return head + tail
