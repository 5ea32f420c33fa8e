from __future__ import annotations

import pytest

from daemon.hub.interest import EVERYTHING, NOTHING, Filter, admits

CHAT = "a:551199@s.whatsapp.net"


@pytest.mark.parametrize(
    ("filter_", "expected"),
    [
        (Filter(), True),
        (Filter(sessions=frozenset({"a"})), True),
        (Filter(sessions=frozenset({"b"})), False),
        (Filter(chats=frozenset({CHAT})), True),
        (Filter(chats=frozenset({"a:1@g.us"})), False),
        (Filter(types=frozenset({"typing", "new_message"})), True),
        (Filter(types=frozenset({"typing"})), False),
        (Filter(sessions=frozenset({"b"}), chats=frozenset({CHAT})), False),
        (Filter(sessions=frozenset()), False),
    ],
)
def test_all_three_must_admit(filter_: Filter, *, expected: bool) -> None:
    """None is everything, an empty set nothing."""
    assert expected == filter_.admits("new_message", "a", CHAT)


def test_a_chat_filter_admits_the_state_of_the_chats_line() -> None:
    """And no other session's, and no other event of the session."""
    filter_ = Filter(chats=frozenset({CHAT}))
    assert filter_.admits("connection_status", "a", None)
    assert not filter_.admits("connection_status", "b", None)
    assert not filter_.admits("qr", "a", None)


def test_one_of_several_filters_is_enough() -> None:
    """And none of none."""
    both = frozenset({Filter(sessions=frozenset({"b"})), Filter(types=frozenset({"qr"}))})
    assert admits(both, "qr", "a", None)
    assert admits(EVERYTHING, "qr", None, None)
    assert not admits(NOTHING, "qr", "a", None)
