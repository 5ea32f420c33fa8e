"""What a route is: one row of the table, and the call that its handler gets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from daemon.auth.authenticator import Authenticator
from daemon.auth.principal import Principal
from daemon.auth.scopes import Scope
from daemon.hub.hub import Hub
from daemon.services.engine import Engine
from daemon.services.metadata import Metadata
from daemon.services.people.joined import People
from daemon.services.search import Search


class Services(NamedTuple):
    """What handlers use; given by the composition root."""

    engine: Engine
    hub: Hub
    auth: Authenticator
    metadata: Metadata
    people: People
    search: Search


class Call(NamedTuple):
    """A request that was let in, with its query and body read as the route says."""

    request: Request
    who: Principal
    query: Any
    body: Any
    services: Services

    @property
    def path(self) -> dict[str, str]:
        """The path's parameters."""
        return self.request.path_params


Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, kw_only=True)
class ApiRoute:
    """One row. ``scopes``: any of them lets in; none means that any credential does.

    ``query`` and ``body`` are msgspec Structs that forbid unknown fields; ``answer`` is what the
    body of a success holds. ``errors`` are codes of ``daemon.errors`` beyond those of any route.
    ``headers`` and ``own_query`` say what the handler reads by itself of either, and what it is.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    scopes: tuple[Scope, ...] = ()
    query: type | None = None
    body: type | None = None
    answer: Any = None
    status: int = 200
    errors: tuple[str, ...] = ()
    media: tuple[str, ...] = ("application/json",)
    headers: dict[str, str] = field(default_factory=dict)
    own_query: dict[str, str] = field(default_factory=dict)
