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
        (Filter(visible=frozenset({"a"})), True),
        (Filter(visible=frozenset({"b"})), False),
        (Filter(visible=frozenset()), False),
        (Filter(sessions=frozenset({"a"}), visible=frozenset({"b"})), False),
        (Filter(chats=frozenset({CHAT}), visible=frozenset({"b"})), False),
    ],
)
def test_all_four_must_admit(filter_: Filter, *, expected: bool) -> None:
    """None is everything, an empty set nothing."""
    assert expected == filter_.admits("new_message", "a", CHAT)


def test_a_chat_filter_admits_the_state_of_the_chats_line() -> None:
    """And no other session's, and no other event of the session."""
    filter_ = Filter(chats=frozenset({CHAT}))
    assert filter_.admits("connection_status", "a", None)
    assert not filter_.admits("connection_status", "b", None)
    assert not filter_.admits("qr", "a", None)


def test_what_is_of_no_session_is_visible_to_all() -> None:
    """The workspace's tags, for example; a filter by sessions leaves it out all the same."""
    nothing: frozenset[str] = frozenset()
    assert Filter(visible=nothing).admits("tag_updated", None, None)
    assert not Filter(sessions=frozenset({"a"}), visible=nothing).admits("tag_updated", None, None)
    line = Filter(chats=frozenset({CHAT}), visible=nothing)
    assert not line.admits("connection_status", "a", None)


def test_one_of_several_filters_is_enough() -> None:
    """And none of none."""
    both = frozenset({Filter(sessions=frozenset({"b"})), Filter(types=frozenset({"qr"}))})
    assert admits(both, "qr", "a", None)
    assert admits(EVERYTHING, "qr", None, None)
    assert not admits(NOTHING, "qr", "a", None)
