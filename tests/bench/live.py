"""How long a message takes from the scripted phone to an open stream, through the whole daemon.

A sandbox session writes at a steady rate; each message's own time (`at`, set in the worker) is
compared with when the stream had it. Beside it, in the same run: what an HTTP round trip to
`/livez` costs, since these machines are noisy, and how long the daemon takes to `/readyz`.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from sessions.models import from_iso
from tests.bench.figures import Figure, Report
from tests.support.daemon import Daemon, User


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--messages", type=int, default=2000, help="to measure")
    parser.add_argument("--per-second", type=int, default=200)


def run(options: argparse.Namespace) -> Report:
    """Measure."""
    return asyncio.run(_measure(options.messages, options.per_second))


async def _measure(messages: int, per_second: int) -> Report:
    loop = asyncio.get_running_loop()
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(Path(folder) / "data", settings={"ZAPD_RATE_LIMIT": "100000"})
        begun = loop.time()
        await daemon.start()
        ready = loop.time() - begun
        async with daemon.user() as user:
            await user.paired()
            trips = [await _trip(user) for _ in range(200)]
            delays = await _delays(user, messages, per_second)
        await daemon.end()
    share = statistics.median(delays) / statistics.median(trips)
    figures = [
        Figure("start to /readyz", [ready], "s"),
        *_percentiles("GET /livez", trips),
        *_percentiles(f"message, {per_second}/s", delays),
        Figure("message ÷ GET /livez, medians", [share], "×"),
    ]
    return Report("A message from the scripted phone to an open stream", figures)


async def _trip(user: User) -> float:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await user.http.get("/livez")
    return (loop.time() - begun) * 1000


async def _delays(user: User, messages: int, per_second: int) -> list[float]:
    """Return milliseconds from a message's own time to its arrival."""
    delays: list[float] = []
    async with user.stream(types="new_message") as stream:
        body = {"messages_per_minute": per_second * 60}
        await user.post("/v1/sessions/main/sandbox/traffic", body)
        while len(delays) < messages:
            event = await stream.next("new_message")
            now = datetime.now(UTC).timestamp() * 1000
            delays.append(now - from_iso(str(event.data["at"])))
        await user.post("/v1/sessions/main/sandbox/traffic", {"messages_per_minute": 0})
    return delays


def _percentiles(name: str, values: list[float]) -> list[Figure]:
    cut = statistics.quantiles(values, n=100)
    return [Figure(f"{name}, p50", [cut[49]], "ms"), Figure(f"{name}, p99", [cut[98]], "ms")]
