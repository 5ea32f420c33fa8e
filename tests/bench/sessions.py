"""What paired sessions weigh, and how long they take to start: ours beside Baileys.

The real core on the loopback WhatsApp, in so many worker processes as each packing needs; the
same number of Baileys sessions in one process, and in a process each. Memory is PSS over all
processes of a side, after each session was given some messages and a pause. Every life begins
with sessions that are paired already, and its start is timed from the first exec until the last
session is connected.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from daemon.config import Settings
from tests.bench.baileys.gateway import Gateway, Setup
from tests.bench.figures import Figure, Report, at_most, ratio
from tests.bench.rig import Rig, phones, serving
from tests.bench.use import MB, pss
from tests.loopback.contact import Contact
from tests.loopback.phone import Phone
from tests.loopback.server import LoopbackWhatsApp

TEXTS = 20  # to each session, so that what they load by use is loaded
SETTLE = 3.0  # seconds from the last acknowledgement to the measurement
PATIENCE = 60.0
POLL = 0.01
DEFAULT = Settings.from_env({}, {}).sessions_per_worker

ONE, EACH = "Baileys, one process for all", "Baileys, a process each"


class Life(NamedTuple):
    """One start of so many sessions."""

    pss: int  # bytes over all processes
    processes: int
    seconds: float  # until all were connected
    recovery: float = 0.0  # seconds from a worker's death until all were connected again


_Samples: TypeAlias = dict[tuple[str, int], list[Life]]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 10, 50])
    parser.add_argument("--packings", type=int, nargs="+", default=[1, 5, 10, 25])
    parser.add_argument("--rounds", type=int, default=3)


def run(options: argparse.Namespace) -> Report:
    """Measure."""
    packings = sorted({*options.packings, DEFAULT})
    counts = sorted(set(options.counts))
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(_measure(Path(folder), counts, packings, options.rounds))
    return _report(found, counts, packings)


async def _measure(
    folder: Path, counts: Iterable[int], packings: Iterable[int], rounds: int
) -> _Samples:
    samples: _Samples = defaultdict(list)
    async with LoopbackWhatsApp() as whatsapp:
        ours, theirs = Ours(whatsapp, folder / "zapd"), Theirs(whatsapp, folder / "baileys")
        empty = await ours.empty(rounds)
        for count in counts:
            await ours.grow(count)
            await theirs.grow(count)
            for _ in range(rounds):
                for packing in packings:
                    samples[_ours(packing), count].append(await ours.live(packing))
                samples[ONE, count].append(await theirs.live(together=True))
                samples[EACH, count].append(await theirs.live(together=False))
    samples["empty", 0] = empty
    return samples


class Ours:
    """The daemon, one life after the other on one data directory."""

    def __init__(self, whatsapp: LoopbackWhatsApp, data: Path) -> None:
        """Begin with no session."""
        self._whatsapp = whatsapp
        self._data = data
        self._key: str | None = None
        self._phones: dict[str, Phone] = {}
        self._contact = whatsapp.contact("5521999990001", lid="200000000000001", name="Ana")

    async def empty(self, rounds: int) -> list[Life]:
        """Measure lives without a session."""
        async with serving(self._whatsapp, self._data) as rig:
            self._key = rig.user.key
        return [await self.live(DEFAULT) for _ in range(rounds)]

    async def grow(self, count: int) -> None:
        """Pair until there are so many sessions."""
        more = phones(self._whatsapp, "1", range(len(self._phones), count))
        async with serving(self._whatsapp, self._data, key=self._key) as rig:
            await rig.all_connected(self._phones)
            await rig.pair(more)
        self._phones |= more

    async def live(self, packing: int) -> Life:
        """Start all sessions with so many in a worker; measure; end."""
        settings = {"ZAPD_SESSIONS_PER_WORKER": str(packing)}
        begun = time.monotonic()
        async with serving(self._whatsapp, self._data, settings, self._key) as rig:
            await rig.all_connected(self._phones)
            seconds = time.monotonic() - begun
            await _use(self._contact, self._phones)
            pids = [rig.daemon.pid, *rig.daemon.workers()]
            taken = pss(pids)
            return Life(taken, len(pids), seconds, await self._recovery(rig))

    async def _recovery(self, rig: Rig) -> float:
        """Kill the first worker, which is as full as any; return the seconds until all is well."""
        if not self._phones:
            return 0.0
        begun = time.monotonic()
        os.kill(min(rig.daemon.workers()), signal.SIGKILL)
        async with asyncio.timeout(PATIENCE):
            while self._all_online():
                await asyncio.sleep(POLL)
            while not self._all_online():
                await asyncio.sleep(POLL)
        await rig.all_connected(self._phones)
        return time.monotonic() - begun

    def _all_online(self) -> bool:
        return all(phone.online for phone in self._phones.values())


class Theirs:
    """Baileys, one life after the other on one folder of keys."""

    def __init__(self, whatsapp: LoopbackWhatsApp, folder: Path) -> None:
        """Begin with no session."""
        self._whatsapp = whatsapp
        self._folder = folder
        self._phones: dict[str, Phone] = {}
        self._contact = whatsapp.contact("5521999990002", lid="200000000000002", name="Bia")

    async def grow(self, count: int) -> None:
        """Pair until there are so many sessions."""
        more = phones(self._whatsapp, "2", range(len(self._phones), count))
        gateway = await self._start(more)
        await gateway.all_open(len(more))
        await asyncio.gather(*(phone.connected(PATIENCE) for phone in more.values()))
        await asyncio.sleep(SETTLE)  # its keys are being written, and nothing says when they are
        await gateway.end()
        self._phones |= more

    async def live(self, *, together: bool) -> Life:
        """Start all sessions, in one process or in one each; measure; end."""
        shares = [self._phones] if together else [{n: p} for n, p in self._phones.items()]
        begun = time.monotonic()
        gateways = [await self._start(share) for share in shares]
        try:
            for gateway, share in zip(gateways, shares, strict=True):
                await gateway.all_open(len(share))
            seconds = time.monotonic() - begun
            await _use(self._contact, self._phones)
            for gateway in gateways:
                await gateway.collect()
            return Life(pss(gateway.pid for gateway in gateways), len(gateways), seconds)
        finally:
            for gateway in gateways:
                await gateway.end()

    async def _start(self, share: Mapping[str, Phone]) -> Gateway:
        return await Gateway.start(self._whatsapp, Setup(list(share), self._folder), share)


async def _use(contact: Contact, of: Mapping[str, Phone]) -> None:
    """Give each session its messages, and all a pause."""
    for phone in of.values():
        await phone.connected(PATIENCE)
        nodes = contact.encrypt_texts(phone, map(str, range(TEXTS)))
        await phone.deliver(nodes)
        sent = {node.text("id") for node in nodes}
        await phone.until(lambda sent=sent, phone=phone: sent <= phone.acked, PATIENCE)  # type: ignore[misc]  # mypy takes the defaults for parameters
    await asyncio.sleep(SETTLE)


def _ours(packing: int) -> str:
    return f"zapd, {packing} a worker" + (" (default)" if packing == DEFAULT else "")


def _report(samples: _Samples, counts: list[int], packings: list[int]) -> Report:
    most = counts[-1]
    sides = [*map(_ours, packings), ONE, EACH]
    empty = _memory("zapd without a session", samples["empty", 0])
    figures = [empty]
    figures += [
        _memory(f"{side}: {count} sessions, {samples[side, count][0].processes} processes", lives)
        for count in counts
        for side in sides
        for lives in [samples[side, count]]
    ]
    shares = {side: _share(side, samples[side, most], most) for side in sides}
    figures += [shares[side] for side in sides]
    figures.append(_added(samples[_ours(DEFAULT), most], empty, most))
    figures.append(
        ratio("default ÷ a process each", shares[_ours(DEFAULT)], shares[EACH], at_most(0.12))
    )
    figures.append(ratio("default ÷ one process for all", shares[_ours(DEFAULT)], shares[ONE]))
    figures += [_start(side, samples[side, most], most) for side in sides]
    figures += [
        Figure(f"{side}: a worker killed, all back", [life.recovery for life in lives], "s")
        for side in map(_ours, packings)
        for lives in [samples[side, most]]
    ]
    notes = [
        f"Memory is PSS; a MB is 10⁶ bytes. {TEXTS} texts to each session, then {SETTLE:g} s; then",
        "Baileys collects its garbage, and all is measured. Start: from the first exec until the",
        "last session is connected.",
    ]
    return Report(f"{most} paired sessions on a loopback WhatsApp", figures, notes)


def _memory(name: str, lives: list[Life]) -> Figure:
    return Figure(name, [life.pss / MB for life in lives], "MB")


def _share(side: str, lives: list[Life], count: int) -> Figure:
    values = [life.pss / MB / count for life in lives]
    goal = at_most(12) if side == _ours(DEFAULT) else None
    return Figure(f"{side}: all processes ÷ {count}", values, "MB", goal)


def _added(lives: list[Life], empty: Figure, count: int) -> Figure:
    added = [(life.pss / MB - empty.median) / count for life in lives]
    return Figure(f"default: what a session of {count} adds", added, "MB")


def _start(side: str, lives: list[Life], count: int) -> Figure:
    goal = at_most(15) if side == _ours(DEFAULT) else None
    return Figure(f"{side}: start of {count}", [life.seconds for life in lives], "s", goal)
