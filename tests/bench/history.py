"""What history costs: rows written a second, the loop's longest stall meanwhile, and searches.

A whole daemon tells 20 streams 200 events a second while 200,000 messages are handed to a history
beside it and written into SQLite, search index included. Beside it, in turns, the same without
anything to write: these machines stall by themselves. Then a past of a million messages is made,
and searched as people do; and a whole daemon starts on such a past.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from daemon.history.models import SearchQuery
from daemon.history.sqlite import SqliteHistory
from tests.bench import cores, history_start
from tests.bench.child import child
from tests.bench.figures import Figure, Report, at_least, at_most
from tests.bench.marks import MarkReader, read_events
from tests.bench.past import CHATS, Past

STREAMS = 20
CALM = 4.0  # seconds
BATCH = 2048
LIMIT = 20  # results of a search


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--messages", type=int, default=200_000, help="to flush, each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--per-second", type=int, default=200, help="events told meanwhile")
    parser.add_argument(
        "--past", type=int, default=1_000_000, help="messages to search in and to start on"
    )
    parser.add_argument("--searches", type=int, default=500)
    parser.add_argument("--chats", type=int, default=CHATS, help="to start on")
    parser.add_argument("--starts", type=int, default=2, help="of each kind")
    parser.add_argument("--only", choices=PARTS, help="measure no more than this")


def run(options: argparse.Namespace) -> Report:
    """Measure."""
    figures: list[Figure] = []
    for part in [options.only] if options.only else PARTS:
        with tempfile.TemporaryDirectory() as folder:
            figures += asyncio.run(PARTS[part](Path(folder) / "data", options))
    title = f"History: {options.messages:,} messages flushed, and a past of {options.past:,}"
    return Report(title, figures)


async def _flushes(data: Path, options: argparse.Namespace) -> list[Figure]:
    command = [sys.executable, "-m", "tests.bench.history_server"]
    calm: list[dict[str, float]] = []
    busy: list[dict[str, float]] = []
    # It takes all cores by itself: what writes is a thread beside the loop.
    where = [str(data), str(options.per_second)]
    async with child([*command, *where], cores.MEASURED) as server:
        at: Any = await server.hear()
        told = _Told()
        readers = [await read_events(at["port"], at["key"], told.take) for _ in range(STREAMS)]
        for _ in range(options.rounds):
            calm.append(await server.ask(f"calm {CALM}"))
            busy.append(await server.ask(f"flush {options.messages}"))
        _check(told, readers)
    rates = [each["written"] / each["seconds"] for each in busy]
    return [
        Figure("rows written, with the index", rates, "rows/s", at_least(20_000)),
        Figure("longest stall of the loop", [e["stall_ms"] for e in busy], "ms", at_most(20)),
        Figure("the same with nothing to write", [e["stall_ms"] for e in calm], "ms"),
        Figure("longest stall but for want of a core", [e["own_ms"] for e in busy], "ms"),
        Figure("that with nothing to write", [e["own_ms"] for e in calm], "ms"),
        Figure("an event's longest delay", [e["late_ms"] for e in busy], "ms"),
        Figure("the same with nothing to write ", [e["late_ms"] for e in calm], "ms"),
    ]


class _Told:
    """How many events the streams were told, all together."""

    def __init__(self) -> None:
        self.count = 0

    def take(self, line: int, number: int) -> None:
        """Count one."""
        self.count += 1


def _check(told: _Told, readers: list[MarkReader]) -> None:
    for reader in readers:
        reader.close()
    if told.count < STREAMS:
        raise SystemExit("the streams were told nothing: nothing was measured under load")


async def _searches(data: Path, options: argparse.Namespace) -> list[Figure]:
    store = await SqliteHistory.open(data)
    past = Past(2)
    spent = 0.0
    for start in range(0, options.past, BATCH):
        batch = list(past.messages(min(BATCH, options.past - start)))
        begun = time.perf_counter()
        await store.write(batch)
        spent += time.perf_counter() - begun
    await store.close()
    store = await SqliteHistory.open(data)  # its own caches are empty, the system's are not
    took: dict[str, list[float]] = {}
    found = 0
    for kind, words, chat in past.queries(options.searches):
        query = SearchQuery("acme", words, chats=(chat,) if chat else None, limit=LIMIT)
        begun = time.perf_counter()
        found += len((await store.search(query)).found)
        took.setdefault(kind, []).append((time.perf_counter() - begun) * 1000)
    await store.close()
    if found < options.searches:
        raise SystemExit(f"{options.searches} searches found {found} messages")
    every = [each for kind in took.values() for each in kind]
    size = sum(path.stat().st_size for path in data.iterdir())
    return [
        Figure("search, p50", [statistics.median(every)], "ms", at_most(20)),
        Figure("search, p99", [statistics.quantiles(every, n=100)[98]], "ms"),
        *(Figure(f"search, {kind}, p50", [statistics.median(t)], "ms") for kind, t in took.items()),
        Figure("the past, written alone", [options.past / spent], "rows/s"),
        Figure("a message on disk", [size / options.past], "bytes"),
    ]


async def _starts(data: Path, options: argparse.Namespace) -> list[Figure]:
    return await history_start.measure(data, options.past, options.chats, options.starts)


PARTS: dict[str, Callable[[Path, argparse.Namespace], Coroutine[None, None, list[Figure]]]] = {
    "flush": _flushes,
    "search": _searches,
    "start": _starts,
}
