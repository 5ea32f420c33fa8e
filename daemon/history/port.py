"""What the daemon asks of a history store. Adapters: ``sqlite`` (a file of its own), ``supabase``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from daemon.history.models import (
    Found,
    Place,
    Record,
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


class HistoryStore(Protocol):
    """Where the past is kept. Every read stays inside the workspace that its argument names.

    Must not hold the event loop: work is done in a thread, or over the network. Every method
    raises :class:`HistoryFailed`.
    """

    async def write(self, records: Sequence[Record]) -> None:
        """Apply the records in order, all or none; the same ones twice change nothing.

        They would survive a killed process when it returns (a power cut may cost the last second).
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

    async def search(self, query: SearchQuery) -> list[Found]:
        """Return messages with all the words, newest first."""
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

    async def close(self) -> None:
        """Give the store back; a second call does nothing."""
        ...
