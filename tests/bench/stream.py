"""Deliveries a second and latency of many SSE streams, beside Node's socket.io in the same run.

Both are whole servers: ours is the daemon with its authentication and four kinds of filters,
theirs socket.io behind a token, one room, WebSocket only. In both, the server's own process
publishes events of 400 bytes. The load, a C program with one epoll, has another core than the
server; it counts each event that arrives, and how late by the time that the event carries.
Rounds take turns; an event lost or told too often ends the run.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from tests.bench import cores, npm
from tests.bench.child import Child, child
from tests.bench.figures import Figure, Report, at_least, at_most, ratio

SOURCE = Path(__file__).with_name("stream_load.c")
TOKEN = "a-token-of-the-benchmark"
#: Four filters that admit what is published, so that the streams fall into four groups.
CHAT = "main:5511999990000@s.whatsapp.net"
TARGETS = (
    "/v1/events?types=new_message",
    "/v1/events?session=main&types=new_message,message_ack",
    f"/v1/events?chat={CHAT}",
    f"/v1/events?session=main&chat={CHAT}&types=new_message",
)
WARM_UP = 0.5  # seconds
SETTLE = 20.0  # seconds until the last delivery has come


class Sample(NamedTuple):
    """One round of one server: flat out, then at the steady rate (latencies in ms)."""

    rate: float
    cpu_us: float
    p50: float
    p99: float
    steady_cpu_us: float


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--steady", type=int, default=20_000, help="deliveries a second")


def run(options: argparse.Namespace) -> Report:
    """Measure in turns."""
    options.load = os.getloadavg()[0]
    peer = npm.install(Path(__file__).with_name("peers")) / "socketio.mjs"
    load = _compiled()
    ours, theirs = asyncio.run(_rounds(options, load, peer))
    return _report(options, ours, theirs)


def _compiled() -> Path:
    """Return the load client, built when its source is newer."""
    npm.CACHE.mkdir(parents=True, exist_ok=True)
    program = npm.CACHE / "stream_load"
    if not program.exists() or program.stat().st_mtime < SOURCE.stat().st_mtime:
        command = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(program), str(SOURCE)]
        subprocess.run(command, check=True)
    return program


async def _rounds(
    options: argparse.Namespace, load: Path, peer: Path
) -> tuple[list[Sample], list[Sample]]:
    ours: list[Sample] = []
    theirs: list[Sample] = []
    for number in range(options.rounds):
        turns = [
            (ours, _zapd(load, options.streams)),
            (theirs, _socketio(load, peer, options.streams)),
        ]
        for samples, pair in turns if number % 2 == 0 else reversed(turns):
            async with pair as (server, client):
                samples.append(await _measure(server, client, options))
    return ours, theirs


@asynccontextmanager
async def _zapd(load: Path, streams: int) -> AsyncIterator[tuple[Child, Child]]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.bench.stream_server", f"{folder}/data"]
        async with child(command, cores.MEASURED) as server:
            at = await server.hear()
            where = ("sse", at["port"], streams, at["key"], *TARGETS)
            async with _load(load, where) as client:
                yield server, client


@asynccontextmanager
async def _socketio(load: Path, peer: Path, streams: int) -> AsyncIterator[tuple[Child, Child]]:
    async with child(["node", str(peer), TOKEN], cores.MEASURED) as server:
        at = await server.hear()
        target = "/socket.io/?EIO=4&transport=websocket"
        async with _load(load, ("socketio", at["port"], streams, TOKEN, target)) as client:
            yield server, client


@asynccontextmanager
async def _load(program: Path, where: Sequence[str | int]) -> AsyncIterator[Child]:
    async with child([str(program), *map(str, where)], cores.LOAD) as client:
        await client.hear()  # all are connected
        yield client


async def _measure(server: Child, client: Child, options: argparse.Namespace) -> Sample:
    streams, events = options.streams, options.steady / options.streams
    await _told(server, client, f"burst {WARM_UP}", streams)
    burst = await _told(server, client, f"burst {options.seconds}", streams)
    steady = await _told(server, client, f"steady {options.seconds} {events}", streams)
    return Sample(
        rate=burst["count"] / (burst["nanoseconds"] / 1e9),
        cpu_us=burst["cpu"] / burst["count"] * 1e6,
        p50=steady["p50"] / 1000,
        p99=steady["p99"] / 1000,
        steady_cpu_us=steady["cpu"] / steady["count"] * 1e6,
    )


async def _told(server: Child, client: Child, order: str, streams: int) -> dict[str, float]:
    """Let the server publish; return what both counted when every delivery has come."""
    await client.ask("reset")
    answer = await server.ask(order)
    wanted = answer["published"] * streams
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SETTLE
    counted = await client.ask("read")
    while counted["count"] < wanted and loop.time() < deadline:
        await asyncio.sleep(0.05)
        counted = await client.ask("read")
    if counted["count"] != wanted or counted["closed"]:
        raise SystemExit(f"{wanted} were sent, {counted['count']} arrived; {counted['closed']} cut")
    return {**answer, **counted}


def _report(options: argparse.Namespace, ours: list[Sample], theirs: list[Sample]) -> Report:
    def pair(what: str, field: str, unit: str) -> tuple[Figure, Figure]:
        return (
            Figure(f"zapd, {what}", [getattr(sample, field) for sample in ours], unit),
            Figure(f"socket.io, {what}", [getattr(sample, field) for sample in theirs], unit),
        )

    rates = pair("flat out", "rate", "deliveries/s")
    costs = pair("CPU a delivery, flat out", "cpu_us", "µs")
    steady = f"at {options.steady:,} deliveries/s"
    p99 = Figure(f"zapd, p99 {steady}", [s.p99 for s in ours], "ms", at_most(20))
    figures = [
        *rates,
        ratio("zapd ÷ socket.io, flat out", *rates, at_least(1.0)),
        *costs,
        ratio("zapd ÷ socket.io, CPU a delivery", *costs),
        *pair(f"p50 {steady}", "p50", "ms"),
        p99,
        Figure(f"socket.io, p99 {steady}", [s.p99 for s in theirs], "ms"),
        *pair(f"CPU a delivery {steady}", "steady_cpu_us", "µs"),
    ]
    notes = [
        "One event a write on both sides: the next is published when the last was taken.",
        f"The machine's load before was {options.load:.1f}; it needs both cores to itself.",
    ]
    title = f"{options.streams} streams, events of 400 bytes, authentication and filters on"
    return Report(title, figures, notes)
