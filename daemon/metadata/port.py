"""What the service asks of a metadata store, and what the store may answer with.

Two adapters: :mod:`daemon.metadata.sqlite` (the embedded database alone) and
:mod:`daemon.metadata.supabase` (the same, with an outbox to Supabase and claims made there).
One suite of tests holds both to this contract: ``tests/contract/metadata``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from daemon.metadata.models import Activity, Actor, AnyRow, Assignment, Key, Note, Row
from sessions.ids import ChatRef


class VersionConflict(Exception):
    """The row has another version than the writer expected; ``current`` is None where it is gone."""

    def __init__(self, current: AnyRow | None) -> None:
        super().__init__("the row has another version")
        self.current = current


class AlreadyClaimed(Exception):
    """Somebody else has the chat: ``current`` says who."""

    def __init__(self, current: Assignment) -> None:
        super().__init__("the chat is somebody else's")
        self.current = current


class Refused(Exception):
    """The store cannot take the row: a tag's name is in use, a member is unknown.

    ``code`` is one of ``daemon.errors.PROBLEMS``: ``name_taken``, ``unknown_member``,
    ``unknown_tag``.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Unreachable(Exception):
    """Supabase did not answer, and the change needs its answer. Nothing was changed."""


class Change(NamedTuple):
    """A row as it is to be, and what the log says of it.

    The caller fills the kind's own fields, ``workspace``, ``actor`` and ``deleted_at`` (to delete);
    the store sets ``version``, ``op_id`` and the times. ``expected`` None: whatever version is
    there; 0: there must be no living row.
    """

    row: AnyRow
    action: str
    expected: int | None = None
    data: dict[str, object] = {}  # noqa: RUF012 - a NamedTuple's default, never written to


class ActivityQuery(NamedTuple):
    """Which lines of the log; newest first. ``before``: the (at, id) of the page before's last."""

    workspace: str
    chat: ChatRef | None = None
    actor: str | None = None
    action: str | None = None
    sessions: frozenset[str] | None = None
    limit: int = 50
    before: tuple[int, str] | None = None


class MetadataStore(Protocol):
    """Where metadata survives. Every method stays inside the workspace that its argument names."""

    async def write(self, changes: Sequence[Change]) -> list[AnyRow]:
        """Store the rows with their activity, all or none; return them as stored.

        On disk when it returns. Raises ``VersionConflict``, ``Refused``, ``StorageError``.
        """
        ...

    async def claim(
        self, chat: ChatRef, user: str, actor: Actor, *, steal: bool = False
    ) -> Assignment:
        """Give the chat to ``user`` if it is nobody's (or theirs already; or anybody's: ``steal``).

        Atomic: of many at once, one wins. A chat that was closed or snoozed is open again.
        Raises ``AlreadyClaimed``, ``Refused``, ``Unreachable``, ``StorageError``.
        """
        ...

    async def merge(self, rows: Sequence[AnyRow]) -> list[AnyRow]:
        """Take rows that were written elsewhere; return those that won by ``changed_at``.

        A row whose ``op_id`` is known, or that is older than what is stored, changes nothing.
        """
        ...

    async def move_chat(self, old: ChatRef, new: ChatRef) -> list[AnyRow]:
        """Give ``new`` all that ``old`` had, as its two addresses proved to be one person.

        Notes and tags are joined; of two assignments the one that has an assignee wins, else the
        newer. Returns the rows that changed, those of ``old`` as deleted. A second call does
        nothing.
        """
        ...

    async def row(self, shape: type[Row], workspace: str, key: Key) -> AnyRow | None:
        """Return one row, a deleted one too; None where there never was one."""
        ...

    async def rows(self, shape: type[Row], workspace: str | None = None) -> list[AnyRow]:
        """Return all living rows of a kind, of one workspace or (at start) of all, oldest first."""
        ...

    async def of_chat(self, chat: ChatRef) -> list[AnyRow]:
        """Return the living assignment and tags of a chat (not its notes)."""
        ...

    async def notes(self, chat: ChatRef, limit: int, before: tuple[int, str] | None) -> list[Note]:
        """Return living notes of a chat, newest first; ``before``: (created_at, id)."""
        ...

    async def activity(self, query: ActivityQuery) -> list[Activity]:
        """Return lines of the activity log, newest first."""
        ...

    async def due(self, now: int, limit: int = 100) -> list[Assignment]:
        """Return snoozed assignments whose time has come, oldest first."""
        ...
