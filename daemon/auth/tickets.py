"""Tickets, for what cannot send headers: kept in memory, sans-I/O, bounded by workspace.

A stream's ticket opens one stream within a minute, and may open it again within a minute of
each cut, so that EventSource's own reconnect works. A reconnect can come before the server
has noticed the cut: the newer stream stays, and the older one is ended. A media ticket is good
for any number of fetches within its minute.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

from daemon.auth.principal import Principal
from daemon.auth.scopes import Scope
from daemon.errors import ApiError

Use = Literal["stream", "media"]
End = Callable[[], None]
USES: tuple[Use, ...] = get_args(Use)
LIFE_MS = 60_000
CAPACITY = 4096  # for each workspace; one takes some 700 bytes
_SCOPE: dict[Use, Scope] = {"stream": Scope.STREAM, "media": Scope.MEDIA}


@dataclass(slots=True)
class _Ticket:
    principal: Principal
    deadline: int  # until when it may open, while nothing is open
    end: End | None = None  # how to end the stream that is open

    def is_dead(self, now: int) -> bool:
        until = self.principal.expires_at
        return (until is not None and now >= until) or (self.end is None and now > self.deadline)


class Tickets:
    """All tickets that may still open something."""

    def __init__(self) -> None:
        self._tickets: dict[str, dict[str, _Ticket]] = {}  # workspace, then the ticket's hash
        self._swept = 0

    def issue(self, principal: Principal, use: Use, now: int) -> tuple[str, int]:
        """Return a new ticket, and until when it opens.

        Raises:
            ApiError: ``missing_scope``, or ``rate_limited`` when too many are waiting.
        """
        scope = _SCOPE[use]
        if principal.kind == "ticket" or not principal.may(scope):
            raise ApiError("missing_scope", f"The credential does not have the scope {scope}.")
        self._make_room(principal.workspace, now)
        ticket = f"{principal.workspace}.{secrets.token_urlsafe(32)}"
        name = _name(ticket)
        narrowed = replace(principal, scopes=frozenset({scope}), kind="ticket", ticket=name)
        deadline = min(now + LIFE_MS, principal.expires_at or now + LIFE_MS)
        own = self._tickets.setdefault(principal.workspace, {})
        own[name] = _Ticket(narrowed, deadline)
        return ticket, deadline

    def present(self, ticket: str, now: int) -> Principal:
        """Return who holds the ticket.

        Raises:
            ApiError: ``ticket_expired``, also for what was never a ticket.
        """
        found = self._named(ticket.partition(".")[0], _name(ticket))
        if found is None or found.is_dead(now):
            raise ApiError("ticket_expired")
        return found.principal

    def opened(self, principal: Principal, end: End) -> None:
        """Note that the holder's stream is open; one that was open before is ended.

        ``end`` ends this stream when a newer one takes its place. It must not raise.
        """
        found = self._named(principal.workspace, principal.ticket)
        if found is not None:
            before, found.end = found.end, end
            if before is not None:
                before()

    def closed(self, principal: Principal, end: End, now: int) -> None:
        """Note that the stream of that ``end`` is closed: a minute to open it again begins."""
        found = self._named(principal.workspace, principal.ticket)
        if found is not None and found.end is end:
            found.end = None
            found.deadline = now + LIFE_MS

    def sweep(self, now: int) -> None:
        """Forget what can open nothing any more."""
        for workspace, own in list(self._tickets.items()):
            for name in [name for name, ticket in own.items() if ticket.is_dead(now)]:
                del own[name]
            if not own:
                del self._tickets[workspace]

    def __len__(self) -> int:
        return sum(map(len, self._tickets.values()))

    def _make_room(self, workspace: str, now: int) -> None:
        is_full = len(self._tickets.get(workspace, ())) >= CAPACITY
        if is_full or now - self._swept > LIFE_MS:
            self._swept = now
            self.sweep(now)
        if len(self._tickets.get(workspace, ())) >= CAPACITY:
            wait = {"Retry-After": str(LIFE_MS // 1000)}
            raise ApiError("rate_limited", "Too many tickets are waiting.", headers=wait)

    def _named(self, workspace: str, name: str | None) -> _Ticket | None:
        return self._tickets.get(workspace, {}).get(name) if name else None


def _name(ticket: str) -> str:
    """Return the hash by which a ticket is kept: comparing it tells nothing about the ticket."""
    return hashlib.sha256(ticket.encode(errors="replace")).hexdigest()[:32]
