"""The answer to "who asks": what every route, stream and service is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from daemon.auth.scopes import Scope


@dataclass(frozen=True, slots=True)
class Principal:
    """One authenticated caller.

    ``credential`` names what let it in (never the secret): a stream ends when that is
    revoked, and the rate limit counts by it. ``expires_at`` is milliseconds since 1970.
    ``session`` narrows a ``pair`` credential to one session. ``ticket`` is the name (not the
    secret) of the ticket that was shown, if one was; its ``credential`` is its issuer's.
    """

    workspace: str
    subject: str
    scopes: frozenset[Scope]
    kind: Literal["api_key", "jwt", "ticket", "cookie"]
    credential: str
    expires_at: int | None = None
    session: str | None = None
    ticket: str | None = None

    def may(self, *any_of: Scope) -> bool:
        """Tell whether one of the scopes is held (scopes are widened when they are read)."""
        return not self.scopes.isdisjoint(any_of)
