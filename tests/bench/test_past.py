"""What is made up: the same each time, and as awkward as what a session has."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import msgspec
import pytest

from daemon.history.models import StoredMessage
from sessions.models import Message, splice
from tests.bench.past import OWN, Conversations, Past, message_id, serial_of

COUNT = 3000


@pytest.fixture(scope="module")
def talk() -> list[StoredMessage]:
    """Return what is said in twenty chats."""
    return list(Conversations(3, chats=20).messages(COUNT))


def test_the_same_seed_gives_the_same() -> None:
    """Figures of two runs are of the same past."""
    assert list(Past(2).messages(5)) == list(Past(2).messages(5))
    assert list(Past(2).messages(5)) != list(Past(3).messages(5))


def test_as_many_as_asked_for_over_several_times(talk: list[StoredMessage]) -> None:
    """Also when a row of messages is cut; none has the id of another."""
    past = Conversations(3, chats=20)
    parts = [message for _ in range(10) for message in past.messages(7)]
    assert len(talk) == COUNT
    assert [serial_of(message.id) for message in parts] == list(range(1, 71))


def test_messages_of_a_chat_share_seconds_and_come_late(talk: list[StoredMessage]) -> None:
    """As WhatsApp's do: what orders them must be more than their time."""
    second = Counter((message.chat, message.at) for message in talk)
    assert max(second.values()) > 1
    assert {message.at % 1000 for message in talk} == {0}
    assert any(later.at < earlier.at for earlier, later in pairwise(talk))


def test_a_third_are_the_accounts_own(talk: list[StoredMessage]) -> None:
    """They are found by WhatsApp's id as well."""
    own = [message for message in talk if message.from_me]
    assert 0.25 < len(own) / COUNT < 0.42
    assert {message.sender for message in own} == {OWN}
    assert all(message.sender == message.chat.jid for message in talk if not message.from_me)


def test_some_chats_have_much(talk: list[StoredMessage]) -> None:
    """The first of twenty has 4.5 times the last, in the long run."""
    said = Counter(message.chat.jid for message in talk)
    assert len(said) == 20
    assert said.most_common(1)[0][1] > 2 * min(said.values())


def test_halves_join_to_a_message(talk: list[StoredMessage]) -> None:
    """What clients are shown is a message that agrees with what is kept of it."""
    for stored in talk[:50]:
        shown = msgspec.json.decode(splice(stored.head, stored.tail), type=Message)
        assert (shown.id, shown.chat, shown.from_me) == (stored.id, stored.chat.id, stored.from_me)
        assert (shown.sender, shown.wa_id, shown.text) == (stored.sender, stored.wa_id, stored.text)


@pytest.mark.parametrize("id", ["", "m1", "m" + "x" * 25, "mUw4lVcQpnhPp5Z1lbp3kUg0mVw8"])
def test_other_ids_have_no_serial(id: str) -> None:
    """Ids of messages that were received are not taken for made up ones."""
    assert serial_of(id) is None
    assert serial_of(message_id(17)) == 17
