"""Subscribers of one workspace that want the same, and how an event finds them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from daemon.hub.interest import Filter, Interest, admits
from daemon.hub.ring import Frame, Ring

#: How a transport turns frames into what it sends. Must be a pure function: it is called once for
#: all subscribers of a group that stand at the same place.
Framing = Callable[[Sequence[Frame]], Any]


class Waiter(Protocol):
    """What a group wakes."""

    def wake(self, seen: int) -> None:
        """Go on: nothing up to the offset ``seen`` that is unread matches."""
        ...


class Reader(Protocol):
    """What a group hands frames to without waking a task."""

    def serve(self, seen: int) -> None:
        """Send what follows; nothing up to the offset ``seen`` that is unread matches."""
        ...


#: A cursor, the ring's head, and the limits of the take: bytes, and frames to look at.
Place = tuple[int, int, int, int]


class Batch(NamedTuple):
    """What all subscribers at one place are given: frames up to ``stop``, ``size`` bytes of JSON.

    ``last`` is the offset of the last frame in it.
    """

    place: Place
    stop: int
    last: int
    size: int
    payload: Any


class Group:
    """One interest: matched once an event, however many subscribers share it.

    ``matched`` counts the JSON bytes that ever matched: a subscriber's lag is a difference.
    ``since`` is the ring's head when the group was made: from there on ``last_match`` is known.
    ``due`` is the offset before the first match that ``readers`` are still to be handed, if any.
    """

    __slots__ = (
        "batches",
        "due",
        "interest",
        "last_match",
        "matched",
        "members",
        "readers",
        "since",
        "waiting",
    )

    def __init__(self, interest: Interest, since: int) -> None:
        self.interest = interest
        self.since = since
        self.last_match = 0
        self.matched = 0
        self.members = 0
        self.waiting: dict[Waiter, None] = {}
        self.readers: dict[Reader, None] = {}
        self.due: int | None = None
        self.batches: dict[Framing, Batch] = {}

    def offer(self, frame: Frame) -> None:
        """Count the frame if it matches, and wake who waits. Called by the channel, once a frame."""
        if frame.offset == self.last_match:  # reached by two routes
            return
        if not admits(self.interest, frame.type, frame.session, frame.chat):
            return
        self.last_match = frame.offset
        self.matched += len(frame.json)
        waiting, self.waiting = self.waiting, {}
        for waiter in waiting:
            waiter.wake(frame.offset - 1)
        if self.readers and self.due is None:
            self.due = frame.offset - 1
            asyncio.get_running_loop().call_soon(self._hand_out)

    def _hand_out(self) -> None:
        """Let the readers send, in one turn of the loop: what was published in one go is one write."""
        due, self.due = self.due, None
        if due is not None:
            for reader in list(self.readers):
                reader.serve(due)


_Route = dict[str, dict[Group, None]]


class Channel:
    """One workspace: its ring and the groups that listen.

    An event is offered only to groups that named its chat or session, or named neither: what
    publishing costs grows with who is concerned, not with who is there.
    """

    __slots__ = ("_all", "_by_chat", "_by_line", "_by_session", "_groups", "ring", "workspace")

    def __init__(self, workspace: str, ring: Ring) -> None:
        self.workspace = workspace
        self.ring = ring
        self._groups: dict[Interest, Group] = {}
        self._all: dict[Group, None] = {}
        self._by_session: _Route = {}
        self._by_chat: _Route = {}
        self._by_line: _Route = {}

    def publish(self, frame: Frame) -> None:
        """Keep the frame and tell the groups that it concerns."""
        self.ring.append(frame)
        for group in self._concerned(frame):
            group.offer(frame)

    def _concerned(self, frame: Frame) -> Iterator[Group]:
        yield from self._all
        if frame.session is not None:
            yield from self._by_session.get(frame.session, ())
        if frame.chat is not None:
            yield from self._by_chat.get(frame.chat, ())
        elif frame.session is not None:
            yield from self._by_line.get(frame.session, ())

    def join(self, interest: Interest) -> Group:
        """Return the group of that interest, with one member more."""
        group = self._groups.get(interest)
        if group is None:
            group = self._groups[interest] = Group(interest, self.ring.head)
            for route, key in self._routes(interest):
                route.setdefault(key, {})[group] = None
            if any(_unrouted(part) for part in interest):
                self._all[group] = None
        group.members += 1
        return group

    def forget_past(self) -> None:
        """Drop all frames, and what was framed for those that share a place."""
        self.ring.clear()
        for group in self._groups.values():
            group.batches.clear()

    def leave(self, group: Group) -> None:
        """Take one member off, and forget the group that has none."""
        group.members -= 1
        if group.members:
            return
        del self._groups[group.interest]
        self._all.pop(group, None)
        for route, key in self._routes(group.interest):
            route.get(key, {}).pop(group, None)
            if not route.get(key):
                route.pop(key, None)

    def _routes(self, interest: Interest) -> Iterator[tuple[_Route, str]]:
        for part in interest:
            if part.chats is not None:
                yield from ((self._by_chat, chat) for chat in part.chats)
                yield from ((self._by_line, session) for session in part.lines)
            elif part.sessions is not None:
                yield from ((self._by_session, session) for session in part.sessions)


def _unrouted(part: Filter) -> bool:
    return part.chats is None and part.sessions is None
