"""What the daemon asks of a history store. Adapters: ``sqlite`` (a file of its own), ``supabase``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from daemon.history.models import (
    Place,
    Record,
    Searched,
    SearchQuery,
    StoredChat,
    StoredContact,
    StoredMessage,
)
from sessions.ids import ChatRef, SessionKey


class HistoryFailed(Exception):
    """The store cannot do it now: a full disk, a read-only folder, a network that is down.

    Nothing of the batch is written. ``user_action`` says what a person can do.
    """

    def __init__(self, sentence: str, user_action: str | None = None) -> None:
        super().__init__(sentence)
        self.user_action = user_action


class RecordRefused(HistoryFailed):
    """One of the batch's records can never be stored: found by halving, it is left out."""


class HistoryStore(Protocol):
    """Where the past is kept. Every read stays inside the workspace that its argument names.

    Must not hold the event loop: work is done in a thread, or over the network. Every method
    raises :class:`HistoryFailed`.
    """

    async def write(self, records: Sequence[Record]) -> None:
        """Apply the records in order, all or none; the same ones twice change nothing.

        They would survive a killed process when it returns; a power cut may cost what the system
        had not put on the disk yet, up to half a minute.
        """
        ...

    async def message(self, workspace: str, id: str) -> StoredMessage | None:
        """Return a message by our id."""
        ...

    async def place(self, workspace: str, id: str) -> Place | None:
        """Return where a message stands in its chat."""
        ...

    async def before(
        self, chat: ChatRef, place: Place | None, limit: int
    ) -> list[tuple[Place, StoredMessage]]:
        """Return messages of the chat that are older than ``place`` (None: the newest), newest first."""
        ...

    async def after(
        self, chat: ChatRef, place: Place, limit: int
    ) -> list[tuple[Place, StoredMessage]]:
        """Return messages of the chat that are newer than ``place``, oldest first."""
        ...

    def chats(self) -> AsyncIterator[list[StoredChat]]:
        """Yield the chats of all workspaces, newest activity first, in batches; for the warm start."""
        ...

    async def chat(self, ref: ChatRef) -> StoredChat | None:
        """Return one chat."""
        ...

    def contacts(self) -> AsyncIterator[list[StoredContact]]:
        """Yield the contacts of all workspaces in batches; for the warm start."""
        ...

    async def find(self, workspace: str, ids: Sequence[str]) -> list[tuple[Place, StoredMessage]]:
        """Return those of the messages, by our ids, that there are; in no order."""
        ...

    async def sent(
        self, key: SessionKey, wa_ids: Sequence[str]
    ) -> list[tuple[Place, StoredMessage]]:
        """Return the session's own messages that WhatsApp calls so; in no order."""
        ...

    async def last(self, refs: Sequence[ChatRef]) -> list[tuple[Place, StoredMessage]]:
        """Return the newest message of each of the chats; in no order."""
        ...

    async def chats_of(self, refs: Sequence[ChatRef]) -> list[StoredChat]:
        """Return those of the chats that there are; in no order."""
        ...

    async def listed(
        self,
        workspace: str,
        sessions: Sequence[str] | None,
        after: tuple[int, str] | None,
        limit: int,
    ) -> list[StoredChat]:
        """Return chats of some sessions (None: all), newest activity first, of one time by their ids.

        ``after`` is minus the time, and the id, of the page before's last.
        """
        ...

    async def contacts_page(
        self,
        workspace: str,
        sessions: Sequence[str] | None,
        after: tuple[str, str] | None,
        limit: int,
    ) -> list[StoredContact]:
        """Return contacts of some sessions (None: all) by session and JID, behind ``after``."""
        ...

    async def contacts_of(self, key: SessionKey, jids: Sequence[str]) -> list[StoredContact]:
        """Return those of the contacts that there are; in no order."""
        ...

    async def search(self, query: SearchQuery) -> Searched:
        """Return messages with all the words, newest first.

        Of what takes too long, it returns what was found so far and how far it came.
        """
        ...

    async def erase_contact(self, key: SessionKey, jids: frozenset[str]) -> dict[str, int]:
        """Remove every message from or to these addresses, their chats and contacts; count by kind.

        Nothing of them stays in the file (free pages, index, log). Their words in group chats are
        removed too; what others wrote stays.
        """
        ...

    async def prune(self, older_than: int | None, most_bytes: int | None) -> int:
        """Remove the oldest messages by age (ms since 1970) or until the store fits; count them."""
        ...

    @property
    def notice(self) -> str | None:
        """What a person should know although it works: a damaged file was set aside."""
        ...

    async def close(self) -> None:
        """Give the store back; a second call does nothing."""
        ...
