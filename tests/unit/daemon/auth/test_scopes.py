from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from daemon.auth.scopes import MEANING, Scope, known_scopes, parse_scopes, widen

SOME = st.frozensets(st.sampled_from(Scope))


def test_every_scope_has_a_meaning() -> None:
    """The table is complete."""
    assert set(MEANING) == set(Scope)


def test_a_list_is_read_with_commas_or_blanks() -> None:
    """Both forms are in use."""
    assert parse_scopes("read, send metadata") == {Scope.READ, Scope.SEND, Scope.METADATA}


def test_a_wrong_scope_is_named() -> None:
    """A person who mistypes is told."""
    with pytest.raises(ValueError, match="raed"):
        parse_scopes("raed")


def test_other_parties_scopes_are_left_out() -> None:
    """A token may carry scopes that are not ours."""
    assert known_scopes("openid read,email") == {Scope.READ}


@given(SOME, SOME)
def test_widening_is_monotonous_and_once(a: frozenset[Scope], b: frozenset[Scope]) -> None:
    """Widening adds, never removes, and a second time changes nothing."""
    assert a <= widen(a) == widen(widen(a))
    assert widen(a) | widen(b) == widen(a | b)
