"""What a provider reports: one tagged union, from the worker to the manager.

A message travels as an encoded head (see :mod:`sessions.models`) beside the few plain
fields that the caches sort and count by; the parent never decodes it. Times are
milliseconds since 1970, JIDs canonical, chats by :class:`ChatAddress`.
"""

from __future__ import annotations

from typing import Literal

from sessions.models import Contact, MessageTail, Source, Value


class ChatAddress(Value, frozen=True, kw_only=True):
    """A chat by its canonical JID, with both of a person's addresses as far as known."""

    jid: str
    pn: str | None = None
    lid: str | None = None


class Event(Value, frozen=True, kw_only=True, tag_field="event"):
    """Base of the events."""


class PairingStarted(Event, frozen=True, kw_only=True, tag="pairing_started"):
    """The provider has no identity yet and waits for codes."""


class Connecting(Event, frozen=True, kw_only=True, tag="connecting"):
    """An identity is there; the line is being opened."""


class Connected(Event, frozen=True, kw_only=True, tag="connected"):
    """The line stands and WhatsApp has accepted the login."""

    jid: str
    lid: str | None
    name: str | None


class Troubled(Event, frozen=True, kw_only=True, tag="troubled"):
    """The session is in trouble: a ``code`` of ``sessions.states.TROUBLES``."""

    code: str
    detail: str | None = None


class QrShown(Event, frozen=True, kw_only=True, tag="qr_shown"):
    """A code to scan, good until ``expires_at``."""

    qr: str
    expires_at: int


class CodeShown(Event, frozen=True, kw_only=True, tag="code_shown"):
    """A code to type into the phone, good until ``expires_at``."""

    code: str
    expires_at: int


class Paired(Event, frozen=True, kw_only=True, tag="paired"):
    """The phone has linked this device."""

    jid: str
    lid: str | None


class OfMessage(Event, frozen=True, kw_only=True):
    """Base of what is about one message.

    ``former_id`` is what ``id`` was before its people's numbers were known, None where that is
    the same: a message that came under a LID keeps the id that it got then.
    """

    chat: ChatAddress
    id: str
    former_id: str | None = None
    wa_id: str


class MessageReceived(OfMessage, frozen=True, kw_only=True, tag="message"):
    """A message, in or out, from anywhere but our own API.

    ``id`` is derived (``sessions.ids.inbound_message_id``); ``head`` is encoded JSON.
    ``chat_name`` names a person's chat where the message tells it; ``counts`` says whether
    it adds to the unread count.
    """

    chat_name: str | None
    sender: str
    from_me: bool
    at: int
    source: Source
    counts: bool
    head: bytes
    tail: MessageTail


class MessageEdited(OfMessage, frozen=True, kw_only=True, tag="message_edited"):
    """The sender wrote the message ``id`` anew."""

    text: str | None
    at: int


class MessageDeleted(OfMessage, frozen=True, kw_only=True, tag="message_deleted"):
    """The message ``id`` was deleted for everyone, by its sender or an admin."""

    at: int


class ReactionChanged(OfMessage, frozen=True, kw_only=True, tag="reaction"):
    """Somebody set (or, with an empty ``emoji``, took back) a reaction on ``id``."""

    emoji: str
    sender: str
    from_me: bool
    at: int


class ReceiptReceived(Event, frozen=True, kw_only=True, tag="receipt"):
    """Ticks for messages that the account sent. ``ack`` as in ``sessions.models.ACK``."""

    chat: ChatAddress
    wa_ids: tuple[str, ...]
    ids: tuple[str, ...]
    ack: int
    at: int


class ReadElsewhere(Event, frozen=True, kw_only=True, tag="read_elsewhere"):
    """The account read the chat on another of its devices."""

    chat: ChatAddress
    at: int


class TypingChanged(Event, frozen=True, kw_only=True, tag="typing"):
    """Somebody types or records, or stopped."""

    chat: ChatAddress
    sender: str
    sender_name: str | None
    is_typing: bool
    kind: Literal["text", "audio"]


class PresenceChanged(Event, frozen=True, kw_only=True, tag="presence"):
    """Somebody came or went; ``last_seen`` where WhatsApp tells."""

    jid: str
    online: bool
    last_seen: int | None


class ContactLearned(Event, frozen=True, kw_only=True, tag="contact"):
    """Something about a contact is known, or known better."""

    contact: Contact


class LidLearned(Event, frozen=True, kw_only=True, tag="lid"):
    """A LID's phone number became known: both name the same person."""

    lid: str
    pn: str


class GroupChanged(Event, frozen=True, kw_only=True, tag="group"):
    """A group's name or members changed."""

    chat: ChatAddress
    name: str | None
    joined: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    promoted: tuple[str, ...] = ()
    demoted: tuple[str, ...] = ()
    author: str | None = None
    at: int


class CallChanged(Event, frozen=True, kw_only=True, tag="call"):
    """A call rings, was taken or ended."""

    id: str
    sender: str
    kind: Literal["audio", "video"]
    state: Literal["offer", "accepted", "ended"]
    at: int


class HistoryChat(Event, frozen=True, kw_only=True, tag="history_chat"):
    """A chat as the phone's history has it, before its messages."""

    chat: ChatAddress
    name: str | None
    unread: int
    archived: bool
    pinned: bool
    muted_until: int | None
    at: int | None


class HistoryProgress(Event, frozen=True, kw_only=True, tag="history_progress"):
    """The first history sync: ``percent`` as WhatsApp counts; ``done`` when all is in."""

    percent: int
    done: bool


AnyEvent = (
    PairingStarted
    | Connecting
    | Connected
    | Troubled
    | QrShown
    | CodeShown
    | Paired
    | MessageReceived
    | MessageEdited
    | MessageDeleted
    | ReactionChanged
    | ReceiptReceived
    | ReadElsewhere
    | TypingChanged
    | PresenceChanged
    | ContactLearned
    | LidLearned
    | GroupChanged
    | CallChanged
    | HistoryChat
    | HistoryProgress
)
