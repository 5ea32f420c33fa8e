from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest
from msgspec.structs import replace as changed

from daemon.auth.membership import ROLE_SCOPES, Memberships, Nobody
from daemon.auth.principal import Membership, Principal
from daemon.auth.scopes import Scope, widen
from daemon.errors import ApiError
from daemon.metadata.index import MetadataIndex
from daemon.metadata.models import Member, Role

ANA = str(uuid4())
TOKEN = Principal("acme", "eva", frozenset({Scope.READ}), "jwt", "jwt:x:acme:eva")
USER = Principal("acme", ANA, frozenset(), "jwt", f"supabase:acme:{ANA}:key")
BROWSER = Principal("acme", ANA, frozenset(), "cookie", "person:1")
KEY = Principal("acme", "eva", frozenset({Scope.READ}), "api_key", "key:1")


def members(*rows: Member) -> Memberships:
    """Return the memberships that the rows make."""
    index = MetadataIndex(1 << 20)
    index.apply(rows)
    return Memberships(index)


def code(memberships: Memberships, who: Principal, wanted: str | None = None) -> str:
    """Return the code of the refusal."""
    with pytest.raises(ApiError) as caught:
        memberships.admit(who, wanted)
    return caught.value.code


def member(user: str = ANA, role: Role = Role.AGENT, workspace: str = "acme") -> Member:
    """Return a member."""
    return Member(workspace=workspace, user=user, role=role, version=1)


@pytest.mark.parametrize("user", [USER, BROWSER])
@pytest.mark.parametrize("role", Role)
def test_the_scopes_of_who_has_none_come_with_the_role(role: Role, user: Principal) -> None:
    """A Supabase user's token names none, nor does a link that a member signed in by."""
    who = members(member(role=role)).admit(user, None)
    assert who.scopes == widen(ROLE_SCOPES[role])
    assert who.may(Scope.READ)
    assert who.may(Scope.SEND, Scope.METADATA) == (role is not Role.VIEWER)
    assert who.may(Scope.MANAGE, Scope.ADMIN) == (role in {Role.OWNER, Role.ADMIN})
    assert who.membership == Membership(role, None)


def test_a_role_never_widens_the_scopes_of_a_token() -> None:
    """An owner whose token may read, reads."""
    who = members(member("eva", Role.OWNER)).admit(TOKEN, None)
    assert who.scopes == {Scope.READ}
    ticket = replace(USER, kind="ticket", scopes=frozenset({Scope.STREAM}))
    assert members(member(role=Role.OWNER)).admit(ticket, None).scopes == {Scope.STREAM}


def test_the_sessions_of_a_member_are_all_that_it_sees() -> None:
    """None is all, an empty list nothing; who is no member sees all."""
    for sessions, seen in ((None, True), ((), False), (("a",), False), (("main", "a"), True)):
        row = changed(member("eva"), sessions=sessions)
        assert members(row).admit(TOKEN, None).sees("main") == seen
    assert members().admit(TOKEN, None).sees("main")


def test_only_active_members_come_in() -> None:
    """A token of the workspace's secret without a row does; who has no scopes without one not."""
    inactive = members(changed(member("eva"), active=False), changed(member(), active=False))
    assert {code(inactive, who) for who in (TOKEN, USER, BROWSER)} == {"not_a_member"}
    assert members().admit(TOKEN, None) == TOKEN
    assert {code(members(), who) for who in (USER, BROWSER)} == {"not_a_member"}
    assert code(Memberships(Nobody()), USER) == "not_a_member"
    elsewhere = members(member(workspace="beta"))
    assert code(elsewhere, USER) == "not_a_member"


def test_a_key_is_no_member_whatever_it_is_called() -> None:
    """Nor a ticket that a key gave."""
    inactive = members(changed(member("eva"), active=False, sessions=()))
    for who in (KEY, replace(KEY, kind="ticket"), replace(KEY, kind="cookie")):
        assert inactive.admit(who, None) == who
        assert inactive.unchanged(who)


def test_a_credential_opens_its_own_workspace_only() -> None:
    """Who asks for another is told nothing about it, whether it exists or not."""
    both = members(member("eva"), member("eva", workspace="beta"))
    for who in (TOKEN, KEY):
        assert both.admit(who, "acme").workspace == "acme"
        assert code(both, who, "beta") == code(both, who, "nowhere") == "not_a_member"


def test_a_user_in_several_workspaces_says_which() -> None:
    """One is meant without saying so; inactive ones do not count."""
    several = members(
        member(),
        member(workspace="beta"),
        changed(member(workspace="gone"), active=False),
        member("eva", workspace="delta"),
    )
    assert several.workspace_of(ANA, "beta") == "beta"
    with pytest.raises(ApiError) as caught:
        several.workspace_of(ANA, None)
    assert caught.value.code == "workspace_required"
    assert caught.value.members == {"workspaces": ["acme", "beta"]}
    for wanted in ("gone", "delta", "nowhere", ""):
        with pytest.raises(ApiError, match="no active member"):
            several.workspace_of(ANA, wanted)
    assert several.workspace_of("eva", None) == "delta"
    with pytest.raises(ApiError, match="no active member"):
        Memberships(Nobody()).workspace_of(ANA, None)


def test_a_change_of_role_or_sessions_is_a_change_of_who_one_is() -> None:
    """A change of the name is none."""
    index = MetadataIndex(1 << 20)
    memberships = Memberships(index)
    row = changed(member("eva"), sessions=("a", "b"))
    index.apply([row])
    who = memberships.admit(TOKEN, None)
    for same in (row, changed(row, name="Eva"), changed(row, sessions=("b", "a"))):
        index.apply([same])
        assert memberships.unchanged(who)
    for other in (
        changed(row, role=Role.VIEWER),
        changed(row, sessions=("a",)),
        changed(row, sessions=None),
        changed(row, active=False),
        changed(row, deleted_at=1),
    ):
        index.apply([other])
        assert not memberships.unchanged(who)
        index.apply([row])
        assert memberships.unchanged(who)


def test_who_becomes_a_member_was_let_in_as_something_else() -> None:
    """A stream that was open before may see too much."""
    index = MetadataIndex(1 << 20)
    memberships = Memberships(index)
    who = memberships.admit(TOKEN, None)
    assert memberships.unchanged(who)
    index.apply([changed(member("eva"), sessions=())])
    assert not memberships.unchanged(who)
