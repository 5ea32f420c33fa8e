"""Who asks: from headers, ticket or cookie to a principal, or to one and the same refusal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, Self

from daemon.auth.api_keys import PREFIX, ApiKeys
from daemon.auth.login import COOKIE, Logins
from daemon.auth.principal import Principal
from daemon.auth.tickets import Tickets, Use
from daemon.auth.tokens import Tokens
from daemon.errors import ApiError
from daemon.storage.keys import KeyStore
from daemon.storage.logins import LoginStore
from daemon.storage.workspaces import WorkspaceStore

if TYPE_CHECKING:
    from daemon.storage.database import Database
    from sessions.ports import Clock

CREDENTIAL_MAX = 8192
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="zapd"'}


@dataclass(frozen=True, slots=True)
class Authenticator:
    """The one door for credentials. What a request shows first counts; nothing falls through.

    The order is ``Authorization``, ``X-Api-Key``, ticket, cookie: a wrong token beside a good
    cookie is refused.
    """

    keys: ApiKeys
    tokens: Tokens
    tickets: Tickets
    logins: Logins
    clock: Clock

    @classmethod
    def over(cls, database: Database, clock: Clock, operator_secret: str | None = None) -> Self:
        """Return an authenticator over the embedded database."""
        return cls(
            keys=ApiKeys(KeyStore(database), clock),
            tokens=Tokens(WorkspaceStore(database, clock), clock, operator_secret),
            tickets=Tickets(),
            logins=Logins(LoginStore(database), clock),
            clock=clock,
        )

    async def authenticate(
        self, headers: Mapping[str, str], query_ticket: str | None, cookies: Mapping[str, str]
    ) -> Principal:
        """Return who asks; header names are lower case.

        Raises:
            ApiError: ``unauthorized``, or ``ticket_expired`` for a ticket.
        """
        if "authorization" in headers:
            return await self.authenticate_token(_bearer(headers["authorization"]))
        if "x-api-key" in headers:
            return await self.authenticate_key(headers["x-api-key"].strip())
        if query_ticket is not None:
            return await self._authenticate_ticket(query_ticket)
        return await self._authenticate_cookie(cookies.get(COOKIE))

    async def authenticate_token(self, token: str | None) -> Principal:
        """Return who holds the JWT or API key (of ``Authorization``, or of ``auth.token``)."""
        if not token or len(token) > CREDENTIAL_MAX:
            _refuse()
        if token.startswith(PREFIX):
            return await self.authenticate_key(token)
        return await self.tokens.check(token) or _refuse()

    async def authenticate_key(self, key: str) -> Principal:
        """Return who holds the API key."""
        return await self.keys.check(key) or _refuse()

    async def still_valid(self, principal: Principal) -> bool:
        """Tell whether what let a stream in would still do; to be asked about once a second.

        The answer is the same for all principals of one ``credential`` and ``expires_at``.
        """
        until = principal.expires_at
        if until is not None and self.clock.now_ms() >= until:
            return False
        return await self._credential_valid(principal.credential)

    def issue_ticket(self, principal: Principal, use: Use) -> tuple[str, int]:
        """Return a ticket, and until when it opens (milliseconds since 1970).

        Raises:
            ApiError: ``missing_scope``, or ``rate_limited``.
        """
        return self.tickets.issue(principal, use, self.clock.now_ms())

    def stream_opened(self, principal: Principal, end: Callable[[], None]) -> Callable[[], None]:
        """Note that a stream is open; return what is to be called once when it is closed.

        It matters for tickets, and does nothing for other credentials: a ticket may open its
        stream again within a minute of the close, and a newer stream of the same ticket calls
        ``end`` of the older one. Neither call waits.
        """
        self.tickets.opened(principal, end)
        return lambda: self.tickets.closed(principal, end, self.clock.now_ms())

    async def close(self) -> None:
        """Finish what is being written, before the database closes."""
        await self.keys.close()

    async def _authenticate_ticket(self, ticket: str) -> Principal:
        principal = self.tickets.present(ticket[:CREDENTIAL_MAX], self.clock.now_ms())
        if not await self._credential_valid(principal.credential):
            raise ApiError("ticket_expired", headers=CHALLENGE)
        return principal

    async def _authenticate_cookie(self, cookie: str | None) -> Principal:
        if not cookie or len(cookie) > CREDENTIAL_MAX:
            _refuse()
        return await self.logins.check(cookie) or _refuse()

    async def _credential_valid(self, credential: str) -> bool:
        """Ask whoever gave the credential; a ticket carries its issuer's."""
        kind, _, rest = credential.partition(":")
        if kind == "key":
            return await self.keys.is_valid(rest)
        if kind == "cookie":
            return await self.logins.is_valid(rest)
        return kind == "jwt" and await self.tokens.is_valid(credential)


def _bearer(header: str) -> str | None:
    scheme, _, token = header.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _refuse() -> NoReturn:
    raise ApiError("unauthorized", headers=CHALLENGE)
