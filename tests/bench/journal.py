"""What a killed worker loses, and what the journal that keeps the rest costs.

A worker with the real core is killed (SIGKILL) again and again while a loopback WhatsApp sends
messages to it, through the session manager as the daemon uses it. *Lost* is what the server
sent and no stream was ever told: it was in the engine's channel, or decrypted on its way
there. What the journal has arrives: twice and out of order must be 0.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from bisect import bisect_right
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from sessions.models import ProviderName
from sessions.provider.neonize import codes, journal
from sessions.provider.neonize.journal_file import FILES
from sessions.worker.governor import Pace
from sessions.worker.supervisor import Plan
from tests.loopback.nodes import Attribute, Node
from tests.loopback.phone import Phone
from tests.loopback.server import LoopbackWhatsApp
from tests.support.engine import Engine, plan, running

UNGOVERNED = Pace(per_second=1e6, spawns_per_second=1e6, most=10**6)
QUIET = 3.0  # seconds without a message: nothing comes any more
STUMBLING = 1000  # messages about an unknown value
PATIENCE = 60.0  # for all of a run


class Loss(NamedTuple):
    """What became of ``sent`` messages: lost ones by kill, and those the server was told of."""

    sent: int
    per_kill: list[int]
    acknowledged: int
    twice: int
    out_of_order: int
    seconds: float


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--stumbles", type=int, default=3, help="unknown values, one a run")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--check", action="store_true", help="exit 1 if the journal lost any")


def run(options: argparse.Namespace) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        sample = Path(folder) / "sample"
        calm = asyncio.run(_measure(Path(folder) / "calm", options.messages, 0, sample))
        loss = asyncio.run(_measure(Path(folder) / "killed", options.messages, options.kills))
        stumbles = [
            asyncio.run(_measure(Path(folder) / f"stumbled{turn}", STUMBLING, stumbles=True))
            for turn in range(options.stumbles)
        ]
        costs = _costs(sample)
    _print(calm, loss, stumbles, costs)
    if options.json:
        lost = [sum(each.per_kill) for each in stumbles]
        figures = {"calm": calm._asdict(), "loss": loss._asdict(), "stumbles": lost, **costs}
        options.json.write_text(json.dumps(figures))
    if options.check and (loss.twice or loss.out_of_order or sum(calm.per_kill)):
        sys.exit(1)


async def _measure(
    stores: Path,
    count: int,
    kills: int = 0,
    sample: Path | None = None,
    *,
    stumbles: bool = False,
) -> Loss:
    """Send ``count`` messages and kill the worker ``kills`` times, evenly spread over them.

    ``stumbles`` puts a receipt of a kind that the library cannot encode in their midst;
    ``sample`` gets a message as the journal has it.
    """
    async with LoopbackWhatsApp() as whatsapp, running(stores, _plan(whatsapp)) as engine:
        phone = whatsapp.phone("5511900000001", lid="100000000000001")
        alice = whatsapp.contact("5511999990001", lid="200000000000002", name="Alice")
        await _pair(engine, phone)
        told = _Told(engine)
        nodes = alice.encrypt_texts(phone, map(str, range(count)))
        begun = asyncio.get_running_loop().time()
        reached = []
        about: dict[str, Attribute] = {"from": alice.lid_jid, "id": "X", "t": "1"}
        unknown = [Node("receipt", {**about, "type": "server-error"})] if stumbles else []
        middle = count // 3
        all_nodes = [*nodes[:middle], *unknown, *nodes[middle:]]
        sending = asyncio.get_running_loop().create_task(phone.deliver(all_nodes))
        for kill in range(1, kills + 1):
            await told.beyond(kill * count // (kills + 1))
            reached.append(told.numbers[-1])
            await _kill(engine)
        if sample is not None:
            await told.beyond(count // 2)
            sample.write_bytes(_journaled(stores))
        await told.quiet()
        await asyncio.gather(sending, return_exceptions=True)
        seconds = told.newest - begun
        return _loss(nodes, told.numbers, reached, phone.acked, seconds)


async def _kill(engine: Engine) -> None:
    """Kill the worker; return when another is there."""
    pid = engine.pid()
    os.kill(pid, signal.SIGKILL)
    while engine.pid() == pid:
        await asyncio.sleep(0.01)


def _plan(whatsapp: LoopbackWhatsApp) -> Plan:
    return plan(whatsapp.worker_command(), pace=UNGOVERNED)


async def _pair(engine: Engine, phone: Phone) -> None:
    lifecycle = engine.manager.lifecycle
    live = await lifecycle.create("w", "s1", "", ProviderName.WHATSAPP)
    lifecycle.start(live)
    async with asyncio.timeout(PATIENCE):
        while live.qr is None:
            await asyncio.sleep(0.01)
        await phone.scan(live.qr.qr)
        await phone.connected()
        while not live.is_connected:
            await asyncio.sleep(0.01)


class _Told:
    """The numbers that the messages say, in the order in which streams were told."""

    def __init__(self, engine: Engine) -> None:
        self.numbers: list[int] = []
        self.newest = asyncio.get_running_loop().time()
        engine.sink.inside = lambda event: self._take(event.type, event.data)
        engine.sink.events = _Nothing()

    def _take(self, kind: str, data: bytes) -> None:
        if kind == "new_message":
            self.numbers.append(int(json.loads(data)["text"]))
            self.newest = asyncio.get_running_loop().time()

    async def beyond(self, number: int) -> None:
        """Wait until a message with a higher number was told."""
        async with asyncio.timeout(PATIENCE):
            while not self.numbers or self.numbers[-1] < number:
                await asyncio.sleep(0.002)

    async def quiet(self) -> None:
        """Wait until nothing is told any more."""
        loop = asyncio.get_running_loop()
        while loop.time() - self.newest < QUIET:
            await asyncio.sleep(0.05)


class _Nothing(list[Any]):
    """A list that stays empty: ten thousand events need not be kept twice."""

    def append(self, _: object) -> None:
        """Forget it."""


def _loss(
    nodes: list[Node], told: list[int], reached: list[int], acked: set[str], seconds: float
) -> Loss:
    missing = sorted(set(range(len(nodes))) - set(told))
    by_kill = Counter(max(0, bisect_right(reached, number) - 1) for number in missing)
    return Loss(
        sent=len(nodes),
        per_kill=[by_kill[kill] for kill in range(max(1, len(reached)))],
        acknowledged=sum(nodes[number].text("id") in acked for number in missing),
        twice=len(told) - len(set(told)),
        out_of_order=sum(after < before for before, after in pairwise(told)),
        seconds=seconds,
    )


def _journaled(stores: Path) -> bytes:
    """Return a message as the journal has it."""
    for file in (store / name for store in stores.iterdir() for name in FILES):
        for record in journal.read(file.read_bytes() if file.exists() else b""):
            if record.code == codes.MESSAGE:
                return record.data
    raise AssertionError("no message is in the journal")


def _costs(sample: Path) -> dict[str, Any]:
    """Return microseconds an append and a decoding take, from a process that may load the core."""
    command = [sys.executable, "-m", "tests.bench.journal_costs", str(sample)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _print(calm: Loss, loss: Loss, stumbles: list[Loss], costs: dict[str, Any]) -> None:
    lines = [
        f"messages a second without a kill      {calm.sent / calm.seconds:10.0f}",
        f"lost without a kill                   {sum(calm.per_kill):10d}",
        f"messages, kills                       {loss.sent:10d}, {len(loss.per_kill)}",
        f"sent, never journaled: all            {sum(loss.per_kill):10d}",
        f"  of them acknowledged to the server  {loss.acknowledged:10d}",
        f"  by kill                             {loss.per_kill}",
        f"  median a kill                       {statistics.median(loss.per_kill):10.1f}",
        f"  most in one                         {max(loss.per_kill):10d}",
        f"lost around an unknown value, by run  {[sum(each.per_kill) for each in stumbles]}",
        f"told twice, out of order              {loss.twice:10d}, {loss.out_of_order}",
        f"an append (of {costs['bytes']} bytes)             {costs['append_us']:10.1f} µs",
        f"parsing and decoding the same         {costs['decode_us']:10.1f} µs",
        f"an append ÷ decoding                  {costs['append_us'] / costs['decode_us']:10.2f}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
