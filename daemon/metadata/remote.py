"""What the drain, the sync and the claims ask of Supabase's Data API.

One adapter: :class:`daemon.metadata.supabase.SupabaseApi`. A row is what JSON has: names of
columns and their values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

RemoteRow = dict[str, Any]


class Query(NamedTuple):
    """Which rows of a table, and in which order.

    ``equal``: a column and its value, None for null; ``within``: one of the values;
    ``since``: not less than the value.
    """

    equal: Mapping[str, str | int | None] = {}
    within: tuple[str, Sequence[str]] | None = None
    since: tuple[str, str] | None = None
    order: Sequence[str] = ()
    limit: int = 1000
    offset: int = 0


class DataApi(Protocol):
    """Supabase's tables. Every method raises :class:`daemon.metadata.trouble.Trouble`.

    None of them tries again by itself, and none may wait for longer than about ten seconds.
    """

    async def upsert(
        self, table: str, rows: Sequence[RemoteRow], key: Sequence[str], *, ignore: bool = False
    ) -> None:
        """Insert the rows, or change (``ignore``: leave) those that have their key; all or none.

        All of them must have the same columns: what one leaves out would become null.
        """
        ...

    async def insert(
        self, table: str, rows: Sequence[RemoteRow], key: Sequence[str]
    ) -> list[RemoteRow]:
        """Insert the rows whose key nobody has; return those that were inserted."""
        ...

    async def update(
        self, table: str, equal: Mapping[str, str | int | None], values: RemoteRow
    ) -> list[RemoteRow]:
        """Change the rows for which all of ``equal`` holds; return them as they are then."""
        ...

    async def select(self, table: str, query: Query) -> list[RemoteRow]:
        """Return rows, at most as many as the server gives at once."""
        ...

    async def call(self, function: str, arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401 - what it returns
        """Call a function of the database; return what it returns."""
        ...
