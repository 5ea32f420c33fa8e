"""The Data API as one of its users: what a CRM in a browser can send, and the daemon too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from tests.supabase.rig import Rig

Row = dict[str, Any]


class Answer:
    """What came back: the rows, or the code of the error."""

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        body = response.json() if response.content else []
        self.code: str | None = body.get("code", "none") if isinstance(body, dict) else None
        self.rows: list[Row] = body if isinstance(body, list) else []
        self.count = response.headers.get("content-range", "").rpartition("/")[2]

    def __repr__(self) -> str:
        """Show all that a failing test should tell."""
        return f"{self.status} {self.code or self.rows}"


class Api:
    """One user's requests. Filters are PostgREST's: ``workspace_id="eq.…"``."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def read(self, table: str, **filters: str) -> Answer:
        """Select rows, and have them counted."""
        return self._send("GET", table, filters, prefer="count=exact")

    def insert(self, table: str, row: Row) -> Answer:
        """Insert a row."""
        return self._send("POST", table, {}, row)

    def upsert(self, table: str, row: Row, *key: str) -> Answer:
        """Insert a row, or change the one that has its key."""
        filters = {"on_conflict": ",".join(key)}
        return self._send("POST", table, filters, row, "resolution=merge-duplicates")

    def update(self, table: str, values: Row, **filters: str) -> Answer:
        """Change the rows that the filters find."""
        return self._send("PATCH", table, filters, values)

    def delete(self, table: str, **filters: str) -> Answer:
        """Delete the rows that the filters find."""
        return self._send("DELETE", table, filters)

    def call(self, function: str) -> Answer:
        """Call a function."""
        return self._send("POST", f"rpc/{function}", {}, {})

    def _send(
        self,
        method: str,
        path: str,
        filters: Mapping[str, str],
        body: Row | None = None,
        prefer: str = "",
    ) -> Answer:
        wishes = ",".join(filter(None, ("return=representation", prefer)))
        return Answer(
            self._client.request(
                method, f"/{path}", params=filters, json=body, headers={"Prefer": wishes}
            )
        )


@contextmanager
def signed_in(rig: Rig, token: str | None = None, key: str | None = None) -> Iterator[Api]:
    """Give the Data API to a user (with ``token``), or to whoever has the key."""
    url, headers = f"{rig.url}/rest/v1", rig.headers(token, key)
    with httpx.Client(base_url=url, headers=headers) as client:
        yield Api(client)
