"""What the journal costs, and what an unknown value loses although it is there.

A worker with the real core gets messages from a loopback WhatsApp, through the session manager
as the daemon uses it: undisturbed, then with one receipt in their midst whose kind the library
cannot encode, which ends its callback loop. *Lost* is what the server sent and no stream was
ever told. What a killed worker loses is measured by ``crash``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from sessions.models import ProviderName
from sessions.provider.neonize import codes, journal
from sessions.provider.neonize.journal_file import FILES
from sessions.worker.governor import Pace
from sessions.worker.supervisor import Plan
from tests.bench.figures import Figure, Report, at_most
from tests.loopback.nodes import Attribute, Node
from tests.loopback.phone import Phone
from tests.loopback.server import LoopbackWhatsApp
from tests.support.engine import Engine, plan, running

UNGOVERNED = Pace(per_second=1e6, spawns_per_second=1e6, most=10**6)
QUIET = 3.0  # seconds without a message: nothing comes any more
STUMBLING = 1000  # messages about an unknown value
PATIENCE = 60.0  # for all of a run


class Loss(NamedTuple):
    """What became of ``sent`` messages."""

    sent: int
    lost: int
    twice: int
    seconds: float


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--stumbles", type=int, default=3, help="unknown values, one a run")


def run(options: argparse.Namespace) -> Report:
    """Measure."""
    with tempfile.TemporaryDirectory() as folder:
        sample = Path(folder) / "sample"
        calm = asyncio.run(_measure(Path(folder) / "calm", options.messages, sample))
        stumbles = [
            asyncio.run(_measure(Path(folder) / f"stumbled{turn}", STUMBLING, stumbles=True))
            for turn in range(options.stumbles)
        ]
        costs = _costs(sample)
    return _report(calm, stumbles, costs)


async def _measure(
    stores: Path,
    count: int,
    sample: Path | None = None,
    *,
    stumbles: bool = False,
) -> Loss:
    """Send ``count`` messages.

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
        about: dict[str, Attribute] = {"from": alice.lid_jid, "id": "X", "t": "1"}
        unknown = [Node("receipt", {**about, "type": "server-error"})] if stumbles else []
        middle = count // 3
        all_nodes = [*nodes[:middle], *unknown, *nodes[middle:]]
        sending = asyncio.get_running_loop().create_task(phone.deliver(all_nodes))
        if sample is not None:
            await told.beyond(count // 2)
            sample.write_bytes(_journaled(stores))
        await told.quiet()
        await asyncio.gather(sending, return_exceptions=True)
        came = set(told.numbers)
        return Loss(count, count - len(came), len(told.numbers) - len(came), told.newest - begun)


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


def _report(calm: Loss, stumbles: list[Loss], costs: dict[str, Any]) -> Report:
    append, decode, none = costs["append_us"], costs["decode_us"], at_most(0)
    figures = [
        Figure("messages a second", [calm.sent / calm.seconds]),
        Figure("lost undisturbed", [calm.lost], goal=none),
        Figure("told twice", [calm.twice + sum(each.twice for each in stumbles)], goal=none),
        Figure("lost around an unknown value, by run", [each.lost for each in stumbles]),
        Figure(f"an append of {costs['bytes']} bytes", [append], "µs"),
        Figure("parsing and decoding the same", [decode], "µs"),
        Figure("an append ÷ decoding", [append / decode], "×"),
    ]
    return Report(f"{calm.sent} messages through the journal", figures)
