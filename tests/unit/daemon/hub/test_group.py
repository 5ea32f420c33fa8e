from __future__ import annotations

from daemon.hub.group import Channel
from daemon.hub.interest import NOTHING, Filter
from daemon.hub.ring import Frame, Ring

CHAT, OTHER = "a:1111111@s.whatsapp.net", "b:2222222@s.whatsapp.net"


def channel() -> Channel:
    """Return a channel with an empty ring."""
    return Channel("acme", Ring(100, 1 << 20))


def frame(
    offset: int, type_: str = "new_message", session: str | None = "a", chat: str | None = CHAT
) -> Frame:
    """Return an event of a chat."""
    return Frame(offset, type_, session, chat, b"{}")


def test_those_who_want_the_same_share_a_group() -> None:
    """An event is matched once, however many they are."""
    one = channel()
    wish = frozenset({Filter(sessions=frozenset({"a"}))})
    group = one.join(wish)
    assert group is one.join(wish)
    one.leave(group)
    one.publish(frame(1))
    assert (group.last_match, group.matched) == (1, 2)
    one.leave(group)
    one.publish(frame(2))
    assert group.last_match == 1
    assert group is not one.join(wish)


def test_an_event_reaches_the_groups_that_it_concerns() -> None:
    """By its chat, its session, or because they want all; once each."""
    one = channel()
    wishes = {
        "all": frozenset({Filter()}),
        "session": frozenset({Filter(sessions=frozenset({"a"}))}),
        "chat": frozenset({Filter(chats=frozenset({CHAT}))}),
        "other": frozenset({Filter(chats=frozenset({OTHER}))}),
        "type": frozenset({Filter(types=frozenset({"qr"}))}),
        "visible": frozenset({Filter(visible=frozenset({"a"}))}),
        "nothing": NOTHING,
        "both": frozenset({Filter(), Filter(chats=frozenset({CHAT}))}),
    }
    groups = {name: one.join(wish) for name, wish in wishes.items()}
    one.publish(frame(1))
    assert {"all", "session", "chat", "both", "visible"} == {
        name for name, g in groups.items() if g.last_match == 1
    }
    assert groups["both"].matched == 2
    one.publish(frame(2, "connection_status", "a", None))
    assert {"all", "session", "chat", "both", "visible"} == {
        name for name, g in groups.items() if g.last_match == 2
    }
    one.publish(frame(3, "queue_updated", None, None))
    assert {"all", "both", "visible"} == {name for name, g in groups.items() if g.last_match == 3}
    for group in groups.values():
        one.leave(group)
    one.publish(frame(4))
    assert not any(g.last_match == 4 for g in groups.values())


def test_a_chat_of_two_groups_stays_routed_when_one_leaves() -> None:
    """The other is still concerned."""
    one = channel()
    narrow = one.join(frozenset({Filter(chats=frozenset({CHAT}))}))
    wide = one.join(frozenset({Filter(chats=frozenset({CHAT, OTHER}))}))
    one.leave(narrow)
    one.publish(frame(1))
    assert (narrow.last_match, wide.last_match) == (0, 1)
