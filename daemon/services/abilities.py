"""Who may do what with metadata: roles, and what each adds. One table, read by the reference.

Scopes come first: a route asks for its scope before a role is looked at, so no role opens what
the credential does not. A member's ``permissions`` add single abilities or take them away, for
all sessions or for one.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from daemon.auth.principal import Principal
from daemon.auth.scopes import Scope
from daemon.metadata.models import Actor, ActorKind, Member, Role


class Ability(StrEnum):
    """What a role may allow."""

    VIEW = "view"
    ASSIGN_CHATS = "assign_chats"
    SET_STATUS = "set_status"
    TAG_CHATS = "tag_chats"
    WRITE_NOTES = "write_notes"
    OWN_QUICK_REPLIES = "own_quick_replies"
    OWN_SETTINGS = "own_settings"
    TRANSFER_CHATS = "transfer_chats"
    DELETE_NOTES = "delete_notes"
    MANAGE_TAGS = "manage_tags"
    MANAGE_QUICK_REPLIES = "manage_quick_replies"
    MANAGE_SETTINGS = "manage_settings"
    MANAGE_MEMBERS = "manage_members"
    MANAGE_OWNERS = "manage_owners"


MEANING: dict[Ability, str] = {
    Ability.VIEW: "Read all metadata of the workspace.",
    Ability.ASSIGN_CHATS: "Claim, assign and release chats that are nobody's or one's own.",
    Ability.SET_STATUS: "Set a chat's status, its priority and until when it is snoozed.",
    Ability.TAG_CHATS: "Put tags on chats and take them off.",
    Ability.WRITE_NOTES: "Write notes, change and delete one's own.",
    Ability.OWN_QUICK_REPLIES: "Make, change and delete one's own quick replies.",
    Ability.OWN_SETTINGS: "Write one's own settings.",
    Ability.TRANSFER_CHATS: "Take chats from whoever has them, and release them.",
    Ability.DELETE_NOTES: "Delete anybody's notes.",
    Ability.MANAGE_TAGS: "Make, change and delete tags.",
    Ability.MANAGE_QUICK_REPLIES: "Make, change and delete everybody's quick replies.",
    Ability.MANAGE_SETTINGS: "Write the settings of the workspace, of sessions and of anybody.",
    Ability.MANAGE_MEMBERS: "Add, change and remove members, but for owners.",
    Ability.MANAGE_OWNERS: "Make somebody an owner, change and remove owners.",
}

_VIEWER = frozenset({Ability.VIEW})
_AGENT = _VIEWER | {
    Ability.ASSIGN_CHATS,
    Ability.SET_STATUS,
    Ability.TAG_CHATS,
    Ability.WRITE_NOTES,
    Ability.OWN_QUICK_REPLIES,
    Ability.OWN_SETTINGS,
}
_SUPERVISOR = _AGENT | {
    Ability.TRANSFER_CHATS,
    Ability.DELETE_NOTES,
    Ability.MANAGE_TAGS,
    Ability.MANAGE_QUICK_REPLIES,
    Ability.MANAGE_SETTINGS,
}
_ADMIN = _SUPERVISOR | {Ability.MANAGE_MEMBERS}

#: Each role has all that the ones below it have.
ROLES: dict[Role, frozenset[Ability]] = {
    Role.OWNER: frozenset(Ability),
    Role.ADMIN: _ADMIN,
    Role.SUPERVISOR: _SUPERVISOR,
    Role.AGENT: _AGENT,
    Role.VIEWER: _VIEWER,
}


class Standing(NamedTuple):
    """What a principal is in its workspace. ``member`` None: nobody wrote it down."""

    role: Role
    member: Member | None
    actor: Actor

    def abilities(self, session: str | None = None) -> frozenset[Ability]:
        """Return what is allowed; in one session, with what is said of that one."""
        allowed = ROLES[self.role]
        if self.member is None:
            return allowed
        permissions = self.member.permissions
        allowed = _changed(allowed, permissions)
        of_sessions = permissions.get("sessions")
        if session is not None and isinstance(of_sessions, dict):
            allowed = _changed(allowed, of_sessions.get(session))
        return allowed

    def may(self, ability: Ability, session: str | None = None) -> bool:
        """Tell whether the ability is there, in a session or as such."""
        return ability in self.abilities(session)


def standing(who: Principal, member: Member | None) -> Standing:
    """Return what a principal is, given its member row if there is one."""
    role = member.role if member else role_without_membership(who)
    name = (member.name if member else None) or who.subject
    kind: ActorKind = "user" if who.is_user else "gateway"
    return Standing(role, member, Actor(id=who.subject, name=name, kind=kind))


def role_without_membership(who: Principal) -> Role:
    """Return the role of who is no member: by what its credential was given."""
    if who.may(Scope.ADMIN):
        return Role.OWNER
    if who.may(Scope.METADATA):
        return Role.AGENT if who.is_user else Role.SUPERVISOR
    return Role.VIEWER


def _changed(allowed: frozenset[Ability], permissions: object) -> frozenset[Ability]:
    """Return the abilities with those that ``permissions`` adds, without those it takes away."""
    if not isinstance(permissions, dict):
        return allowed
    added = {ability for ability in Ability if permissions.get(ability.value) is True}
    taken = {ability for ability in Ability if permissions.get(ability.value) is False}
    return (allowed | added) - taken
