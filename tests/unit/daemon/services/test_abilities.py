from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from daemon.auth.principal import Principal
from daemon.auth.scopes import Scope, widen
from daemon.metadata.models import Member, Role
from daemon.services.abilities import MEANING, ROLES, Ability, standing

ORDER = [Role.VIEWER, Role.AGENT, Role.SUPERVISOR, Role.ADMIN, Role.OWNER]
DOCS = Path(__file__).parents[4] / "daemon" / "docs" / "metadata.md"


def who(kind: str, *scopes: Scope) -> Principal:
    """Return somebody with these scopes."""
    credential = "jwt:1" if kind == "ticket" else f"{kind}:1"  # a ticket has its issuer's
    return Principal("w", "ana", widen(frozenset(scopes)), kind, credential)  # type: ignore[arg-type]  # a literal


def test_each_role_has_what_the_one_below_has_and_more() -> None:
    """From viewer to owner, who has all."""
    for lower, higher in pairwise(ORDER):
        assert ROLES[lower] < ROLES[higher]
    assert set(ROLES) == set(Role)
    assert ROLES[Role.OWNER] == set(Ability) == set(MEANING)


@pytest.mark.parametrize(
    ("kind", "scope", "role", "actor"),
    [
        ("jwt", Scope.ADMIN, Role.OWNER, "user"),
        ("jwt", Scope.METADATA, Role.AGENT, "user"),
        ("jwt", Scope.READ, Role.VIEWER, "user"),
        ("api_key", Scope.ADMIN, Role.OWNER, "gateway"),
        ("api_key", Scope.METADATA, Role.SUPERVISOR, "gateway"),
        ("api_key", Scope.SEND, Role.VIEWER, "gateway"),
        ("cookie", Scope.METADATA, Role.SUPERVISOR, "gateway"),
        ("ticket", Scope.STREAM, Role.VIEWER, "user"),
    ],
)
def test_who_is_no_member_has_the_role_of_the_credential(
    kind: str, scope: Scope, role: Role, actor: str
) -> None:
    """By its scopes and its kind."""
    found = standing(who(kind, scope), None)
    assert (found.role, found.actor.kind, found.actor.id) == (role, actor, "ana")


def test_permissions_add_and_take_away() -> None:
    """For all sessions, then for one; words that are no abilities do nothing."""
    permissions = {
        "manage_tags": True,
        "write_notes": False,
        "fly": True,
        "sessions": {"s1": {"write_notes": True, "tag_chats": False}, "s2": "x"},
    }
    member = Member(workspace="w", user="ana", name="Ana", permissions=permissions)
    found = standing(who("jwt", Scope.METADATA), member)
    everywhere = ROLES[Role.AGENT] | {Ability.MANAGE_TAGS}
    assert found.abilities() == everywhere - {Ability.WRITE_NOTES}
    assert found.abilities("s1") == everywhere - {Ability.TAG_CHATS}
    assert found.abilities("s2") == found.abilities()
    assert found.may(Ability.WRITE_NOTES, "s1")
    assert found.actor.name == "Ana"


def test_the_reference_has_the_table() -> None:
    """One row an ability, a cross for each role that has it."""
    page = DOCS.read_text()
    for ability in Ability:
        crosses = " | ".join("x" if ability in ROLES[role] else "" for role in ORDER)
        assert f"| `{ability}` | {crosses} | {MEANING[ability]} |" in page
