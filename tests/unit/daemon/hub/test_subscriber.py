from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from daemon.hub.group import Channel
from daemon.hub.interest import EVERYTHING, Filter
from daemon.hub.ring import Frame, Ring
from daemon.hub.subscriber import EndReason, Subscriber

A = frozenset({Filter(sessions=frozenset({"a"}))})


def offsets(frames: Sequence[Frame]) -> list[int]:
    """Frame as offsets."""
    return [frame.offset for frame in frames]


class Scene:
    """A channel that is published to by session name."""

    def __init__(self, events: int = 100) -> None:
        self.channel = Channel("acme", Ring(events, 1 << 20))

    def publish(self, *sessions: str) -> None:
        """Publish an event of ten bytes for each."""
        for session in sessions:
            self.channel.publish(
                Frame(self.channel.ring.head + 1, "new_message", session, None, b"x" * 10)
            )

    def subscriber(
        self, interest: frozenset[Filter] = EVERYTHING, after: int | None = None
    ) -> Subscriber:
        """Return a subscriber at the head or at an offset."""
        return Subscriber(
            self.channel, interest, self.channel.ring.head if after is None else after
        )


def take(subscriber: Subscriber, max_bytes: int = 1000, scan: int = 100) -> list[int] | None:
    """Take offsets."""
    taken: list[int] | None = subscriber.take(offsets, max_bytes, scan)
    return taken


def test_replay_goes_over_into_live() -> None:
    """The same cursor reads both."""
    scene = Scene()
    scene.publish("a", "a", "a")
    subscriber = scene.subscriber(after=1)
    scene.publish("a")
    assert take(subscriber) == [2, 3, 4]
    assert None is take(subscriber)
    scene.publish("a")
    assert take(subscriber) == [5]
    assert (subscriber.cursor, subscriber.announced, subscriber.taken) == (5, 5, 2)


def test_a_batch_ends_at_its_bytes_but_has_one_frame_at_least() -> None:
    """Bytes of JSON."""
    scene = Scene()
    subscriber = scene.subscriber()
    scene.publish("a", "a", "a")
    assert take(subscriber, max_bytes=25) == [1, 2]
    assert take(subscriber, max_bytes=1) == [3]


def test_a_step_looks_at_so_many_frames() -> None:
    """A sparse filter's replay is done in steps, each goes on where the last one stopped."""
    scene = Scene()
    scene.publish(*"bbbba")
    subscriber = scene.subscriber(A, after=0)
    assert None is take(subscriber, scan=3)
    assert (subscriber.cursor, subscriber.caught_up) == (3, False)
    assert take(subscriber, scan=3) == [5]


def test_lag_is_counted_once_it_caught_up() -> None:
    """In bytes that match; a replay is no lag."""
    scene = Scene()
    scene.publish("a", "a")
    subscriber = scene.subscriber(A, after=0)
    assert subscriber.lag == 0
    scene.publish("a")
    assert subscriber.lag == 0
    assert take(subscriber) == [1, 2, 3]
    scene.publish("a", "b", "a")
    assert subscriber.lag == 20
    assert take(subscriber, max_bytes=10) == [4]
    assert subscriber.lag == 10
    take(subscriber)
    assert subscriber.lag == 0


def test_those_at_one_place_share_the_batch() -> None:
    """It is framed once for both, and again for one alone elsewhere."""
    scene = Scene()
    first, second = scene.subscriber(), scene.subscriber()
    scene.publish("a")
    batch = first.take(offsets, 1000)
    assert batch is second.take(offsets, 1000)
    scene.publish("a")
    first.take(offsets, 1000)
    scene.publish("a")
    assert take(second) == [2, 3]
    assert take(first) == [3]


def test_overtaken_means_slow() -> None:
    """What the ring dropped cannot be given: better an end than a gap."""
    scene = Scene(events=3)
    subscriber = scene.subscriber(A)
    scene.publish(*"aaaa")
    assert None is take(subscriber)
    assert subscriber.ended == "slow"
    assert None is take(subscriber)


def test_overtaken_by_what_does_not_match_is_no_loss() -> None:
    """It goes on at the head."""
    scene = Scene(events=3)
    subscriber = scene.subscriber(A)
    scene.publish(*"bbbbb")
    assert None is take(subscriber)
    assert (subscriber.ended, subscriber.cursor) == (None, 5)
    scene.publish("a")
    assert take(subscriber) == [6]


def test_the_first_reason_stays() -> None:
    """And is told once; a close after an end is no other end."""
    scene = Scene()
    subscriber = scene.subscriber()
    told: list[EndReason] = []
    subscriber.on_end = told.append
    subscriber.end("credential")
    subscriber.end("slow")
    subscriber.close()
    assert (subscriber.ended, told) == ("credential", ["credential"])


async def test_a_match_wakes_at_the_match() -> None:
    """What was published before does not match, and is not looked at again."""
    scene = Scene()
    subscriber = scene.subscriber(A)
    waiting = asyncio.ensure_future(subscriber.wait())
    await asyncio.sleep(0)
    scene.publish(*"bbba")
    await waiting
    assert subscriber.cursor == 3
    assert take(subscriber) == [4]


async def test_a_wake_from_outside_moves_to_the_head() -> None:
    """Who waits has missed nothing; a second wake changes nothing."""
    scene = Scene()
    subscriber = scene.subscriber(A)
    waiting = asyncio.ensure_future(subscriber.wait())
    await asyncio.sleep(0)
    scene.publish(*"bb")
    subscriber.wake()
    scene.publish("a")
    subscriber.wake()
    await waiting
    assert take(subscriber) == [3]


async def test_a_wait_that_is_given_up_moves_to_the_head() -> None:
    """A poll that timed out goes on from there."""
    scene = Scene()
    subscriber = scene.subscriber(A)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await subscriber.wait()
    waiting = asyncio.ensure_future(subscriber.wait())
    await asyncio.sleep(0)
    scene.publish(*"bb")
    waiting.cancel()
    await asyncio.wait([waiting])
    assert subscriber.cursor == 2


async def test_a_wait_that_is_given_up_when_it_was_woken_misses_nothing() -> None:
    """The match that woke it is still to be taken."""
    scene = Scene()
    subscriber = scene.subscriber(A)
    waiting = asyncio.ensure_future(subscriber.wait())
    await asyncio.sleep(0)
    scene.publish(*"ba")
    waiting.cancel()
    await asyncio.wait([waiting])
    assert take(subscriber) == [2]


async def test_there_is_no_wait_while_there_is_something() -> None:
    """Frames to look at, or an end."""
    scene = Scene()
    subscriber = scene.subscriber()
    scene.publish("a")
    await subscriber.wait()
    assert take(subscriber) == [1]
    subscriber.end("restart")
    await subscriber.wait()


async def test_an_end_wakes() -> None:
    """A waiting transport sees it at once."""
    subscriber = Scene().subscriber()
    waiting = asyncio.ensure_future(subscriber.wait())
    await asyncio.sleep(0)
    subscriber.end("restart")
    await waiting
    assert subscriber.ended == "restart"


async def test_another_wish_begins_at_the_place() -> None:
    """What was taken stays taken, what is wanted now follows."""
    scene = Scene()
    subscriber = scene.subscriber(A)
    waiting = asyncio.ensure_future(subscriber.wait())
    await asyncio.sleep(0)
    scene.publish(*"bb")
    subscriber.want(EVERYTHING)
    await waiting
    assert subscriber.interest == EVERYTHING
    scene.publish("b")
    assert take(subscriber) == [3]


class Connection:
    """A transport that is written to without a task: it takes and sends by itself."""

    def __init__(self, subscriber: Subscriber) -> None:
        self.subscriber = subscriber
        self.sent: list[int] = []
        self.is_full = False

    def send(self) -> bool:
        """Send what follows."""
        self.sent += take(self.subscriber) or []
        return self.subscriber.caught_up and not self.is_full


async def a_turn() -> None:
    """Let the loop call what is due."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_a_parked_reader_sends_without_its_task() -> None:
    """What is published in one go is sent in one; the task sleeps on."""
    scene = Scene()
    subscriber = scene.subscriber(A)
    connection = Connection(subscriber)
    parked = subscriber.park(connection.send)
    assert parked is not None
    scene.publish("a", "b", "a")
    assert connection.sent == []
    await a_turn()
    scene.publish("a")
    await a_turn()
    assert (connection.sent, parked.done()) == ([1, 3, 4], False)


async def test_a_full_connection_wakes_the_task_and_gets_no_more() -> None:
    """The task drains it; what is published meanwhile is there for its next take."""
    scene = Scene()
    subscriber = scene.subscriber()
    connection = Connection(subscriber)
    connection.is_full = True
    parked = subscriber.park(connection.send)
    assert parked is not None
    scene.publish("a")
    await a_turn()
    scene.publish("a")
    await a_turn()
    assert (connection.sent, parked.done(), take(subscriber)) == ([1], True, [2])


async def test_a_ping_before_the_hand_out_loses_nothing() -> None:
    """Woken between an event and its turn, the reader stands before the event, not at the head."""
    scene = Scene()
    subscriber = scene.subscriber(A)
    connection = Connection(subscriber)
    parked = subscriber.park(connection.send)
    assert parked is not None
    scene.publish("b", "a")
    subscriber.wake()
    assert (parked.done(), subscriber.cursor) == (True, 1)
    await a_turn()
    assert (connection.sent, take(subscriber)) == ([], [2])


async def test_who_parks_before_the_hand_out_of_others_is_sent_nothing_twice() -> None:
    """It has taken what the others are still owed."""
    scene = Scene()
    other, late = scene.subscriber(), scene.subscriber()
    others, lates = Connection(other), Connection(late)
    assert other.park(others.send) is not None
    scene.publish("a")
    assert take(late) == [1]
    assert late.park(lates.send) is not None
    await a_turn()
    assert (others.sent, lates.sent) == ([1], [])


async def test_a_cancelled_or_closed_reader_is_sent_nothing() -> None:
    """Its connection may be gone."""
    scene = Scene()
    cancelled, closed = scene.subscriber(), scene.subscriber()
    connections = Connection(cancelled), Connection(closed)
    parked = cancelled.park(connections[0].send)
    assert parked is not None
    assert closed.park(connections[1].send) is not None
    scene.publish("a")
    parked.cancel()
    closed.close()
    await a_turn()
    assert [connection.sent for connection in connections] == [[], []]
