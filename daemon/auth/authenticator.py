"""Who asks: from headers, ticket or cookie to a principal, or to one and the same refusal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, Self

from daemon.auth.api_keys import PREFIX, ApiKeys
from daemon.auth.login import COOKIE, Logins
from daemon.auth.membership import Directory, Memberships, Nobody
from daemon.auth.principal import Principal
from daemon.auth.supabase_tokens import SupabaseTokens, credential_of
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
WORKSPACE_HEADER = "x-workspace"
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="zapd"'}


@dataclass(frozen=True, slots=True)
class Authenticator:
    """The one door for credentials. What a request shows first counts; nothing falls through.

    The order is ``Authorization``, ``X-Api-Key``, ticket, cookie: a wrong token beside a good
    cookie is refused. A user is then held to what the member rows say.
    """

    keys: ApiKeys
    tokens: Tokens
    tickets: Tickets
    logins: Logins
    clock: Clock
    memberships: Memberships
    supabase: SupabaseTokens | None = None

    @classmethod
    def over(
        cls,
        database: Database,
        clock: Clock,
        operator_secret: str | None = None,
        directory: Directory | None = None,
        supabase: SupabaseTokens | None = None,
    ) -> Self:
        """Return an authenticator over the embedded database; ``directory`` knows the members."""
        return cls(
            keys=ApiKeys(KeyStore(database), clock),
            tokens=Tokens(WorkspaceStore(database, clock), clock, operator_secret),
            tickets=Tickets(),
            logins=Logins(LoginStore(database), clock),
            clock=clock,
            memberships=Memberships(directory or Nobody()),
            supabase=supabase,
        )

    async def authenticate(
        self,
        headers: Mapping[str, str],
        query_ticket: str | None,
        cookies: Mapping[str, str],
        query_workspace: str | None = None,
    ) -> Principal:
        """Return who asks; header names are lower case.

        ``X-Workspace``, or else ``query_workspace``, names the workspace that is meant.

        Raises:
            ApiError: ``unauthorized``, ``ticket_expired`` for a ticket, ``not_a_member``,
                ``workspace_required`` or ``supabase_unreachable``.
        """
        wanted = headers.get(WORKSPACE_HEADER, query_workspace)
        if "authorization" in headers:
            return await self.authenticate_token(_bearer(headers["authorization"]), wanted)
        if "x-api-key" in headers:
            who = await self.authenticate_key(headers["x-api-key"].strip())
        elif query_ticket is not None:
            who = await self._authenticate_ticket(query_ticket)
        else:
            who = await self._authenticate_cookie(cookies.get(COOKIE))
        return self.memberships.admit(who, wanted)

    async def authenticate_token(self, token: str | None, wanted: str | None = None) -> Principal:
        """Return who holds the JWT or API key (of ``Authorization``, or of ``auth.token``)."""
        if not token or len(token) > CREDENTIAL_MAX:
            _refuse()
        if token.startswith(PREFIX):
            who = await self.authenticate_key(token)
        elif self.supabase is not None and self.supabase.issued(token):
            who = await self._authenticate_supabase(self.supabase, token, wanted)
        else:
            who = await self.tokens.check(token) or _refuse()
        return self.memberships.admit(who, wanted)

    async def authenticate_key(self, key: str) -> Principal:
        """Return who holds the API key."""
        return await self.keys.check(key) or _refuse()

    async def still_valid(self, principal: Principal) -> bool:
        """Tell whether what let a stream in would still do; to be asked about once a second.

        The answer is the same for all principals of one ``credential``, ``expires_at`` and
        ``membership``.
        """
        until = principal.expires_at
        if until is not None and self.clock.now_ms() >= until:
            return False
        if not self.memberships.unchanged(principal):
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
        if self.supabase is not None:
            await self.supabase.close()

    async def _authenticate_supabase(
        self, tokens: SupabaseTokens, token: str, wanted: str | None
    ) -> Principal:
        """Return the user, without scopes: those come with the membership."""
        user = await tokens.check(token) or _refuse()
        workspace = self.memberships.workspace_of(user.id, wanted)
        return Principal(
            workspace=workspace,
            subject=user.id,
            scopes=frozenset(),
            kind="jwt",
            credential=credential_of(user, workspace),
            expires_at=user.expires_at,
        )

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
        if kind in {"cookie", "person"}:
            return await self.logins.is_valid(rest)
        if kind == "supabase":
            return self.supabase is not None and self.supabase.is_valid(credential)
        return kind == "jwt" and await self.tokens.is_valid(credential)


def _bearer(header: str) -> str | None:
    scheme, _, token = header.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _refuse() -> NoReturn:
    raise ApiError("unauthorized", headers=CHALLENGE)
