"""Who works in the workspace, as what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from daemon.auth.principal import Principal
from daemon.errors import ApiError
from daemon.metadata.models import Member, Role
from daemon.metadata.port import Change
from daemon.services.abilities import ROLES, Ability, Standing
from daemon.services.metadata.changes import differing, given, gone, limited
from daemon.services.metadata.core import Core
from sessions.ids import check_session

#: Of a workspace; they are held in memory.
MOST = 5000


class MemberChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be different."""

    role: Role | UnsetType = UNSET
    name: str | UnsetType | None = UNSET
    permissions: dict[str, Any] | UnsetType = UNSET
    sessions: tuple[str, ...] | UnsetType | None = UNSET
    active: bool | UnsetType = UNSET


class Members:
    """The use cases on members."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def all(self, who: Principal) -> list[Member]:
        """Return the members."""
        self._core.require(who, Ability.VIEW)
        return self._core.index.members(who.workspace)

    async def put(
        self, who: Principal, user: str, wanted: MemberChange, expected: int | None
    ) -> Member:
        """Add a member, or set all of one anew."""
        fresh = Member(workspace=who.workspace, user=user, **given(wanted))
        if self._core.index.member(who.workspace, user) is None:
            count = len(self._core.index.members(who.workspace))
            limited(self._core.index, who.workspace, count, MOST, "members")

        def after(current: Member | None) -> Member:
            if current is None:
                return fresh
            return replace(
                current,
                role=fresh.role,
                name=fresh.name,
                permissions=fresh.permissions,
                sessions=fresh.sessions,
                active=fresh.active,
            )

        return await self._set(who, user, after, expected)

    async def change(
        self, who: Principal, user: str, wanted: MemberChange, expected: int | None
    ) -> Member:
        """Change some of a member."""

        def after(current: Member | None) -> Member:
            return replace(_found(current), **given(wanted))

        return await self._set(who, user, after, expected)

    async def delete(self, who: Principal, user: str, expected: int | None) -> None:
        """Remove a member."""
        standing, visible = self._core.require(who, Ability.MANAGE_MEMBERS), who.sessions

        def make(current: Member | None) -> Change:
            member = _found(current)
            _check_owner(standing, member.role)
            _check_shows(None, visible)  # to be no member is to see all that the scopes open
            change = gone(member, standing.actor, "member_removed", self._core.clock)
            return change._replace(data={"user": user, "role": member.role})

        await self._core.change(Member, who.workspace, (user,), expected, make)

    async def _set(
        self,
        who: Principal,
        user: str,
        choose: Callable[[Member | None], Member],
        expected: int | None,
    ) -> Member:
        standing = self._core.require(who, Ability.MANAGE_MEMBERS)

        def make(current: Member | None) -> Change | None:
            after = choose(current)
            _check(standing, self._core.visible(who), current, after)
            if current is None:
                data: dict[str, object] = {"user": user, "role": after.role}
                return Change(replace(after, actor=standing.actor), "member_added", data=data)
            change = differing(current, after, standing.actor, "member_changed")
            return change and change._replace(data={"user": user, **change.data})

        return _found(await self._core.change(Member, who.workspace, (user,), expected, make))


def _found(member: Member | None) -> Member:
    if member is None:
        raise ApiError("member_not_found")
    return member


def _check(
    standing: Standing, visible: frozenset[str] | None, before: Member | None, after: Member
) -> None:
    """Refuse to touch an owner, or to give what one does not have oneself."""
    if before is not None:
        _check_owner(standing, before.role)
    _check_owner(standing, after.role)
    for session in after.sessions or ():
        check_session(session)
    had = frozenset[Ability]() if before is None else ROLES[before.role] | _added(before)
    beyond = (ROLES[after.role] | _added(after)) - had - standing.abilities()
    if beyond:
        raise ApiError("missing_ability", f"You cannot give {min(beyond)}: you do not have it.")
    if before is None or before.sessions != after.sessions:
        _check_shows(after.sessions, visible)


def _check_shows(sessions: tuple[str, ...] | None, visible: frozenset[str] | None) -> None:
    """Refuse to let somebody see sessions (None: all) that are not visible to oneself."""
    if visible is not None and (sessions is None or not visible.issuperset(sessions)):
        raise ApiError("missing_ability", "You cannot show sessions that you do not see.")


def _check_owner(standing: Standing, role: Role) -> None:
    if role is Role.OWNER and not standing.may(Ability.MANAGE_OWNERS):
        raise ApiError("missing_ability", f"This needs the ability {Ability.MANAGE_OWNERS}.")


def _added(member: Member) -> set[Ability]:
    """Return what the permissions add somewhere; raise ``invalid_value`` for what they cannot say."""
    permissions = dict(member.permissions)
    of_sessions = permissions.pop("sessions", {})
    if not isinstance(of_sessions, dict):
        raise ApiError("invalid_value", "permissions.sessions is an object by session.")
    added: set[Ability] = set()
    for session in of_sessions:
        check_session(session)
    for given_there in (permissions, *of_sessions.values()):
        if not isinstance(given_there, dict):
            raise ApiError("invalid_value", "permissions of a session are an object.")
        for name, value in given_there.items():
            if name not in set(Ability) or not isinstance(value, bool):
                raise ApiError("invalid_value", f"There is no permission {name[:60]!r}.")
            if value:
                added.add(Ability(name))
    return added
