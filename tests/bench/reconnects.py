"""What stays behind when sessions are started, stopped and reconnected a thousand times.

The real core on the loopback WhatsApp, in the real daemon. Each time, side by side: the server
cuts one session's line and the core logs in again; another session is stopped and started in a
worker that lives on; and, each tenth time, a third is stopped with its worker and started in a
new one. All a person's doing goes through the API. What the daemon and its workers hold is read
from ``/proc`` after the warm-up and a hundred times on the way.

Each start of a session leaves two or three open files and some memory in its process (the core
never closes its database), so a worker that lives on grows until it is renewed: its memory is a
saw. Its peaks in the second half of the run must not be above those of the first. A time takes
half a second here, so workers may be renewed after a minute, not ten as in a service.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.bench.figures import Figure, Report, at_least, at_most
from tests.bench.rig import Rig, phones, serving
from tests.loopback.phone import Phone
from tests.loopback.server import LoopbackWhatsApp
from tests.support.waiting import eventually

PAGE = os.sysconf("SC_PAGE_SIZE")
MIB = 1024 * 1024
STEPS = 100  # looks after the warm-up
RESPAWN_EVERY = 10
PATIENCE = 60.0  # seconds for one login
REST = 0.5  # seconds for what ends in the background before anything is counted
SETTINGS = {
    "ZAPD_SESSIONS_PER_WORKER": "2",  # the third session has a worker of its own
    "ZAPD_STARTS_PER_SECOND": "1000",
    "ZAPD_RING_EVENTS": "64",  # full after the warm-up: what it keeps by design is no growth
}
DROPPED, RESTARTED, RESPAWNED = "s1", "s2", "s3"
NAMES = {
    "daemon": "daemon",
    "shared": "worker that lives on",
    "alone": "worker started anew",
}


class Look(NamedTuple):
    """What a process holds; ``rss`` in bytes."""

    rss: float
    fds: float
    threads: float
    children: float


class Moment(NamedTuple):
    """What all held after so many times."""

    times: int
    daemon: Look
    shared: Look  # the worker of the first two sessions
    alone: Look  # the worker of the third


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--times", type=int, default=1000, help="after the warm-up")
    parser.add_argument("--warm-up", type=int, default=100)
    parser.add_argument("--rest", type=float, default=60, help="ZAPD_WORKER_REST_SECONDS")


def run(options: argparse.Namespace) -> Report:
    """Measure."""
    settings = SETTINGS | {"ZAPD_WORKER_REST_SECONDS": f"{options.rest:g}"}
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder), settings, options.times, options.warm_up))


async def _measure(folder: Path, settings: dict[str, str], times: int, warm_up: int) -> Report:
    loop = asyncio.get_running_loop()
    async with (
        LoopbackWhatsApp() as whatsapp,
        serving(whatsapp, folder / "data", settings) as rig,
    ):
        people = phones(whatsapp, "9", range(1, 4))
        for session, phone in people.items():  # in order: the first two share a worker
            await rig.pair({session: phone})
        await _workers(rig)
        begun = loop.time()
        await _repeat(rig, people, range(warm_up))
        moments = [await _look(rig, people, 0)]
        for step in range(STEPS):
            await _repeat(rig, people, range(step * times // STEPS, (step + 1) * times // STEPS))
            moments.append(await _look(rig, people, (step + 1) * times // STEPS))
        seconds = (loop.time() - begun) / (times + warm_up)
        renewed = sum(" is renewed: " in line for line in rig.daemon.log)
    return _report(moments, seconds, renewed)


async def _repeat(rig: Rig, people: Mapping[str, Phone], numbers: range) -> None:
    for number in numbers:
        doings = [_reconnect(rig, people), _restart(rig, RESTARTED)]
        if number % RESPAWN_EVERY == 0:
            doings.append(_restart(rig, RESPAWNED))
        await asyncio.gather(*doings)


async def _reconnect(rig: Rig, people: Mapping[str, Phone]) -> None:
    """Cut the line; return when the core is back by itself."""
    phone = people[DROPPED]
    await phone.drop()
    await phone.connected(PATIENCE)
    await rig.user.in_state(DROPPED, "connected", PATIENCE)


async def _restart(rig: Rig, session: str) -> None:
    """Stop the session and start it, as a person does."""
    await rig.user.post(f"/v1/sessions/{session}/stop")
    await rig.user.in_state(session, "disconnected", PATIENCE)
    await rig.user.post(f"/v1/sessions/{session}/start")
    await rig.user.in_state(session, "connected", PATIENCE)


async def _workers(rig: Rig) -> tuple[int, int]:
    """Return the worker of two sessions and that of one, when there are no others."""

    async def look() -> tuple[int, int] | None:
        found = {_sessions(pid): pid for pid in rig.daemon.workers()}
        return (found[2], found[1]) if found.keys() == {1, 2} else None

    return await eventually(look, PATIENCE)


def _sessions(pid: int) -> int:
    """Return of how many sessions the process has the journal open; 0 for one that ends."""
    try:
        links = [os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()]  # noqa: PTH115 - a target need not be a path
    except OSError:
        return 0
    return len({link for link in links if link.endswith("/inbound.0")})


async def _look(rig: Rig, people: Mapping[str, Phone], times: int) -> Moment:
    """Read what all hold, when all are connected and have nothing in hand."""
    await rig.all_connected(people)
    shared, alone = await _workers(rig)
    await asyncio.sleep(REST)
    return Moment(times, _held(rig.daemon.pid), _held(shared), _held(alone))


def _held(pid: int) -> Look:
    process = Path(f"/proc/{pid}")
    threads = list((process / "task").iterdir())
    children = [child for one in threads for child in (one / "children").read_text().split()]
    return Look(
        rss=int((process / "statm").read_text().split()[1]) * PAGE,
        fds=len(list((process / "fd").iterdir())),
        threads=len(threads),
        children=len(children),
    )


def _report(moments: list[Moment], seconds: float, renewed: int) -> Report:
    figures = [
        *_steady("daemon", [moment.daemon for moment in moments]),
        *_renewed("worker that lives on", [moment.shared for moment in moments]),
        *_anew("worker started anew", [moment.alone for moment in moments]),
        Figure("renewals of the one that lives on", [renewed], goal=at_least(2)),
        Figure("one time", [seconds], "s"),
    ]
    notes = [
        f"{moments[-1].times} times after the warm-up; the spread is over {len(moments)} looks.",
        "end, start: medians of the last and the first quarter of the looks;",
        "peaks: the most of the second half of them ÷ (children: -) the most of the first.",
    ]
    return Report("Starts, stops and reconnects of sessions", figures, notes)


def _steady(name: str, looks: list[Look]) -> list[Figure]:
    """Return the figures of a process that must not grow at all."""
    quarter = len(looks) // 4
    start, end = _medians(looks[:quarter]), _medians(looks[-quarter:])
    none = at_most(0)
    return [
        *_levels(name, looks),
        Figure(f"{name}: RSS, end ÷ start", [end.rss / start.rss], "×", at_most(1.05)),
        Figure(f"{name}: open files, end - start", [end.fds - start.fds], goal=none),
        Figure(f"{name}: threads, end - start", [end.threads - start.threads], goal=none),
        Figure(f"{name}: children, end - start", [end.children - start.children], goal=none),
    ]


def _anew(name: str, looks: list[Look]) -> list[Figure]:
    """Return the figures of processes that each lived for ten times at most."""
    quarter = len(looks) // 4
    start, end = _medians(looks[:quarter]), _medians(looks[-quarter:])
    flat = at_most(1.15)  # of eleven threads and two dozen files one is there or not
    return [
        *_levels(name, looks),
        Figure(f"{name}: RSS, end ÷ start", [end.rss / start.rss], "×", at_most(1.05)),
        Figure(f"{name}: open files, end ÷ start", [end.fds / start.fds], "×", flat),
        Figure(f"{name}: threads, end ÷ start", [end.threads / start.threads], "×", flat),
    ]


def _medians(looks: list[Look]) -> Look:
    return Look(*(median(values) for values in zip(*looks, strict=True)))


def _renewed(name: str, looks: list[Look]) -> list[Figure]:
    """Return the figures of a worker, which is another process when it has grown."""
    half = len(looks) // 2
    before = Look(*(max(values) for values in zip(*looks[:half], strict=True)))
    after = Look(*(max(values) for values in zip(*looks[half:], strict=True)))
    flat = at_most(1.1)
    return [
        *_levels(name, looks),
        Figure(f"{name}: RSS, peaks", [after.rss / before.rss], "×", flat),
        Figure(f"{name}: open files, peaks", [after.fds / before.fds], "×", flat),
        Figure(f"{name}: threads, peaks", [after.threads / before.threads], "×", flat),
        Figure(f"{name}: children, peaks", [after.children - before.children], goal=at_most(0)),
    ]


def _levels(name: str, looks: list[Look]) -> list[Figure]:
    return [
        Figure(f"{name}: RSS", [look.rss / MIB for look in looks], "MiB"),
        Figure(f"{name}: open files", [look.fds for look in looks]),
        Figure(f"{name}: threads", [look.threads for look in looks]),
    ]
