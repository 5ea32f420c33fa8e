"""What stands before every handler: who asks, how often, from which page, for what.

One place for all routes of the table, so that none can forget a check. Errors become
problems here; what nobody expected becomes a 500 without a stack, and a line in the log.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from daemon.auth.authenticator import Authenticator
from daemon.auth.origins import SAFE_METHODS, may_use_cookie
from daemon.auth.principal import Principal
from daemon.auth.scopes import Scope
from daemon.errors import ApiError
from daemon.transports.rest.answers import problem
from daemon.transports.rest.reading import read_body, read_query
from daemon.transports.rest.route import ApiRoute, Call, Services
from sessions.errors import EngineError
from sessions.sending.rate_limit import RateLimiter

log = logging.getLogger("zapd.http")

#: What is answered is of one credential, may be asked for again by its ETag, and is never a page.
_HEADERS = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}


class Gate(NamedTuple):
    """Lets requests in, or says why not."""

    auth: Authenticator
    limiter: RateLimiter
    passed: Callable[[], int]
    """Milliseconds on a clock that is never set back."""
    origins: tuple[str, ...]
    stopping: Callable[[], bool]

    async def admit(self, connection: HTTPConnection, scopes: tuple[Scope, ...]) -> Principal:
        """Return who asks; raise ``ApiError`` unless one of ``scopes`` is held (none: any do)."""
        method = connection.scope.get("method", "WEBSOCKET")
        if self.stopping() and method not in SAFE_METHODS:
            raise ApiError("stopping", headers={"Retry-After": "5"})
        query = connection.query_params
        who = await self.auth.authenticate(
            connection.headers, query.get("ticket"), connection.cookies, query.get("workspace")
        )
        self.check_rate(who)
        self._check_origin(connection, who)
        if scopes and not who.may(*scopes):
            raise ApiError("missing_scope", f"This needs the scope {scopes[0]}.")
        return who

    def check_rate(self, who: Principal) -> None:
        """Raise ``rate_limited`` when the credential asks too often."""
        wait = self.limiter.take(who.credential, self.passed() / 1000)
        if wait:
            raise ApiError("rate_limited", headers={"Retry-After": str(math.ceil(wait))})

    def _check_origin(self, connection: HTTPConnection, who: Principal) -> None:
        """A cookie comes along with any page's request: unsafe ones must be from our pages."""
        headers = connection.headers
        method = connection.scope.get("method", "WEBSOCKET")
        if who.kind == "cookie" and not may_use_cookie(
            method, headers.get("origin"), headers.get("host"), self.origins
        ):
            raise ApiError("wrong_origin")


def endpoint(
    route: ApiRoute, gate: Gate, services: Services, body_max: int
) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler of a row of the table, with all that stands before it."""

    async def handle(request: Request) -> Response:
        who = await gate.admit(request, route.scopes)
        request.state.principal = who
        query: object = None
        body: object = None
        if route.query is not None:
            query = read_query(request, route.query)
        if route.body is not None:
            body = await read_body(request, route.body, body_max)
        response = await route.handler(Call(request, who, query, body, services))
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return handle


def by_method(
    handlers: Mapping[str, Callable[[Request], Awaitable[Response]]],
) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of a path: its methods' handlers, 405 for the rest."""
    allow = ", ".join(sorted(handlers))

    async def dispatch(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        handler = handlers.get(method)
        if handler is None:
            raise ApiError("method_not_allowed", headers={"Allow": allow})
        return await handler(request)

    return dispatch


async def on_api_error(request: Request, error: Exception) -> Response:
    """Answer an ``ApiError`` (given to Starlette as an exception handler, as are all below)."""
    assert isinstance(error, ApiError)  # noqa: S101 - Starlette chose the handler by type
    return problem(error)


async def on_engine_error(request: Request, error: Exception) -> Response:
    """Answer what the engine refused."""
    assert isinstance(error, EngineError)  # noqa: S101 - as above
    answer = ApiError.from_engine(error)
    if answer.code == "internal_error":
        log.error("%s %s: %r", request.method, request.url.path, error)
    if answer.status == 429:  # noqa: PLR2004 - too many requests
        answer.headers["Retry-After"] = "1"
    return problem(answer)


async def on_http_error(request: Request, error: Exception) -> Response:
    """Answer Starlette's own errors: no such route, and little else."""
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    codes = {404: "route_not_found", 405: "method_not_allowed"}
    code = codes.get(error.status_code, "internal_error")
    return problem(ApiError(code, headers=dict(error.headers or {})))


async def on_surprise(request: Request, error: Exception) -> Response:
    """Answer what nobody expected (Starlette has logged the stack by raising it again)."""
    return problem(ApiError("internal_error"))
