from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import pytest

from daemon.hub.envelope import Cursor
from daemon.hub.hub import Hub, HubBounds, new_epoch
from daemon.hub.ring import Frame
from sessions.ports import Published


def event(workspace: str = "acme", data: bytes = b"{}", chat: str | None = None) -> Published:
    """Return an event."""
    return Published(workspace, "new_message", "main", chat, 0, "live", data)


def offsets(frames: Sequence[Frame]) -> list[int]:
    """Frame as offsets."""
    return [frame.offset for frame in frames]


def test_a_new_life_has_a_new_name() -> None:
    """Short, and never one with the cursor's dash."""
    assert new_epoch() != new_epoch()
    assert new_epoch().isalnum()


def test_the_head_counts_events_of_the_workspace() -> None:
    """Each workspace from 1; one that had none is at 0."""
    hub = Hub("e1")
    hub.publish(event())
    hub.publish(event())
    hub.publish(event("other"))
    assert [hub.head(name) for name in ("acme", "other", "none")] == ["e1-2", "e1-1", "e1-0"]


def test_two_workspaces_never_mix() -> None:
    """Not live, not replayed."""
    hub = Hub("e1")
    for workspace in ("acme", "other", "acme"):
        hub.publish(event(workspace, b'"%b"' % workspace.encode()))
    mine = hub.subscribe("acme", after=Cursor("e1", 0))
    hub.publish(event("other", b'"other"'))
    frames: list[Frame] = mine.take(list, 1 << 20)
    assert offsets(frames) == [1, 2]
    assert not any(b"other" in frame.json for frame in frames)


@pytest.mark.parametrize(
    ("after", "reset", "cursor"),
    [
        (None, None, 8),
        (Cursor("e1", 8), None, 8),
        (Cursor("e1", 5), None, 5),
        (Cursor("e1", 4), "too_old", 8),
        (Cursor("e1", 9), "unknown_cursor", 8),
        (Cursor("e2", 7), "epoch_changed", 8),
    ],
)
def test_the_past_is_given_whole_or_reset(
    after: Cursor | None, reset: str | None, cursor: int
) -> None:
    """The ring holds 6 to 8: after 5 is the oldest place."""
    hub = Hub("e1", HubBounds(ring_events=3))
    for _ in range(8):
        hub.publish(event())
    subscriber = hub.subscribe("acme", after=after)
    assert (reset, cursor) == (subscriber.reset, subscriber.cursor)
    assert (reset is not None) == hub.stats.resets


def test_what_cannot_be_encoded_is_counted_and_costs_no_offset(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The publisher never sees it, and its text is not in the log's line."""
    hub = Hub("e1")
    with caplog.at_level(logging.ERROR):
        hub.publish(event(chat="main:\ud800"))
    hub.publish(event())
    assert (hub.stats.refused, hub.stats.events, hub.head("acme")) == (1, 1, "e1-1")
    assert [record.message for record in caplog.records] == [
        "An event of type new_message cannot be encoded; it is lost."
    ]


def test_all_rings_keep_within_the_total_and_the_fullest_pays() -> None:
    """A workspace below its equal share loses nothing to a noisy one."""
    hub = Hub("e1", HubBounds(total_bytes=100_000))
    for _ in range(50):
        hub.publish(event("quiet"))
    for _ in range(2_000):
        hub.publish(event("noisy"))
    assert hub.stats.bytes <= 100_000
    assert hub.stats.bytes > 90_000
    quiet = hub.subscribe("quiet", after=Cursor("e1", 0))
    assert len(quiet.take(list, 1 << 20)) == 50
    assert (hub.stats.events, hub.stats.workspaces) == (2_050, 2)


def test_the_sweep_ends_who_is_over_the_bytes_inside_a_send() -> None:
    """One that is about to take is not slow, however much was published at once."""
    hub = Hub("e1", HubBounds(subscriber_bytes=1_000))
    blocked, healthy = hub.subscribe("acme"), hub.subscribe("acme")
    blocked.busy = True
    hub.publish(event(data=b'"%b"' % (b"x" * 2_000)))
    hub.sweep()
    assert (blocked.ended, healthy.ended) == ("slow", None)
    hub.unsubscribe(blocked)
    hub.unsubscribe(blocked)
    hub.unsubscribe(healthy)
    assert (hub.stats.slow, hub.stats.subscribers) == (1, 0)


def test_the_sweep_ends_a_send_that_lasts_too_long() -> None:
    """A reader that died in a quiet workspace; one that goes on, or is idle, is left alone."""
    hub = Hub("e1", HubBounds(stall_sweeps=2))
    stuck, moving, idle = (hub.subscribe("acme") for _ in range(3))
    stuck.busy = moving.busy = True
    for _ in range(3):
        hub.publish(event())
        moving.take(offsets, 1 << 20)
        hub.sweep()
    assert (stuck.ended, moving.ended, idle.ended) == ("slow", None, None)
    moving.busy = False
    hub.sweep()
    assert None is moving.ended


def test_a_close_ends_all_that_did_not_end_before() -> None:
    """The first reason stays."""
    hub = Hub("e1")
    first, other = hub.subscribe("acme"), hub.subscribe("acme")
    first.end("credential")
    hub.close("restart")
    assert (first.ended, other.ended) == ("credential", "restart")


async def test_publishing_wakes_without_waiting() -> None:
    """All that was published in one go is there in one take."""
    hub = Hub("e1")
    subscriber = hub.subscribe("acme")
    waiting = asyncio.ensure_future(subscriber.wait())
    await asyncio.sleep(0)
    for _ in range(3):
        hub.publish(event())
    await waiting
    assert subscriber.take(offsets, 1 << 20) == [1, 2, 3]
    assert hub.cursor(subscriber.cursor) == "e1-3"


def test_a_past_that_is_forgotten_is_nobodys() -> None:
    """Who reads is ended, who resumes starts anew, also from the head; another's stays."""
    hub = Hub("e1")
    for workspace in ("acme", "acme", "other"):
        hub.publish(event(workspace))
    live, other = hub.subscribe("acme"), hub.subscribe("other")
    before = hub.stats.bytes
    assert hub.forget_past("acme") == 2
    assert hub.stats.bytes == hub._channels["other"].ring.bytes < before  # noqa: SLF001 - books
    assert live.ended == "slow"
    assert other.ended is None
    for offset in (0, 1, 2):
        assert hub.subscribe("acme", after=Cursor("e1", offset)).reset == "too_old"
    hub.publish(event())
    fresh = hub.subscribe("acme", after=Cursor("e1", 3))
    assert fresh.reset is None
    assert offsets(fresh.take(list, 1 << 20)) == [4]
    assert hub.forget_past("none") == 0
