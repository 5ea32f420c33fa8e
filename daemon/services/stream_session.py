"""One open stream of one client: the hub's subscriber and the stream's own events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

import orjson

from daemon.auth.principal import Principal
from daemon.hub.envelope import encode
from daemon.hub.group import Framing
from daemon.hub.hub import Hub
from daemon.hub.interest import Filter
from daemon.hub.ring import Frame
from daemon.hub.subscriber import SCAN, EndReason, Subscriber
from sessions.ports import Clock, Published


class StreamSession:
    """What a transport is given. Used as a context manager: leaving it closes the stream.

    A transport's loop is: send :meth:`own` if there is any, else :meth:`take`, else
    :meth:`wait`, until :attr:`ended`; around each send it sets ``busy``. It may set ``abort`` (cut
    the connection without waiting) and ``patience`` (seconds that a blocked send gets at an end).
    """

    __slots__ = (
        "__weakref__",
        "_closers",
        "_hub",
        "_now_ms",
        "_reaper",
        "abort",
        "due",
        "patience",
        "ping_at",
        "principal",
        "subscriber",
    )

    def __init__(
        self, hub: Hub, clock: Clock, principal: Principal, subscriber: Subscriber
    ) -> None:
        self._hub = hub
        self._now_ms = clock.now_ms
        self.due: list[Frame] = []
        """The stream's own events that are to be sent before anything else is taken."""
        self._closers: list[Callable[[], None]] = []
        self._reaper: asyncio.TimerHandle | None = None
        self.principal = principal
        self.subscriber = subscriber
        self.abort: Callable[[], None] | None = None
        self.patience = 0.0
        self.ping_at: int | None = None
        """When the next ping is due, as the heartbeat counts, which keeps it."""
        subscriber.on_end = self._ended

    @property
    def ended(self) -> EndReason | None:
        """Why nothing follows, or None while the stream lives."""
        return self.subscriber.ended

    @property
    def busy(self) -> bool:
        """Whether the transport is inside a send."""
        return self.subscriber.busy

    @busy.setter
    def busy(self, value: bool) -> None:
        self.subscriber.busy = value

    @property
    def position(self) -> str:
        """The cursor up to which all that matches was given."""
        return self._hub.cursor(self.subscriber.cursor)

    def unannounced(self) -> str | None:
        """Return the position, once, if it is past what the client knows by the events it got.

        A client that knows it does not lose events that follow a cut before its first event.
        """
        subscriber = self.subscriber
        if subscriber.announced == subscriber.cursor:
            return None
        subscriber.announced = subscriber.cursor
        return self.position

    def own(self) -> list[Frame]:
        """Return the stream's own events that are due, in order, and forget them."""
        due, self.due = self.due, []
        return due

    def take(self, framing: Framing, max_bytes: int, scan: int = SCAN) -> Any:  # noqa: ANN401 - what the framing makes
        """Return what follows, framed, or None. See :meth:`Subscriber.take`."""
        return self.subscriber.take(framing, max_bytes, scan)

    async def wait(self) -> None:
        """Return when it is worth looking again."""
        if not self.due:
            await self.subscriber.wait()

    def ping(self) -> None:
        """Queue a ``ping``: all that matches up to its ``head`` was sent. Called by the heartbeat."""
        self.subscriber.wake()
        self._say("ping", self.position)

    def _say(self, type_: str, head: str, reason: str | None = None) -> None:
        data = {"epoch": self._hub.epoch, "head": head} | ({"reason": reason} if reason else {})
        workspace, at = self.principal.workspace, self._now_ms()
        own = Published(workspace, type_, None, None, at, "live", orjson.dumps(data))
        self.show([own])

    def greet(self, states: Iterable[Published]) -> None:
        """Queue what a stream opens with. Called by the service, before anything is taken."""
        head = self._hub.head(self.principal.workspace)
        self._say("hello", head)
        if self.subscriber.reset:
            self._say("stream_reset", head, self.subscriber.reset)
        self.show(states)

    def show(self, events: Iterable[Published]) -> None:
        """Queue events that have no number."""
        for event in events:
            json = encode(event, None)
            self.due.append(Frame(0, event.type, event.session, event.chat, json))
        self.subscriber.wake()

    def want(self, filters: frozenset[Filter]) -> None:
        """Change what the stream wants to see, from here on."""
        self.subscriber.want(filters)

    def end(self, reason: EndReason) -> None:
        """End the stream. The transport tells its client why, where it can."""
        self.subscriber.end(reason)

    def _ended(self, reason: EndReason) -> None:
        """Give a blocked send its patience, then cut: it would not see the end by itself."""
        if self.busy and self.abort is not None and reason in {"slow", "credential"}:
            loop = asyncio.get_running_loop()
            self._reaper = loop.call_later(self.patience, self.abort)

    def on_close(self, closer: Callable[[], None]) -> None:
        """Call this when the stream is closed. Must not raise."""
        self._closers.append(closer)

    def close(self) -> None:
        """Leave the hub. A second call does nothing."""
        if self._reaper is not None:
            self._reaper.cancel()
        self._hub.unsubscribe(self.subscriber)
        closers, self._closers = self._closers, []
        for closer in closers:
            closer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()
