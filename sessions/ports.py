"""What the engine needs from outside; the daemon supplies it.

Each port says what an implementation must *not* do.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from sessions.ids import ChatRef, SessionKey
from sessions.models import ProviderName, Value


class Clock(Protocol):
    """Where time comes from."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970, UTC."""
        ...


class Published(NamedTuple):
    """An event for the hub: ``data`` is encoded JSON; ``extra`` joins the envelope's top level."""

    workspace: str
    type: str
    session: str | None
    chat: str | None
    at: int
    source: str
    data: bytes
    extra: dict[str, Any] | None = None


class EventSink(Protocol):
    """Where events go after the caches have them."""

    def publish(self, event: Published) -> None:
        """Take the event. Must not wait, must not raise, must not call back into the engine."""
        ...


class SessionRecord(Value, frozen=True, kw_only=True):
    """What must be known of a session after a restart."""

    workspace: str
    id: str
    label: str
    provider: ProviderName
    created_at: int
    wanted: bool = False  # it was started and not stopped since
    paired: bool = False
    synced: bool = False  # its first history sync is in
    jid: str | None = None
    lid: str | None = None
    state: str = "created"
    code: str | None = None
    detail: str | None = None

    @property
    def key(self) -> SessionKey:
        """The session's whole name."""
        return SessionKey(self.workspace, self.id)


class SessionStore(Protocol):
    """Where sessions are remembered. Must not keep a record that ``delete`` named."""

    async def load(self) -> list[SessionRecord]:
        """Return all sessions of all workspaces."""
        ...

    async def save(self, record: SessionRecord) -> None:
        """Write the record, new or not. Must not return before it would survive a kill."""
        ...

    async def delete(self, key: SessionKey) -> None:
        """Forget the session, its sends and its known chats."""
        ...


class SendRow(Value, frozen=True, kw_only=True):
    """One accepted send: request and state in one row.

    ``state``: ``accepted`` (never tried), ``trying``, ``sent``, ``failed``, ``unknown``.
    ``head`` is the message as it was answered (an encoded head), ``wa_id`` null until known.
    """

    workspace: str
    session: str
    id: str
    chat: str
    text: str
    reply_wa_id: str | None = None
    reply_sender: str | None = None
    reply_text: str | None = None
    key: str | None = None
    body_hash: bytes = b""
    head: bytes
    at: int
    state: str = "accepted"
    wa_id: str | None = None


class SendJournal(Protocol):
    """The sends that were accepted. Rows never tried are sent after a restart."""

    async def accept(self, row: SendRow) -> SendRow | None:
        """Write the row and return None, or return the row that has its idempotency key.

        Must not return before the row would survive a power cut.
        """
        ...

    async def find(self, workspace: str, session: str, key: str) -> SendRow | None:
        """Return the row with that idempotency key."""
        ...

    async def mark(self, row: SendRow, state: str, wa_id: str | None = None) -> None:
        """Set the row's state. Must not return before it would survive a power cut."""
        ...

    async def unfinished(self) -> list[SendRow]:
        """Return the rows that are ``accepted`` or ``trying``, oldest first."""
        ...

    async def finished(self, since: int) -> list[SendRow]:
        """Return the other rows that were marked since that time (ms), oldest first."""
        ...


class KnownChats(Protocol):
    """Which chats were ever announced. Must answer from memory or local disk, within 0.1 ms."""

    def add(self, workspace: str, session: str, jid: str) -> bool:
        """Remember the chat; return whether it is new. Must not wait for a disk to sync."""
        ...


class Annotation(NamedTuple):
    """What others know of a chat: JSON members for its object, and labels to list it by.

    ``json`` is ``"name":value,…`` without braces, or empty. ``nbytes`` is what the annotation
    weighs beside its labels; 0 for one object that all unannotated chats share.
    """

    json: bytes = b""
    labels: tuple[str, ...] = ()
    nbytes: int = 0


class Annotations(Protocol):
    """What others keep about chats, by their names. No method may wait, raise or call back."""

    def of(self, ref: ChatRef) -> Annotation:
        """Return what is known of the chat, from memory. Called when a chat is made or merged."""
        ...

    def merged(self, old: ChatRef, new: ChatRef) -> None:
        """Learn that ``old`` became part of ``new``: what was said of it is to move."""
        ...

    def learned(self, lid: ChatRef, pn: ChatRef) -> None:
        """Learn that two addresses are one person's, of whom no chat by ``lid`` is in memory."""
        ...

    def received(self, ref: ChatRef) -> None:
        """Learn that somebody wrote in the chat, now or while the session was off line."""
        ...


class NoAnnotations:
    """An :class:`Annotations` of which nothing is known."""

    def of(self, ref: ChatRef) -> Annotation:
        """Return nothing."""
        return Annotation()

    def merged(self, old: ChatRef, new: ChatRef) -> None:
        """Do nothing."""

    def learned(self, lid: ChatRef, pn: ChatRef) -> None:
        """Do nothing."""

    def received(self, ref: ChatRef) -> None:
        """Do nothing."""
