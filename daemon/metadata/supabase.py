"""Supabase's Data API through its own client: the only module that names it.

It costs 0.15 s and 27 MiB to load, so that nobody imports this module but
:mod:`daemon.metadata.supabase_link`, and only where Supabase is configured.

The client's own habits are turned off: it would wait for 120 s, speak HTTP/2 (which fails on
idle connections), try some requests again by itself, and tell errors without their HTTP status.
Every answer but a success becomes a :class:`~daemon.metadata.trouble.Trouble` before it sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import httpx
from postgrest import AsyncPostgrestClient
from postgrest.exceptions import APIError
from postgrest.types import ReturnMethod

from daemon.metadata.trouble import no_answer, not_the_api, of_answer, unsendable

if TYPE_CHECKING:
    from daemon.metadata.remote import Query, RemoteRow

TIMEOUT = httpx.Timeout(10.0, connect=3.0)  # seconds
LIMITS = httpx.Limits(
    max_connections=8,
    max_keepalive_connections=4,
    keepalive_expiry=4.0,  # shorter than what proxies keep: a request never meets a closing line
)


class SupabaseApi:
    """A :class:`daemon.metadata.remote.DataApi`. Whoever made it closes it."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout: httpx.Timeout = TIMEOUT,
        on_date: Callable[[float], None] | None = None,
    ) -> None:
        """``url`` is the project's; ``key`` a secret key of the old or the new kind.

        ``on_date`` gets the server's time in seconds since 1970 with each answer.
        """
        self._on_date = on_date
        self._http = httpx.AsyncClient(
            http2=False,
            timeout=timeout,
            limits=LIMITS,
            event_hooks={"response": [self._check]},
        )
        self._client = AsyncPostgrestClient(
            f"{url.rstrip('/')}/rest/v1",
            headers={"apikey": key, "Authorization": f"Bearer {key}"},
            http_client=self._http,
            retry_enabled=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def upsert(
        self, table: str, rows: Sequence[RemoteRow], key: Sequence[str], *, ignore: bool = False
    ) -> None:
        """Insert the rows, or change (``ignore``: leave) those that have their key."""
        request = self._client.from_(table).upsert(
            list(rows),
            on_conflict=",".join(key),
            ignore_duplicates=ignore,
            returning=ReturnMethod.minimal,
        )
        await _execute(request)

    async def insert(
        self, table: str, rows: Sequence[RemoteRow], key: Sequence[str]
    ) -> list[RemoteRow]:
        """Insert the rows whose key nobody has; return those that were inserted."""
        request = self._client.from_(table).upsert(
            list(rows), on_conflict=",".join(key), ignore_duplicates=True
        )
        return await _execute(request)

    async def update(
        self, table: str, equal: Mapping[str, str | int | None], values: RemoteRow
    ) -> list[RemoteRow]:
        """Change the rows for which all of ``equal`` holds; return them as they are then."""
        request = self._client.from_(table).update(values)
        for column, value in equal.items():
            request = request.is_(column, None) if value is None else request.eq(column, value)
        return await _execute(request)

    async def select(self, table: str, query: Query) -> list[RemoteRow]:
        """Return rows, at most as many as the server gives at once."""
        request = self._client.from_(table).select("*")
        for column, value in query.equal.items():
            request = request.is_(column, None) if value is None else request.eq(column, value)
        if query.within is not None:
            request = request.in_(query.within[0], list(query.within[1]))
        if query.since is not None:
            request = request.gte(*query.since)
        for column in query.order:
            request = request.order(column)
        request = request.range(query.offset, query.offset + query.limit - 1)
        return await _execute(request)

    async def call(self, function: str, arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401 - what it returns
        """Call a function of the database; return what it returns."""
        return await _answer(self._client.rpc(function, dict(arguments)))

    async def _check(self, response: httpx.Response) -> None:
        """Raise for all but a success of the API itself."""
        if self._on_date is not None and (date := _date(response)) is not None:
            self._on_date(date)
        if not response.is_success:
            await response.aread()
            raise of_answer(
                response.status_code, response.content, response.headers.get("retry-after")
            )
        kind = response.headers.get("content-type", "")
        if kind.startswith("text/html"):
            raise not_the_api(kind)


async def _execute(request: Any) -> list[RemoteRow]:  # noqa: ANN401 - the builders share no class
    """Send a request of the client; return its rows."""
    return list(await _answer(request))


async def _answer(request: Any) -> Any:  # noqa: ANN401 - as above
    """Send a request of the client; return the JSON of its answer."""
    try:
        answer = await request.execute()
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise no_answer(error) from error
    except APIError as error:  # a success whose body is no JSON
        raise not_the_api(str(error.code)) from error
    except (UnicodeError, TypeError, ValueError) as error:
        raise unsendable(error) from error
    return answer.data


def _date(response: httpx.Response) -> float | None:
    try:
        return parsedate_to_datetime(response.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return None
