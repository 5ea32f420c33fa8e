"""A reader of one workspace: a cursor into the ring.

Replay and live are the same act, :meth:`Subscriber.take`, so there is no handover to get wrong:
each matching event is given once, in order, or the subscriber is ended as ``slow``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal

from daemon.hub.group import Batch, Channel, Framing, Place
from daemon.hub.interest import Interest
from daemon.hub.ring import Frame

#: Why a subscriber was ended: it did not keep up, its credential ended, the daemon restarts, its
#: client is gone.
EndReason = Literal["slow", "credential", "restart", "gone"]
#: Why the past that was asked for cannot be given.
ResetReason = Literal["epoch_changed", "too_old", "unknown_cursor"]

#: How many frames one step looks at, so that a sparse filter's replay never holds the loop.
SCAN = 2048


class Subscriber:
    """One reader. Made by the hub; must be closed.

    ``cursor``: all up to this offset was given or does not match. ``announced``: the offset that
    the client knows (the last frame given, or where it resumed), None before any.
    ``busy``: its transport is inside a send; set by the transport, read by the sweep.
    """

    __slots__ = (
        "__weakref__",
        "_channel",
        "_future",
        "_group",
        "_live",
        "_mark",
        "_ring",
        "_send",
        "announced",
        "busy",
        "cursor",
        "ended",
        "on_end",
        "reset",
        "taken",
    )

    def __init__(self, channel: Channel, interest: Interest, cursor: int) -> None:
        self._channel = channel
        self._ring = channel.ring
        self._group = channel.join(interest)
        self._future: asyncio.Future[None] | None = None
        self._send: Callable[[], bool] | None = None
        self._live = cursor == channel.ring.head
        self._mark = self._group.matched
        self.cursor = cursor
        self.announced: int | None = None
        self.busy = False
        self.ended: EndReason | None = None
        self.reset: ResetReason | None = None
        self.taken = 0
        """How many takes gave something; the sweep sees by it whether a send goes on."""
        self.on_end: Callable[[EndReason], None] | None = None

    @property
    def workspace(self) -> str:
        """The workspace that it reads."""
        return self._channel.workspace

    @property
    def lag(self) -> int:
        """Bytes of matching JSON published and not taken, since it first caught up; 0 before."""
        return self._group.matched - self._mark if self._live else 0

    @property
    def interest(self) -> Interest:
        """What it wants to see."""
        return self._group.interest

    @property
    def caught_up(self) -> bool:
        """Whether there is nothing left to look at."""
        return self.cursor == self._ring.head

    def take(self, framing: Framing, max_bytes: int, scan: int = SCAN) -> Any:  # noqa: ANN401 - what the framing makes
        """Return what the framing makes of the frames that follow, or None.

        Called by the subscriber's own transport. At most ``max_bytes`` of JSON (one frame at
        least) out of ``scan`` frames. None means nothing now: :meth:`wait`, or look at ``ended``.
        """
        ring, group = self._ring, self._group
        if self.cursor + 1 < ring.first:
            self._overtaken()
        if self.cursor == ring.head or self.ended:
            return None
        batch = group.batches.get(framing)
        place = (self.cursor, ring.head, max_bytes, scan)
        if batch is None or batch.place != place:
            batch = self._make(framing, place)
        self.cursor = batch.stop
        self._account(batch)
        return batch.payload

    def _account(self, batch: Batch) -> None:
        if self.cursor == self._ring.head:
            self._live, self._mark = True, self._group.matched
        elif self._live:
            self._mark += batch.size
        if batch.size:
            self.announced = batch.last
            self.taken += 1

    def _overtaken(self) -> None:
        """End as slow: the ring dropped what was not read. Jump if nothing of it matched."""
        group = self._group
        if group.since <= self.cursor and group.last_match <= self.cursor:
            self.cursor = self._ring.head
        else:
            self.end("slow")

    def _make(self, framing: Framing, place: Place) -> Batch:
        """Return the batch for this place; the group keeps a live one for the others that wait."""
        frames, stop, size = self._scan(*place[2:])
        payload = framing(frames) if frames else None
        batch = Batch(place, stop, frames[-1].offset if frames else 0, size, payload)
        if self._group.members > 1 and stop == place[1]:
            self._group.batches[framing] = batch
        return batch

    def _scan(self, max_bytes: int, scan: int) -> tuple[list[Frame], int, int]:
        """Return the matching frames that follow, the offset that was reached, and their bytes."""
        found: list[Frame] = []
        size, stop, interest = 0, self.cursor, self._group.interest
        for frame in self._ring.after(self.cursor, scan):
            if any(part.admits(frame.type, frame.session, frame.chat) for part in interest):
                if found and size + len(frame.json) > max_bytes:
                    break
                found.append(frame)
                size += len(frame.json)
            stop = frame.offset
        return found, stop, size

    def park(self, send: Callable[[], bool] | None = None) -> asyncio.Future[None] | None:
        """Return what to await until it is worth looking again, None if it is now.

        Called by the subscriber's own transport, which awaits it, before any other call. With
        ``send``, what matches meanwhile is not worth it: ``send`` takes and sends it, without
        waiting or raising, and returns whether that was all and more would be taken at once.
        """
        if self.ended or self.cursor != self._ring.head:
            return None
        self._future = asyncio.get_running_loop().create_future()
        self._send = send
        if send is None:
            self._group.waiting[self] = None
        else:
            self._group.readers[self] = None
        return self._future

    def serve(self, seen: int) -> None:
        """Send what follows without a turn of the transport's task. Called by the group."""
        if self._send is None or self._future is None or self._future.done():
            return
        self.cursor = max(self.cursor, seen)
        if not self._send():
            self._unpark()

    def _unpark(self) -> None:
        self._group.waiting.pop(self, None)
        self._group.readers.pop(self, None)
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    async def wait(self) -> None:
        """Return when it is worth looking again; at least the others had their turn."""
        parked = self.park()
        if parked is None:
            await asyncio.sleep(0)
            return
        try:
            await parked
        except asyncio.CancelledError:
            if self._group.waiting.pop(self, False) is None:  # given up, and nothing matched
                self.cursor = self._ring.head
            raise

    def wake(self, seen: int | None = None) -> None:
        """End a :meth:`wait`. Who waits has missed nothing that matches up to ``seen``.

        Without it: up to the head, or to what its group is about to hand out.
        """
        if self._future is not None and not self._future.done():
            if seen is None:
                seen = self._ring.head if self._group.due is None else self._group.due
            self.cursor = max(self.cursor, seen)
            self._unpark()

    def end(self, reason: EndReason) -> None:
        """Give nothing from now on. The first reason stays."""
        if self.ended:
            return
        self.ended = reason
        self.wake()
        if self.on_end is not None:
            self.on_end(reason)

    def want(self, interest: Interest) -> None:
        """Change what it wants, from the place where it is. Must not be called after the close."""
        self.wake()
        self._channel.leave(self._group)
        self._group = self._channel.join(interest)
        self._mark = self._group.matched

    def close(self) -> None:
        """Leave the workspace. Called once, by the hub."""
        self.end("gone")
        self._unpark()
        self._channel.leave(self._group)
