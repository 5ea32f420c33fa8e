"""The hub: what every event passes through, after the caches have it."""

from __future__ import annotations

import logging
import secrets
from typing import NamedTuple

from daemon.hub.envelope import Cursor, encode
from daemon.hub.group import Channel
from daemon.hub.interest import EVERYTHING, Interest
from daemon.hub.ring import Frame, Ring
from daemon.hub.subscriber import EndReason, ResetReason, Subscriber
from sessions.ports import Published

_LOG = logging.getLogger(__name__)
_TRIM_SHARE = 16  # over the total, the fullest ring gives up a sixteenth at a time


class HubBounds(NamedTuple):
    """What the hub may hold. Bytes count a frame's JSON and its overhead.

    ``ring_events`` and ``ring_bytes`` bound a workspace's ring, ``total_bytes`` all of them.
    ``subscriber_bytes``: how much may wait for a stream whose send is blocked.
    ``stall_sweeps``: how many sweeps one send may last.
    """

    ring_events: int = 16_384
    ring_bytes: int = 64 << 20
    total_bytes: int = 512 << 20
    subscriber_bytes: int = 1 << 20
    stall_sweeps: int = 15


class HubStats(NamedTuple):
    """Counts for the metrics: since start, except ``workspaces``, ``bytes`` and ``subscribers``."""

    events: int
    refused: int
    slow: int
    resets: int
    workspaces: int
    bytes: int
    subscribers: int


def new_epoch() -> str:
    """Return the name of a new life of the hub: 8 characters, never one with ``-``."""
    return secrets.token_hex(4)


class Hub:
    """All workspaces' rings and subscribers. Lives in one event loop; nothing here awaits.

    It is the engine's :class:`sessions.ports.EventSink`.
    """

    def __init__(self, epoch: str, bounds: HubBounds | None = None) -> None:
        self.epoch = epoch
        self.bounds = bounds or HubBounds()
        self._channels: dict[str, Channel] = {}
        self._subscribers: set[Subscriber] = set()
        self._stalls: dict[Subscriber, tuple[int, int]] = {}
        self._bytes = self._events = self._refused = self._slow = self._resets = 0

    def publish(self, event: Published) -> None:
        """Number, encode and keep the event, and wake whom it concerns. Never waits or raises."""
        channel = self._channel(event.workspace)
        offset = channel.ring.head + 1
        try:
            json = encode(event, Cursor(self.epoch, offset))
        except (TypeError, ValueError, OverflowError, OSError):
            self._refused += 1
            _LOG.exception("An event of type %s cannot be encoded; it is lost.", event.type)
            return
        before = channel.ring.bytes
        channel.publish(Frame(offset, event.type, event.session, event.chat, json))
        self._events += 1
        self._bytes += channel.ring.bytes - before
        if self._bytes > self.bounds.total_bytes:
            self._make_room()

    def _make_room(self) -> None:
        """Let the fullest ring drop its oldest: below its equal share no ring loses to another."""
        fullest = max((channel.ring for channel in self._channels.values()), key=lambda r: r.bytes)
        over = self._bytes - self.bounds.total_bytes
        before = fullest.bytes
        fullest.trim(before - max(over, before // _TRIM_SHARE))
        self._bytes += fullest.bytes - before

    def _channel(self, workspace: str) -> Channel:
        channel = self._channels.get(workspace)
        if channel is None:
            ring = Ring(self.bounds.ring_events, self.bounds.ring_bytes)
            channel = self._channels[workspace] = Channel(workspace, ring)
        return channel

    def head(self, workspace: str) -> str:
        """Return the cursor of the workspace's last event."""
        channel = self._channels.get(workspace)
        return str(Cursor(self.epoch, channel.ring.head if channel else 0))

    def cursor(self, offset: int) -> str:
        """Return the cursor of an offset of this life."""
        return f"{self.epoch}-{offset}"

    def subscribe(
        self,
        workspace: str,
        interest: Interest = EVERYTHING,
        after: Cursor | None = None,
    ) -> Subscriber:
        """Return a subscriber that stands at ``after``, or at the head.

        When the past after ``after`` cannot be given whole, it stands at the head and its
        ``reset`` says why. Must be given back to :meth:`unsubscribe`.
        """
        channel = self._channel(workspace)
        reset = self._reset_reason(channel.ring, after)
        resumed = after is not None and reset is None
        offset = after.offset if after is not None and resumed else channel.ring.head
        subscriber = Subscriber(channel, interest, offset)
        subscriber.reset = reset
        subscriber.announced = offset if resumed else None
        self._resets += reset is not None
        self._subscribers.add(subscriber)
        return subscriber

    def _reset_reason(self, ring: Ring, after: Cursor | None) -> ResetReason | None:
        if after is None:
            return None
        if after.epoch != self.epoch:
            return "epoch_changed"
        if after.offset > ring.head:
            return "unknown_cursor"
        return "too_old" if after.offset + 1 < ring.first else None

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Forget the subscriber. A second call does nothing."""
        if subscriber in self._subscribers:
            self._subscribers.discard(subscriber)
            self._stalls.pop(subscriber, None)
            self._slow += subscriber.ended == "slow"
            subscriber.close()

    def forget_past(self, workspace: str) -> int:
        """Drop all events of a workspace, and end its streams; return how many events those were.

        For when something in them must be nowhere any more. Whoever comes back is told to read
        anew (``too_old``), also who had missed nothing: what they read before may be gone too.
        """
        channel = self._channels.get(workspace)
        if channel is None:
            return 0
        count, before = len(channel.ring), channel.ring.bytes
        channel.forget_past()
        self._bytes += channel.ring.bytes - before
        for subscriber in list(self._subscribers):
            if subscriber.workspace == workspace:
                subscriber.end("slow")
        return count

    def sweep(self) -> None:
        """End as slow those whose blocked send lets too much wait, or lasts too long.

        Called once a second by the heartbeat. From inside, a blocked writer cannot look.
        """
        for subscriber in list(self._subscribers):
            if not subscriber.busy:
                self._stalls.pop(subscriber, None)
            elif subscriber.lag > self.bounds.subscriber_bytes or self._stalled(subscriber):
                subscriber.end("slow")

    def _stalled(self, subscriber: Subscriber) -> bool:
        taken, sweeps = self._stalls.get(subscriber, (subscriber.taken, 0))
        sweeps = sweeps + 1 if taken == subscriber.taken else 0
        self._stalls[subscriber] = (subscriber.taken, sweeps)
        return sweeps >= self.bounds.stall_sweeps

    def close(self, reason: EndReason) -> None:
        """End all subscribers."""
        for subscriber in list(self._subscribers):
            subscriber.end(reason)

    @property
    def stats(self) -> HubStats:
        """The counts of now."""
        return HubStats(
            self._events,
            self._refused,
            self._slow,
            self._resets,
            len(self._channels),
            self._bytes,
            len(self._subscribers),
        )
