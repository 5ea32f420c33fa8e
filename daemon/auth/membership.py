"""What a user is let in as: by the member rows, asked anew at every request.

Rows are held in memory, so that a change counts at once: for requests with the next one, for
streams within a second or so (:meth:`Memberships.unchanged`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from daemon.auth.principal import PERSON, Membership, Principal
from daemon.auth.scopes import Scope, widen
from daemon.errors import ApiError
from daemon.metadata.models import Member, Role

SUPABASE = "supabase:"
"""What the ``credential`` of a Supabase user begins with."""

_READ = frozenset({Scope.READ})
_WORK = _READ | {Scope.SEND, Scope.METADATA}
_LEAD = _WORK | {Scope.MANAGE, Scope.ADMIN}

#: The scopes of whose credential names none: a Supabase user, a member who signed a browser in.
#: One table, read by the reference.
ROLE_SCOPES: dict[Role, frozenset[Scope]] = {
    Role.VIEWER: _READ,
    Role.AGENT: _WORK,
    Role.SUPERVISOR: _WORK,
    Role.ADMIN: _LEAD,
    Role.OWNER: _LEAD,
}
_WIDENED = {role: widen(scopes) for role, scopes in ROLE_SCOPES.items()}


class Directory(Protocol):
    """Who is a member of what. Must answer from memory: it is asked at every request."""

    def member(self, workspace: str, user: str) -> Member | None:
        """Return a member, an inactive one too."""
        ...

    def workspaces_of(self, user: str) -> Sequence[str]:
        """Return the workspaces that have the user as a member, an inactive one too, sorted."""
        ...


class Nobody:
    """A directory without members: of commands, which let nobody in."""

    def member(self, workspace: str, user: str) -> Member | None:
        """Return None."""
        return None

    def workspaces_of(self, user: str) -> Sequence[str]:
        """Return nothing."""
        return ()


class Memberships:
    """Lets users in as what they are, or not."""

    def __init__(self, directory: Directory) -> None:
        """Ask ``directory``."""
        self._directory = directory

    def workspace_of(self, user: str, wanted: str | None) -> str:
        """Return the workspace that a user without one in the credential asks for.

        Raises:
            ApiError: ``not_a_member``, the same for a workspace that does not exist;
                ``workspace_required`` when several could be meant.
        """
        own = [name for name in self._directory.workspaces_of(user) if self._is_in(name, user)]
        if wanted is not None:
            own = [name for name in own if name == wanted]
        if not own:
            raise ApiError("not_a_member")
        if len(own) > 1:
            raise ApiError("workspace_required", members={"workspaces": own})
        return own[0]

    def admit(self, who: Principal, wanted: str | None) -> Principal:
        """Return the principal with what its membership gives and hides.

        Who is no member stays as the credential says, but where only a membership lets in: a
        Supabase user, and a browser that was signed in as a member.

        Raises:
            ApiError: ``not_a_member``, also when ``wanted`` names another workspace.
        """
        if wanted is not None and wanted != who.workspace:
            raise ApiError("not_a_member", "This credential does not open that workspace.")
        if not who.is_user:
            return who
        by_membership = who.credential.startswith((SUPABASE, PERSON))
        member = self._directory.member(who.workspace, who.subject)
        if (by_membership and member is None) or (member is not None and not member.active):
            raise ApiError("not_a_member")
        found = _membership(member)
        scopes = who.scopes
        if by_membership and found is not None and who.kind != "ticket":
            scopes = _WIDENED[found.role]
        sessions = found.sessions if found else None
        return replace(who, scopes=scopes, sessions=sessions, membership=found)

    def unchanged(self, who: Principal) -> bool:
        """Tell whether the principal would be let in as the same now."""
        if not who.is_user:
            return True
        member = self._directory.member(who.workspace, who.subject)
        if member is not None and not member.active:
            return False
        return _membership(member) == who.membership

    def _is_in(self, workspace: str, user: str) -> bool:
        member = self._directory.member(workspace, user)
        return member is not None and member.active


def _membership(member: Member | None) -> Membership | None:
    if member is None:
        return None
    sessions = None if member.sessions is None else frozenset(member.sessions)
    return Membership(member.role, sessions)
