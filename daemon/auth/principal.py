"""The answer to "who asks": what every route, stream and service is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from daemon.auth.scopes import Scope
from daemon.metadata.models import Role

PERSON = "person:"
"""What the ``credential`` of a browser that a member signed in begins with."""

#: What credentials of people begin with: their subject is a person, who may be a member.
_OF_USERS = ("jwt:", "supabase:", PERSON)


class Membership(NamedTuple):
    """What a principal was let in as; streams end when it is no longer that.

    ``sessions`` None: it sees all of the workspace's.
    """

    role: Role
    sessions: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Principal:
    """One authenticated caller.

    ``credential`` names what let it in (never the secret): a stream ends when that is
    revoked, and the rate limit counts by it. ``expires_at`` is milliseconds since 1970.
    ``sessions`` are those that it sees, None all of the workspace's: ask :meth:`sees`.
    ``ticket`` is the name (not the secret) of the ticket that was shown, if one was; its
    ``credential`` is its issuer's. ``membership`` is that of a user who has one.
    """

    workspace: str
    subject: str
    scopes: frozenset[Scope]
    kind: Literal["api_key", "jwt", "ticket", "cookie"]
    credential: str
    expires_at: int | None = None
    sessions: frozenset[str] | None = None
    ticket: str | None = None
    membership: Membership | None = None

    def may(self, *any_of: Scope) -> bool:
        """Tell whether one of the scopes is held (scopes are widened when they are read)."""
        return not self.scopes.isdisjoint(any_of)

    def sees(self, session: str) -> bool:
        """Tell whether the session, if there is one of that id, is there for this caller."""
        return self.sessions is None or session in self.sessions

    @property
    def is_user(self) -> bool:
        """Whether the subject names a person (else a key or the console), with a ticket too."""
        return self.credential.startswith(_OF_USERS)
