"""A start on a past of a million messages: what is served, and what is told, how soon.

A whole daemon is started on the past several times, in turns as after a restart of its own (the
history is in the system's cache of the disk) and as after one of the machine (it is not). From
before its process is made: until ``/readyz``; the list of chats; the 50 newest chats with a page
each, all of them as they were written; the first event on a stream; and until the memory is
filled. Until then a contact writes 20 times a second, and 10 times a second a page of any other
chat is asked for.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import httpx
import msgspec

from sessions.models import from_iso
from tests.bench.figures import Figure, at_most
from tests.bench.remembered import SESSIONS, Remembered, filled, remember
from tests.bench.use import MB, cpu_seconds, pss
from tests.bench.written import Written, get_page
from tests.support.daemon import Daemon, User
from tests.support.waiting import eventually

HOT = 50  # the newest chats
PAGE = 50  # messages: what the API gives unless told otherwise
AT_ONCE = 4  # pages of hot chats asked for at once
OLD = 40  # the chats that were silent for longest: their people write while the memory fills
EACH = 0.05  # seconds between two who write
GAP = 0.1  # seconds between two pages of other chats
PATIENCE = 60.0  # seconds for hot chats that are right, and for the last event
MAIN, DESK = SESSIONS


class Start(NamedTuple):
    """One start: seconds since before its process was made, where no name says another unit."""

    ready: float
    listed: float
    told: float
    hot: float
    filled: float
    late_ms: float
    latest_ms: float
    page_ms: float
    longest_page_ms: float
    cpu_seconds: float
    """The daemon's own, until its memory was filled."""
    read_mb: float
    resident_mb: float
    wrong: int
    """Answers that were not as it was written."""


async def measure(data: Path, messages: int, chats: int, starts: int) -> list[Figure]:
    """Make the past, start on it so often, in turns either way."""
    made = await remember(data, messages, chats)
    restarts, reboots = [], []
    for _ in range(starts):
        restarts.append(await _start(made))
        let_go(data)
        reboots.append(await _start(made))
    return [*figures(restarts, ""), *figures(reboots, ", machine restarted")]


def figures(starts: list[Start], name: str) -> list[Figure]:
    """Tell of starts of one kind."""

    def one(what: str, values: Iterable[float], unit: str, most: float | None = None) -> Figure:
        goal = None if most is None else at_most(most)
        return Figure(f"start{name}: {what}", list(values), unit, goal)

    return [
        one("ready", (s.ready for s in starts), "s"),
        one("list of chats served", (s.listed for s in starts), "s"),
        one("first event told", (s.told for s in starts), "s"),
        one("hot chats served", (s.hot for s in starts), "s", 10),
        one("memory filled", (s.filled for s in starts), "s"),
        one("an event meanwhile, p50", (s.late_ms for s in starts), "ms"),
        one("an event meanwhile, longest", (s.latest_ms for s in starts), "ms"),
        one("another chat's page meanwhile, p50", (s.page_ms for s in starts), "ms"),
        one("another chat's page meanwhile, longest", (s.longest_page_ms for s in starts), "ms"),
        one("processor time until then", (s.cpu_seconds for s in starts), "s"),
        one("read from the disk", (s.read_mb for s in starts), "MB"),
        one("memory of the daemon", (s.resident_mb for s in starts), "MB"),
        one("not as it was written", [sum(s.wrong for s in starts)], "answers", 0),
    ]


def let_go(folder: Path) -> None:
    """Have the system forget what it caches of the files, so that the disk is read."""
    for path in folder.rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.fsync(file)  # what is not on the disk yet would stay
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


async def _start(made: Remembered) -> Start:
    begun = perf_counter()
    async with made.daemon() as daemon, User(daemon.base, made.key) as user:
        ready = perf_counter() - begun
        look, stream = _Looks(user.http, made.written), _Stream(user.http)
        people = _People(user, stream, look)
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(stream.read())
            writing = tasks.create_task(people.write())
            visiting = tasks.create_task(_visit(look))
            listed, hot = await look.until_hot(begun)
            people.is_hot = True
            await filled(daemon)
            is_filled, cpu = perf_counter() - begun, cpu_seconds([daemon.pid])
            visiting.cancel()
            people.is_done = True
            await writing
            await people.all_told()
            reading.cancel()
        await look.hot()
        await look.chats(people.old)
        read, resident = _read_from_disk(daemon), pss([daemon.pid]) / MB
    late = people.delays()
    return Start(
        ready=ready,
        listed=listed,
        told=stream.first - begun,
        hot=hot,
        filled=is_filled,
        late_ms=statistics.median(late),
        latest_ms=max(late),
        page_ms=statistics.median(look.took),
        longest_page_ms=max(look.took),
        cpu_seconds=cpu,
        read_mb=read / MB,
        resident_mb=resident,
        wrong=look.wrong,
    )


def _read_from_disk(daemon: Daemon) -> int:
    """Return the bytes that were fetched from the disk for the process."""
    lines = Path(f"/proc/{daemon.pid}/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["read_bytes"])


class _Looks:
    """Reads chats of ``main`` and counts what is not as it was written."""

    def __init__(self, http: httpx.AsyncClient, written: Written) -> None:
        self.http = http
        self.written = written
        self.wrong = 0
        self.took: list[float] = []  # ms: pages of other chats

    async def until_hot(self, begun: float) -> tuple[float, float]:
        """Return when the list of chats was served, and when all the hot ones were."""
        listed = 0.0

        async def look() -> bool:
            nonlocal listed
            before = self.wrong
            await self.list()
            listed = listed or perf_counter() - begun
            await self.chats(self.written.chats()[:HOT])
            return self.wrong == before

        try:
            await eventually(look, PATIENCE)
        except TimeoutError:
            raise SystemExit(
                f"the hot chats are not served as they were written: {self.wrong} answers"
            ) from None
        return listed, perf_counter() - begun

    async def hot(self) -> None:
        """Look at the list of chats, and at each chat's newest page."""
        await self.list()
        await self.chats(self.written.chats()[:HOT])

    async def list(self) -> None:
        """Look at the newest chats' rows."""
        page = await get_page(self.http, "/v1/chats", session=MAIN, limit=HOT)
        self.wrong += not self.written.are_rows(self.written.chats()[:HOT], page)

    async def chats(self, chats: Iterable[str]) -> None:
        """Look at the newest page of each."""
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(chat: str) -> None:
            async with turns:
                await self.chat(chat)

        await asyncio.gather(*map(one, chats))

    async def chat(self, chat: str) -> None:
        """Look at a chat's newest page."""
        right = self.written.messages(chat)[:PAGE]
        page = await get_page(self.http, f"/v1/chats/{chat}/messages", limit=PAGE)
        self.wrong += page.digests() != right or page.evicted_before is not None


async def _visit(look: _Looks) -> None:
    """Open chats, neither the newest nor the oldest, until cancelled."""
    dice = random.Random(7)  # noqa: S311 - which chats people open
    others = look.written.chats()[HOT:-OLD]
    while True:
        await asyncio.sleep(GAP)
        begun = perf_counter()
        await look.chat(dice.choice(others))
        look.took.append((perf_counter() - begun) * 1000)


class _Envelope(msgspec.Struct):
    type: str
    data: msgspec.Raw


class _Told(msgspec.Struct):
    id: str
    chat: str
    at: str


_envelopes = msgspec.json.Decoder(_Envelope)
_messages = msgspec.json.Decoder(_Told)


class _Stream:
    """A stream of new messages: what was told, as it came, and when."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.first = 0.0
        self.told: dict[str, tuple[float, _Told, bytes]] = {}

    async def read(self) -> None:
        """Read until cancelled."""
        query = {"types": "new_message"}
        async with self._http.stream("GET", "/v1/events", params=query) as response:
            response.raise_for_status()
            async for line in response.aiter_lines():
                if line.startswith("data: "):
                    self._take(line.removeprefix("data: "))
        raise SystemExit("the daemon ended a stream")

    def _take(self, line: str) -> None:
        at = perf_counter()
        envelope = _envelopes.decode(line)
        if envelope.type != "new_message":
            return  # the stream's own
        data = bytes(envelope.data)
        message = _messages.decode(data)
        self.first = self.first or at
        self.told[message.id] = (at, message, data)


class _People:
    """Who writes while the memory is filled: to ``desk``, and from old chats to ``main``."""

    def __init__(self, user: User, stream: _Stream, look: _Looks) -> None:
        self._user = user
        self._stream = stream
        self._written = look.written
        self.old = look.written.chats()[-OLD:]
        self.is_hot = False  # before, nobody writes to main: the newest chats are looked at
        self.is_done = False
        self._asked: dict[str, float] = {}

    async def write(self) -> None:
        """Write at the rate until it is done."""
        await self._user.in_state(DESK, "connected")
        await self._user.in_state(MAIN, "connected")
        number = 0
        while not (self.is_done and number):
            number += 1
            if self.is_hot and number % 2:
                chat = self.old[number // 2 % len(self.old)]
                await self._receive(MAIN, number, chat.partition(":")[2].partition("@")[0])
            else:
                await self._receive(DESK, number, f"550088{number % 10:07d}")
            await asyncio.sleep(EACH)

    async def _receive(self, session: str, number: int, phone: str) -> None:
        body = {"from": f"+{phone}", "text": f"It is me again, for the {number}. time."}
        asked = perf_counter()
        made = await self._user.post(f"/v1/sessions/{session}/sandbox/receive", body)
        self._asked[made["id"]] = asked

    async def all_told(self) -> None:
        """Wait until the stream told all; note what it told as written."""

        async def look() -> bool:
            return self._asked.keys() <= self._stream.told.keys()

        try:
            await eventually(look, PATIENCE)
        except TimeoutError:
            lost = len(self._asked.keys() - self._stream.told.keys())
            raise SystemExit(f"{lost} of {len(self._asked)} events were never told") from None
        for _, message, data in self._stream.told.values():
            if message.chat in self.old:
                self._written.told(message.chat, from_iso(message.at), data)

    def delays(self) -> list[float]:
        """Return milliseconds from asking a contact to write until the stream told it."""
        return [(self._stream.told[id][0] - asked) * 1000 for id, asked in self._asked.items()]
