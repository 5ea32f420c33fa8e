"""Whether every page reads the same with little memory as with much, and as it was written.

A past of a million messages in 5,000 chats is read whole, three times: by a daemon that may hold
64 MiB, by one that may hold 6 GiB while its memory fills, and when it is filled. Every page of
every chat, of the list of chats and of the contacts is compared with the same page of the first
reading, and with what was written: each message once, byte for byte, in its place.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import httpx
import msgspec

from tests.bench.figures import Figure, Report, at_most
from tests.bench.past import serial_of
from tests.bench.remembered import Remembered, filled, remember, what_is_back
from tests.bench.use import MB, cpu_seconds, pss
from tests.bench.written import Page, Written, get_pages
from tests.support.daemon import Daemon, User

CHATS, CONTACTS = "/v1/chats", "/v1/contacts"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--chats", type=int, default=5000)
    parser.add_argument("--small", default="64MiB", help="the memory of the first life")
    parser.add_argument("--large", default="6GiB", help="the memory of the second")
    parser.add_argument("--limit", type=int, default=200, help="items of a page")
    parser.add_argument("--connections", type=int, default=8, help="pages asked for at once")


def run(options: argparse.Namespace) -> Report:
    """Measure."""
    with tempfile.TemporaryDirectory() as folder:
        read = asyncio.run(_measure(Path(folder) / "data", options))
    title = f"Every page of {options.messages:,} messages in {options.chats:,} chats"
    took = [figure for one in read for figure in one.figures()]
    return Report(
        title, [*judged([one.reading for one in read]), *took], [one.note for one in read]
    )


class Reading:
    """All pages as they were read once, and how they stand to what was written."""

    def __init__(self, written: Written) -> None:
        """Hold what is read against ``written``."""
        self._written = written
        self._seen = bytearray(written.count + 1)  # how often, by serial; 255 at most
        #: The digests of each list's pages.
        self.pages: dict[str, list[int]] = {}
        self.wrong = 0
        self.strange = 0

    def take(self, path: str, page: Page, *, is_right: bool) -> None:
        """Note a page of any list."""
        self.pages.setdefault(path, []).append(page.whole())
        self.wrong += not (is_right and page.evicted_before is None)

    def count(self, page: Page) -> None:
        """Count the messages of a page, by our ids."""
        for item in page.items:
            serial = serial_of(_named.decode(item).id)
            if serial is None or not 0 < serial < len(self._seen):
                self.strange += 1
            else:
                self._seen[serial] = min(self._seen[serial] + 1, 255)

    @property
    def missing(self) -> int:
        """How many of the written messages were on no page."""
        return self._seen.count(0) - 1  # no serial is 0

    @property
    def twice(self) -> int:
        """How often a message was on a page again."""
        return sum(self._seen) - (self._written.count - self.missing)

    def total(self) -> int:
        """Return how many pages there were."""
        return sum(map(len, self.pages.values()))


class _Named(msgspec.Struct):
    id: str


_named = msgspec.json.Decoder(_Named)


def differing(one: Reading, other: Reading) -> int:
    """Return how many pages are not the same in both, or only in one of them."""
    return sum(
        a != b
        for path in one.pages.keys() | other.pages.keys()
        for a, b in zip_longest(one.pages.get(path, ()), other.pages.get(path, ()))
    )


class _Read(NamedTuple):
    """A reading; seconds and the daemon's seconds of a processor; what it held after it (MB)."""

    name: str
    reading: Reading
    seconds: float
    cpu: float
    resident: float
    filled: str

    @property
    def note(self) -> str:
        """Say what was in RAM by then."""
        return f"{self.name}, {self.seconds:.1f} s: {self.filled or 'nothing is back yet'}"

    def figures(self) -> list[Figure]:
        """Return what it took."""
        pages = self.reading.total()
        return [
            Figure(f"pages read, {self.name}", [pages / self.seconds], "a second"),
            Figure(f"processor time a page, {self.name}", [self.cpu / pages * 1000], "ms"),
            Figure(f"memory of the daemon, {self.name}", [self.resident], "MB"),
        ]


async def _measure(data: Path, options: argparse.Namespace) -> list[_Read]:
    made = await remember(data, options.messages, options.chats)
    read = []
    async with made.daemon(ZAPD_MEMORY_BUDGET=options.small) as small:
        await filled(small)
        read.append(await _read(small, made, options.small, options))
    async with made.daemon(ZAPD_MEMORY_BUDGET=options.large) as large:
        read.append(await _read(large, made, f"{options.large} while it fills", options))
        await filled(large)
        read.append(await _read(large, made, options.large, options))
    return read


async def _read(daemon: Daemon, made: Remembered, name: str, options: argparse.Namespace) -> _Read:
    """Read all there is."""
    reading, written = Reading(made.written), made.written
    turns = asyncio.Semaphore(options.connections)
    begun, cpu = time.perf_counter(), cpu_seconds([daemon.pid])
    async with User(daemon.base, made.key) as user, asyncio.TaskGroup() as tasks:
        tasks.create_task(_chats(user.http, reading, written, options.limit))
        tasks.create_task(_contacts(user.http, reading, written, options.limit))
        for chat in sorted(written.chats()):  # in no order in which the memory is filled
            tasks.create_task(_messages(user.http, reading, written, chat, options.limit, turns))
    seconds = time.perf_counter() - begun
    cpu = cpu_seconds([daemon.pid]) - cpu
    return _Read(name, reading, seconds, cpu, pss([daemon.pid]) / MB, what_is_back(daemon))


async def _messages(
    http: httpx.AsyncClient,
    reading: Reading,
    written: Written,
    chat: str,
    limit: int,
    turns: asyncio.Semaphore,
) -> None:
    path = f"{CHATS}/{chat}/messages"
    async with turns:
        right, at = written.messages(chat), 0
        async for page in get_pages(http, path, limit):
            reading.take(path, page, is_right=page.digests() == right[at : at + limit])
            reading.count(page)
            at += limit
            if at > len(right) + limit:
                return  # a cursor that leads in a circle


async def _chats(http: httpx.AsyncClient, reading: Reading, written: Written, limit: int) -> None:
    right, at = written.chats(), 0
    async for page in get_pages(http, CHATS, limit):
        reading.take(CHATS, page, is_right=written.are_rows(right[at : at + limit], page))
        at += limit
        if at > len(right) + limit:
            return
    reading.wrong += at < len(right)


async def _contacts(
    http: httpx.AsyncClient, reading: Reading, written: Written, limit: int
) -> None:
    right, at = written.contacts(), 0
    async for page in get_pages(http, CONTACTS, limit):
        reading.take(CONTACTS, page, is_right=page.digests() == right[at : at + limit])
        at += limit
        if at > len(right) + limit:
            return
    reading.wrong += at < len(right)


def judged(read: Sequence[Reading]) -> list[Figure]:
    """Return what must be none, over all readings together."""

    def none(name: str, values: Iterable[int]) -> Figure:
        return Figure(name, [sum(values)], "", at_most(0))

    return [
        Figure("pages of a reading", [one.total() for one in read]),
        none("pages that differ from the first reading's", (differing(read[0], r) for r in read)),
        none("pages that are not what was written", (one.wrong for one in read)),
        none("messages missing", (one.missing for one in read)),
        none("messages twice", (one.twice for one in read)),
        none("messages that nobody wrote", (one.strange for one in read)),
    ]
