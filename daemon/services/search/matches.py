"""What matched, wherever it was found, and where that stands.

A place of the store and an order of RAM are one line, but for what came in this life: RAM numbers
that by itself, above all that the store has of the same millisecond.
"""

from __future__ import annotations

from typing import NamedTuple

from daemon.history.models import Place
from sessions.cache.messages import FIRST_NUMBER
from sessions.ids import ChatRef
from sessions.keeper import Order

_LAST_PLACE = (1 << 63) - 1


class Match(NamedTuple):
    """A message as clients read it, and a snippet with marks in it."""

    order: Order
    id: str
    chat: ChatRef
    marked: str
    message: bytes


class Matches(NamedTuple):
    """Newest first; all down to ``end`` (included) was looked at, None: all."""

    found: list[Match]
    end: Order | None


def joined(one: Matches, other: Matches, limit: int) -> Matches:
    """Return what both found, down to where both have looked. No message is in both."""
    ends = [end for end in (one.end, other.end) if end is not None]
    end = max(ends) if ends else None
    both = sorted([*one.found, *other.found], reverse=True)
    found = [match for match in both if end is None or match.order >= end]
    return (
        Matches(found, end)
        if len(found) <= limit
        else Matches(found[:limit], found[limit - 1].order)
    )


def order_of(place: Place) -> Order:
    """Return a place of the store as RAM has those of messages that it read back."""
    at, number = divmod(place, FIRST_NUMBER)
    return (at, number)


def place_of(order: Order) -> Place:
    """Return the store's place: what came in this life is above all that it has of that time."""
    at, number = order
    return min(at * FIRST_NUMBER + min(number, FIRST_NUMBER), _LAST_PLACE)
