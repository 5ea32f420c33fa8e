"""The queue of what is to be kept: in order of arrival, each thing once, bounded in bytes.

No I/O and no clock: a value that the flusher fills on the event's path and empties behind it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from daemon.history.models import (
    Dropped,
    Moved,
    Record,
    StoredChat,
    StoredContact,
    StoredMessage,
)
from sessions.ids import ChatRef, SessionKey

_SMALL = 400  # bytes that a place without a message is taken to weigh
_PLACE = 250  # bytes of a message's place, beside what it holds
_MARKS = 9  # a session has at most one mark for each 2**9 records


class Mark(NamedTuple):
    """How far a session's journal was read when this stood last in the queue."""

    key: SessionKey
    mark: int


Asked: TypeAlias = asyncio.Future[None]
Key: TypeAlias = tuple[object, ...]
Place: TypeAlias = tuple[Callable[[], Record] | Mark | Asked, int, ChatRef | None]
"""What gives the record's newest state (a mark and somebody's flush are themselves), its bytes, and
the chat. A plain tuple: it is made for each message, on its way."""
Places: TypeAlias = list[tuple[Key, Place]]


class Waiting:
    """The queue. ``nbytes`` and ``records`` are of all that was put and not released yet."""

    def __init__(self, most_bytes: int) -> None:
        self.nbytes = 0
        self.records = 0
        self._most = most_bytes
        self._places: OrderedDict[Key, Place] = OrderedDict()
        self._era = 0  # one thing is one place only within an era: what was dropped stays so
        self._put = 0

    def __len__(self) -> int:
        """The places that were not taken."""
        return len(self._places)

    def message(
        self, chat: ChatRef, id: str, snapshot: Callable[[], StoredMessage], nbytes: int
    ) -> bool:
        """Put a message that is new or changed; False: there is no room."""
        return self._add((self._era, chat[0], id), (snapshot, nbytes + _PLACE, chat))

    def chat(self, ref: ChatRef, snapshot: Callable[[], StoredChat]) -> bool:
        """Put a chat's row that is new or changed; False: there is no room."""
        return self._add((self._era, ref), (snapshot, _SMALL, ref))

    def contact(self, contact: StoredContact) -> bool:
        """Put a contact that is new or changed; False: there is no room."""
        nbytes = _SMALL + len(contact.body)
        return self._add((self._era, *contact[:3]), (lambda: contact, nbytes, None))

    def divide(self, record: Moved | Dropped) -> None:
        """Put it, and let nothing that comes later join what came before.

        It is taken beyond the bound too: a deleted session must not come back.
        """
        self._era += 1
        self._append((self._era, "divide"), (lambda: record, _SMALL, None))

    def mark(self, key: SessionKey, mark: int) -> None:
        """Put a mark behind everything; it takes the place of a recent one of its session."""
        name = (key, self._put >> _MARKS)
        self._places[name] = (Mark(key, mark), 0, None)
        self._places.move_to_end(name)

    def ask(self, asked: Asked) -> None:
        """Put somebody's question whether all before it is in the store."""
        self._places[("asked", id(asked))] = (asked, 0, None)

    def take(self, most: int, most_bytes: int) -> Places:
        """Take the oldest places out; they weigh until they are released or given back.

        They end with no move: the row of the chat that it moves into stands right behind it, and
        counts what the old one did.
        """
        taken: Places = []
        nbytes = 0
        while self._places and (
            (len(taken) < most and nbytes < most_bytes) or taken[-1][0][-1] == "divide"
        ):
            item = self._places.popitem(last=False)
            nbytes += item[1][1]
            taken.append(item)
        return taken

    def release(self, places: Iterable[tuple[Key, Place]]) -> None:
        """Account for places that were taken and are durable."""
        for _, place in places:
            self.nbytes -= place[1]
            self.records -= callable(place[0])

    def give_back(self, places: Places) -> None:
        """Put places that were taken to the front again; what is newer of the same stands there.

        A newer mark stays where it is: it stands for what came before it.
        """
        for key, place in reversed(places):
            newer = self._places.get(key)
            if newer is None:
                self._places[key] = place
            elif isinstance(newer[0], Mark):
                continue
            else:
                self.release([(key, place)])
            self._places.move_to_end(key, last=False)

    def may_hold(self, chat: ChatRef) -> bool:
        """Tell whether there is something of the chat, or two chats that become one."""
        return any(place[2] == chat or key[-1] == "divide" for key, place in self._places.items())

    def _add(self, key: Key, place: Place) -> bool:
        old = self._places.get(key)
        if old is not None:
            self.nbytes += place[1] - old[1]
            self._places[key] = place
            return True
        if self.nbytes + place[1] > self._most:
            return False
        self._append(key, place)
        return True

    def _append(self, key: Key, place: Place) -> None:
        self._put += 1
        self.nbytes += place[1]
        self.records += 1
        self._places[key] = place
