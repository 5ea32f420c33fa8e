"""Searches what RAM holds, newest first, in slices between which others get their turn."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import AsyncGenerator, Collection, Iterator
from contextlib import aclosing
from heapq import heappop, heappush, heapreplace
from itertools import count
from operator import attrgetter
from typing import NamedTuple

import msgspec

from daemon.history.alphabet import MARKS, Matcher
from daemon.history.models import SearchQuery
from sessions.cache.chats import ChatQuery, ChatRow
from sessions.cache.messages import Entry
from sessions.keeper import Order
from sessions.manager.memory import Memory

#: What one request looks at, in messages; one with a long text counts more.
MAX_LOOKED_AT = 10_000
_SLICE = 100  # messages, or chats, between two turns of others; about a millisecond
_LONG = 2048  # bytes that count as a message more
_CHATS = 200  # rows of the chat list that are read at once
_ORDER = attrgetter("order")
_ACTIVITY = attrgetter("updated_at")


class Hit(NamedTuple):
    """A message that has all that is asked for, as it is now."""

    entry: Entry
    order: Order
    text: str


class Looked(NamedTuple):
    """What was found, newest first; all down to ``end`` (included) was looked at, None: all."""

    hits: list[Hit]
    end: Entry | None


class _Head(msgspec.Struct):
    sender: str
    type: str
    text: str | None


_DECODER = msgspec.json.Decoder(_Head)


async def look(
    memory: Memory,
    query: SearchQuery,
    matcher: Matcher,
    below: Order | None,
    most: int,
    told: Collection[str] = (),
) -> Looked:
    """Return up to ``query.limit`` messages that stand below a place; look at some ``most``.

    ``told`` are ids of messages that are not looked for any more.
    """
    hits: list[Hit] = []
    seen = set(told)  # a chat that is joined to another meanwhile may come twice
    cost = 0
    async with aclosing(_passing(memory, query, below)) as passing:
        async for entry in passing:
            if query.since is not None and entry.at < query.since:
                break
            cost += _cost(entry)
            head = _DECODER.decode(entry.head + b"}")
            text = head.text or ""
            if entry.id not in seen and _fits(head, query) and matcher.matches(text):
                seen.add(entry.id)
                hits.append(Hit(entry, entry.order, text.translate(MARKS)))
            if len(hits) == query.limit or cost >= most:
                return Looked(hits, entry)
    return Looked(hits, None)


async def of_time(memory: Memory, query: SearchQuery, at: int) -> list[Entry]:
    """Return the messages of that millisecond, whatever they say."""
    found = []
    async with aclosing(_passing(memory, query, (at + 1, 0))) as passing:
        async for entry in passing:
            if entry.order[0] < at:
                break
            found.append(entry)
    return found


async def _passing(
    memory: Memory, query: SearchQuery, below: Order | None
) -> AsyncGenerator[Entry, None]:
    """Yield messages newest first, with turns of others between."""
    cost = 0
    for entry in _newest_first(memory, query, _upper(query, below)):
        cost += 1 if entry is None else _cost(entry)
        if cost >= _SLICE:
            cost = 0
            await asyncio.sleep(0)
        if entry is not None:
            yield entry


def _cost(entry: Entry) -> int:
    return 1 + len(entry.head) // _LONG


def _upper(query: SearchQuery, below: Order | None) -> Order | None:
    """Return the place that everything must be below."""
    if query.until is None:
        return below
    until = (max(query.until + 1, 0), 0)
    return until if below is None else min(until, below)


def _fits(head: _Head, query: SearchQuery) -> bool:
    return (query.senders is None or head.sender in query.senders) and query.type in (
        None,
        head.type,
    )


def _newest_first(
    memory: Memory, query: SearchQuery, below: Order | None
) -> Iterator[Entry | None]:
    """Yield the messages below a place, newest first; None whenever a chat was opened.

    No message of a chat is newer than its row says: a chat is opened when its turn may have come.
    Each list is as of that moment.
    """
    rows = _rows(memory, query)
    number = count()  # so that two lists are never compared
    opened: list[tuple[int, int, int, list[Entry]]] = []
    row = next(rows, None)
    while row is not None or opened:
        while row is not None and (not opened or row.updated_at >= -opened[0][0]):
            entries = _entries(memory, row, below)
            if entries:
                heappush(opened, (*_newest(entries), next(number), entries))
            row = next(rows, None)
            yield None
        if opened:
            entries = opened[0][-1]
            entry = entries.pop()
            if entries:
                heapreplace(opened, (*_newest(entries), next(number), entries))
            else:
                heappop(opened)
            yield entry


def _newest(entries: list[Entry]) -> Order:
    at, number = entries[-1].order
    return (-at, -number)


def _entries(memory: Memory, row: ChatRow, below: Order | None) -> list[Entry]:
    """Return what RAM has of a chat, oldest first; its last message may outlive the others."""
    held = memory.messages.held(row.ref)
    if row.last is not None and (not held or held[-1].order < row.last.order):
        held.append(row.last)
    return held if below is None else held[: bisect_left(held, below, key=_ORDER)]


def _rows(memory: Memory, query: SearchQuery) -> Iterator[ChatRow]:
    """Yield the rows of the chats that are asked for, newest activity first."""
    if query.chats is not None:
        rows = [row for ref in query.chats if (row := memory.chats.look(ref)) is not None]
        seen = [row for row in rows if query.sessions is None or row.ref.session in query.sessions]
        yield from sorted(seen, key=_ACTIVITY, reverse=True)
        return
    chats = ChatQuery(workspace=query.workspace, sessions=query.sessions, limit=_CHATS)
    while True:
        page = memory.chats.page(chats)
        yield from page.rows
        if page.next is None:
            return
        chats = chats._replace(after=page.next)
