"""The port to what is remembered beyond the RAM: told as things happen, asked for what left.

Without it (:class:`NoKeeper`) the engine knows what its caches hold, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from sessions.ids import ChatRef, SessionKey
from sessions.models import Contact, MessageTail


class KeptMessage(Protocol):
    """A message as the engine has it: it may change again after it was told."""

    chat: ChatRef
    id: str
    from_me: bool
    head: bytes
    tail: MessageTail

    @property
    def at(self) -> int:
        """When it was sent, in ms."""
        ...


class KeptChat(Protocol):
    """A chat's row as the engine has it, without its last message.

    It counts a message before that is told: so what is kept of a chat never counts less than is
    kept of its messages. ``mark``: up to where of the session's journal it counts, 0: unknown.
    """

    ref: ChatRef
    pn: str | None
    lid: str | None
    name: str | None
    picture_id: str | None
    unread: int
    updated_at: int
    archived: bool
    pinned: bool
    muted_until: int | None
    mark: int


class PastMessage(NamedTuple):
    """A message as it was told last. ``arrival``: its place among those of its millisecond."""

    chat: ChatRef
    id: str
    at: int
    arrival: int
    from_me: bool
    head: bytes
    tail: MessageTail


class PastChat(NamedTuple):
    """A chat's row as it was told last, and the newest of its messages."""

    ref: ChatRef
    pn: str | None
    lid: str | None
    name: str | None
    picture_id: str | None
    unread: int
    updated_at: int
    archived: bool
    pinned: bool
    muted_until: int | None
    mark: int
    last: PastMessage | None


Order = tuple[int, int]
"""Time (ms) and arrival: messages of a chat stand in this order, in RAM and in the past."""

Listed = tuple[int, str]
"""A place in the list of chats: minus the time of the last activity (ms), and the chat's id."""
Name = tuple[str, str]
"""A contact's place in the list: session and JID."""

Confirm = Callable[[SessionKey, int], None]


class KeeperFailed(Exception):
    """What was kept cannot be read now. The engine goes on with what is in RAM."""


class Keeper(Protocol):
    """Remembers beyond the RAM.

    It is told what the caches have, after they have it, in the order in which it happened; what
    tells must not wait, raise or call back. What is asked is answered as of everything told
    before the question, raises :class:`KeeperFailed` and must not wait for long.
    """

    @property
    def keeps(self) -> bool:
        """Whether there is a past at all; where there is none, nothing is asked."""
        ...

    def attach(self, confirm: Confirm) -> None:
        """Learn whom to call when a mark that was :meth:`taken` is durable."""
        ...

    def message(self, message: KeptMessage) -> None:
        """Keep a message, new or changed."""
        ...

    def chat(self, chat: KeptChat) -> None:
        """Keep a chat's row, new or changed."""
        ...

    def contact(self, key: SessionKey, contact: Contact) -> None:
        """Keep a contact, new or changed."""
        ...

    def moved(self, old: ChatRef, new: ChatRef) -> None:
        """Learn that all messages of ``old`` belong to ``new`` now, and that ``old`` is gone."""
        ...

    def dropped(self, key: SessionKey) -> None:
        """Forget a session with all that it had."""
        ...

    def taken(self, key: SessionKey, mark: int) -> None:
        """Confirm ``mark`` once everything that was told before this call is durable."""
        ...

    async def flush(self) -> None:
        """Return when everything that was told before is durable, or cannot be for now."""
        ...

    async def messages(self, workspace: str, ids: Sequence[str]) -> list[PastMessage]:
        """Return those of the messages, by our ids, that are kept."""
        ...

    async def sent(self, key: SessionKey, wa_ids: Sequence[str]) -> list[PastMessage]:
        """Return the session's own messages that WhatsApp calls so."""
        ...

    async def before(self, chat: ChatRef, order: Order | None, limit: int) -> list[PastMessage]:
        """Return messages of the chat before ``order`` (None: the newest), newest first."""
        ...

    async def after(self, chat: ChatRef, order: Order, limit: int) -> list[PastMessage]:
        """Return messages of the chat after ``order``, oldest first."""
        ...

    async def chats(self, refs: Sequence[ChatRef]) -> list[PastChat]:
        """Return those of the chats that are kept."""
        ...

    async def listed(
        self, workspace: str, sessions: Sequence[str] | None, after: Listed | None, limit: int
    ) -> list[PastChat]:
        """Return chats by activity, then by id, of some sessions (None: all), after a place."""
        ...

    async def contacts(
        self, workspace: str, sessions: Sequence[str] | None, after: Name | None, limit: int
    ) -> list[Contact]:
        """Return contacts by session and JID, of some sessions (None: all), after one of them."""
        ...

    async def contacts_of(self, key: SessionKey, jids: Sequence[str]) -> list[Contact]:
        """Return those of the contacts that are kept."""
        ...


class NoKeeper:
    """A :class:`Keeper` that keeps nothing: what is taken is confirmed at once."""

    keeps = False

    def __init__(self) -> None:
        """Confirm to nobody before :meth:`attach`."""
        self._confirm: Confirm = _nobody

    def attach(self, confirm: Confirm) -> None:
        """Confirm to ``confirm``."""
        self._confirm = confirm

    def message(self, message: KeptMessage) -> None:
        """Do nothing."""

    def chat(self, chat: KeptChat) -> None:
        """Do nothing."""

    def contact(self, key: SessionKey, contact: Contact) -> None:
        """Do nothing."""

    def moved(self, old: ChatRef, new: ChatRef) -> None:
        """Do nothing."""

    def dropped(self, key: SessionKey) -> None:
        """Do nothing."""

    def taken(self, key: SessionKey, mark: int) -> None:
        """Confirm."""
        self._confirm(key, mark)

    async def flush(self) -> None:
        """Do nothing."""

    async def messages(self, workspace: str, ids: Sequence[str]) -> list[PastMessage]:
        """Find nothing."""
        return []

    async def sent(self, key: SessionKey, wa_ids: Sequence[str]) -> list[PastMessage]:
        """Find nothing."""
        return []

    async def before(self, chat: ChatRef, order: Order | None, limit: int) -> list[PastMessage]:
        """Find nothing."""
        return []

    async def after(self, chat: ChatRef, order: Order, limit: int) -> list[PastMessage]:
        """Find nothing."""
        return []

    async def chats(self, refs: Sequence[ChatRef]) -> list[PastChat]:
        """Find nothing."""
        return []

    async def listed(
        self, workspace: str, sessions: Sequence[str] | None, after: Listed | None, limit: int
    ) -> list[PastChat]:
        """Find nothing."""
        return []

    async def contacts(
        self, workspace: str, sessions: Sequence[str] | None, after: Name | None, limit: int
    ) -> list[Contact]:
        """Find nothing."""
        return []

    async def contacts_of(self, key: SessionKey, jids: Sequence[str]) -> list[Contact]:
        """Find nothing."""
        return []


def _nobody(key: SessionKey, mark: int) -> None:
    """Nobody waits for it."""
