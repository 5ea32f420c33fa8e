"""How a loss is judged: what the engine's channel does not explain is never forgiven."""

from __future__ import annotations

from tests.bench.losses import CHANNEL, CHATS, judge


def test_nothing_lost() -> None:
    """All came, in order, once."""
    found = judge(6, range(6), [2], set(range(6)))
    assert (found.in_channel, found.past_channel) == ([0], 0)
    assert (found.acknowledged, found.twice, found.out_of_order) == (0, 0, 0)


def test_what_follows_the_last_that_was_handed_on_was_in_the_channel() -> None:
    """Killed after 2; 3 and 4 never came, and the server had been told that they did."""
    found = judge(8, [0, 1, 2, 5, 6, 7], [2], set(range(8)))
    assert (found.in_channel, found.past_channel, found.acknowledged) == ([2], 0, 2)


def test_what_the_journal_had_must_come() -> None:
    """Told up to 2, journaled up to 4: those two are not the channel's."""
    found = judge(8, [0, 1, 2, 5, 6, 7], [4], set(range(8)))
    assert (found.in_channel, found.past_channel) == ([0], 2)


def test_a_gap_behind_what_the_next_worker_told_is_no_kills() -> None:
    """Killed after 2, 3 came with the next worker, 4 did not."""
    found = judge(8, [0, 1, 2, 3, 5, 6, 7], [2], set(range(8)))
    assert (found.in_channel, found.past_channel) == ([0], 1)


def test_a_channel_holds_no_more_than_it_does() -> None:
    """One more than it holds is lost past it."""
    count = CHANNEL + 2
    found = judge(count, [0], [0], set())
    assert (found.in_channel, found.past_channel) == ([CHANNEL], 1)


def test_twice_and_out_of_order_are_counted() -> None:
    """1 comes again; within a chat, a later one comes first."""
    told = [0, 1, 1, 2, 3 + CHATS, 3]
    found = judge(0, told, [], set())
    assert (found.twice, found.out_of_order) == (1, 1)


def test_chats_have_each_their_own_order() -> None:
    """Between chats there is none."""
    assert judge(3, [2, 1, 0], [], set()).out_of_order == 0
