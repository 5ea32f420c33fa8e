"""A stand-in for Supabase's Data API: real HTTP, the shapes and the faults that were seen.

Neither PostgREST nor PostgreSQL: the dialect that zapd speaks and no more. What PostgreSQL
itself would say is tested on PostgreSQL. A fault is set for all requests until it is cleared,
or for the next ones only.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from tests.supabase.fakes.rows import KEYS, Refusal, Row, Tables

KEY = "sb_secret_test_key_of_the_stand_in"
PAGE_MAX = 1000  # Supabase's default, cut without a word
_CONDITION = re.compile(r"(eq|gte|is|in)\.(.*)", re.DOTALL)

Fault = Callable[[], Response]


def error(status: int, code: str | None, message: str) -> Fault:
    """Return PostgREST's own error."""
    body = {"code": code, "details": None, "hint": None, "message": message}
    return lambda: JSONResponse(body, status)


#: The gateway's: JSON without a code.
INVALID_KEY: Fault = lambda: JSONResponse(  # noqa: E731 - a value of the table below
    {"message": "Invalid API key", "hint": "Double check your Supabase API key."}, 401
)
BAD_GATEWAY: Fault = lambda: HTMLResponse("<html>502 Bad Gateway</html>", 502)  # noqa: E731 - a table of answers, one a line
LOGIN_PAGE: Fault = lambda: HTMLResponse("<html>Please sign in</html>", 200)  # noqa: E731 - a table of answers, one a line
UNAVAILABLE: Fault = lambda: JSONResponse(  # noqa: E731 - a table of answers, one a line
    {"message": "name resolution failed"}, 503
)
LIMITED: Fault = lambda: JSONResponse(  # noqa: E731 - a table of answers, one a line
    {"message": "API rate limit exceeded"}, 429, {"Retry-After": "1"}
)
NO_SCHEMA_CACHE = error(
    503, "PGRST002", "Could not query the database for the schema cache. Retrying."
)
NO_GRANT = error(403, "42501", "permission denied for table tags")
NO_TABLE = error(404, "PGRST205", "Could not find the table 'public.tags' in the schema cache")


class Seen(NamedTuple):
    """One request that came."""

    method: str
    table: str
    query: dict[str, str]
    rows: list[Row]


class DataApi:
    """The server, its rows and its faults."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.key = KEY
        self.fault: Fault | None = None
        self.next_faults: deque[Fault | None] = deque()
        self.answer_lost = False
        """Do what is asked, then never answer."""
        self.seen: list[Seen] = []
        self.in_flight: dict[str, int] = {}
        self.most_in_flight: dict[str, int] = {}
        self.after_write: Callable[[], None] = lambda: None
        self.url = ""

    async def answer(self, request: Request) -> Response:
        """Answer ``/rest/v1/{table}``."""
        table = request.path_params["table"]
        if request.headers.get("apikey") != self.key:
            return INVALID_KEY()
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return error(401, "PGRST301", "JWT could not be decoded")()
        fault = self.next_faults.popleft() if self.next_faults else self.fault
        if fault is not None:
            return fault()
        if table not in KEYS:
            return error(404, "PGRST205", f"Could not find the table 'public.{table}'")()
        self.in_flight[table] = self.in_flight.get(table, 0) + 1
        self.most_in_flight[table] = max(self.most_in_flight.get(table, 0), self.in_flight[table])
        try:
            return await self._act(table, request)
        except Refusal as refusal:
            return JSONResponse(refusal.body, refusal.status)
        finally:
            self.in_flight[table] -= 1

    async def _act(self, table: str, request: Request) -> Response:
        query = dict(request.query_params)
        if request.method == "GET":
            self.seen.append(Seen("GET", table, query, []))
            return JSONResponse(self._page(table, query))
        body = await request.json()
        rows: list[Row] = body if isinstance(body, list) else [body]
        self.seen.append(Seen(request.method, table, query, rows))
        prefer = request.headers.get("prefer", "")
        if request.method == "POST":
            written = self.tables.upsert(table, rows, ignore="ignore-duplicates" in prefer)
        else:
            written = self.tables.update(table, self._found(table, query), rows[0])
        self.after_write()
        if self.answer_lost:
            await asyncio.sleep(3600)
        if "return=minimal" in prefer:
            return Response(status_code=201)
        return JSONResponse(written, 201 if request.method == "POST" else 200)

    def _found(self, table: str, query: dict[str, str]) -> list[Row]:
        conditions = [
            (name, *match.groups())
            for name, text in query.items()
            if name not in {"select", "order", "limit", "offset", "on_conflict", "columns"}
            and (match := _CONDITION.fullmatch(text))
        ]
        return [
            row
            for row in self.tables.rows[table].values()
            if all(_holds(row.get(name), how, value) for name, how, value in conditions)
        ]

    def _page(self, table: str, query: dict[str, str]) -> list[Row]:
        found = self._found(table, query)
        names = [part.partition(".")[0] for part in query.get("order", "").split(",") if part]
        found.sort(key=lambda row: [str(row.get(name)) for name in names])
        offset = int(query.get("offset", 0))
        limit = min(int(query.get("limit", PAGE_MAX)), PAGE_MAX)
        return found[offset : offset + limit]


def _holds(value: object, how: str, wanted: str) -> bool:
    if how == "is":
        return value is None if wanted == "null" else str(value).lower() == wanted
    if how == "in":
        return str(value) in [part.strip('"') for part in wanted.strip("()").split(",")]
    if value is None:
        return False
    one, other = _comparable(value), _comparable(wanted)
    if how == "eq":
        return one == other
    assert how == "gte", how  # zapd asks no other
    return one >= other


def _comparable(value: object) -> tuple[float, str]:
    text = str(value)
    try:
        return (datetime.fromisoformat(text).timestamp(), "") if "T" in text else (0, text)
    except ValueError:
        return 0, text


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the test's signals alone."""
        yield


class Served:
    """A Data API on a port of its own that can go away and come back."""

    def __init__(self) -> None:
        self.api = DataApi()
        self._port = 0
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def up(self) -> None:
        """Listen, on the same port as before."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        self.api.url = f"http://127.0.0.1:{self._port}"
        methods = ["GET", "POST", "PATCH"]
        app = Starlette(routes=[Route("/rest/v1/{table}", self.api.answer, methods=methods)])
        config = uvicorn.Config(
            app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = _Server(config)
        self._task = asyncio.get_running_loop().create_task(
            self._server.serve(sockets=[listener]), name="stand-in for the Data API"
        )
        while not self._server.started:
            await asyncio.sleep(0.005)

    async def down(self) -> None:
        """Stop listening: connections are refused."""
        if self._server is not None and self._task is not None:
            self._server.should_exit = self._server.force_exit = True
            await self._task
            self._server = self._task = None


@asynccontextmanager
async def data_api() -> AsyncIterator[Served]:
    """Serve a Data API for the length of a test."""
    served = Served()
    await served.up()
    try:
        yield served
    finally:
        await served.down()
