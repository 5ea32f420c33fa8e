"""How long a message takes from WhatsApp's frame to a client's bytes, and how many come a second.

One session of ours (real daemon, real core) and one of Baileys with socket.io, both paired with
the same loopback WhatsApp, both running all the time, measured in turns. What is measured has a
core, the load has the other: the loopback WhatsApp and the reader of both streams are one
process with one clock. Latency at a steady pace: from when the frame was written until the
stream's bytes with that message were read. Rate: so many messages, at most a window of them
under way, from the first frame to the last message read.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import uvloop

from tests.bench import cores
from tests.bench.baileys.gateway import Gateway, Keys, Setup
from tests.bench.figures import Figure, Report, at_least, at_most, ratio
from tests.bench.marks import mark, read_events, read_socket_io
from tests.bench.rig import phones, serving
from tests.bench.use import cpu_seconds
from tests.loopback.contact import Contact
from tests.loopback.nodes import Node
from tests.loopback.phone import Phone
from tests.loopback.server import LoopbackWhatsApp

CHATS = 10
PATIENCE = 60.0
ZAPD, FILES, MEMORY = "zapd", "Baileys", "Baileys, keys in memory"


class Round(NamedTuple):
    """One turn of one side."""

    p50: float  # ms
    p99: float  # ms
    rate: float  # messages a second
    cpu: float  # µs of the side's processes a message
    load: float  # share of its core that the load took meanwhile


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--per-second", type=int, default=200, help="for latency")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measure of latency")
    parser.add_argument("--messages", type=int, default=5000, help="for the rate")
    parser.add_argument("--window", type=int, default=500, help="under way at most, for the rate")


def run(options: argparse.Namespace) -> Report:
    """Measure."""
    with (
        cores.on(cores.LOAD),
        tempfile.TemporaryDirectory() as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(_measure(Path(folder), options))


async def _measure(folder: Path, options: argparse.Namespace) -> Report:
    rounds: dict[str, list[Round]] = defaultdict(list)
    async with LoopbackWhatsApp() as whatsapp:
        people = [
            whatsapp.contact(f"55219{n:08d}", lid=f"2{n:014d}", name=f"P{n}") for n in range(CHATS)
        ]
        async with (
            _zapd(whatsapp, people, folder / "zapd") as zapd,
            _baileys(whatsapp, people, folder / "baileys", "files") as files,
            _baileys(whatsapp, people, folder / "unused", "memory") as memory,
        ):
            sides = [zapd, files, memory]
            for side in sides:
                await side.rate(options.messages, options.window)  # warms up, unmeasured
            for _ in range(options.rounds):
                for side in sides:
                    rounds[side.name].append(await _turn(side, options))
    return _report(rounds, options)


async def _turn(side: Side, options: argparse.Namespace) -> Round:
    delays = await side.delays(options.per_second, options.seconds)
    cut = statistics.quantiles(delays, n=100)
    spent, own, begun = cpu_seconds(side.pids), time.process_time(), time.perf_counter()
    rate = await side.rate(options.messages, options.window)
    load = (time.process_time() - own) / (time.perf_counter() - begun)
    cpu = (cpu_seconds(side.pids) - spent) / options.messages * 1e6
    return Round(cut[49], cut[98], rate, cpu, load)


class Side:
    """A gateway with a session on the loopback, and a stream of it that is read."""

    def __init__(self, name: str, line: int, phone: Phone, people: Sequence[Contact]) -> None:
        """``line`` is in the marks of all messages to ``phone``."""
        self.name = name
        self.pids: list[int] = []
        self._line = line
        self.phone = phone
        self._people = itertools.cycle(people)
        self._numbers = itertools.count()
        self._read: dict[int, float] = {}
        self._news = asyncio.Event()

    def on_mark(self, line: int, number: int) -> None:
        """Note that a message's bytes were read now."""
        if line != self._line or number in self._read:
            raise RuntimeError(f"{self.name}: {line}-{number} came twice, or to the wrong stream")
        self._read[number] = time.perf_counter()
        self._news.set()

    async def delays(self, per_second: int, seconds: float) -> list[float]:
        """Send at a steady pace; return milliseconds from each frame to its bytes."""
        written = {}
        numbers = list(itertools.islice(self._numbers, int(per_second * seconds)))
        begun = time.perf_counter()
        for turn, number in enumerate(numbers):
            node = self._encrypt(number)
            await asyncio.sleep(begun + turn / per_second - time.perf_counter())
            await self.phone.deliver([node])
            written[number] = time.perf_counter()
        await self._until(lambda: numbers[-1] in self._read)
        return [(self._read[number] - at) * 1000 for number, at in written.items()]

    async def rate(self, count: int, window: int) -> float:
        """Send as fast as the window allows; return messages a second."""
        numbers = list(itertools.islice(self._numbers, count))
        nodes = [self._encrypt(number) for number in numbers]
        before = len(self._read)
        begun = time.perf_counter()
        for turn, node in enumerate(nodes):
            if turn - (len(self._read) - before) >= window:
                await self._until(lambda turn=turn: turn - (len(self._read) - before) < window)  # type: ignore[misc]  # mypy takes the default for a parameter
            await self.phone.deliver([node])
        await self._until(lambda: len(self._read) - before == count)
        return count / (max(self._read[number] for number in numbers) - begun)

    def _encrypt(self, number: int) -> Node:
        (node,) = next(self._people).encrypt_texts(self.phone, [mark(self._line, number)])
        if node.children("enc")[0].text("type") != "msg":
            raise RuntimeError(f"{self.name}: nobody answered, so each message carries prekeys")
        return node

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def _zapd(
    whatsapp: LoopbackWhatsApp, people: Sequence[Contact], data: Path
) -> AsyncIterator[Side]:
    ours = phones(whatsapp, "1", [0])
    async with serving(whatsapp, data, core=cores.MEASURED) as rig:
        await rig.pair(ours)
        side = Side(ZAPD, 0, ours["s0"], people)
        port = int(rig.daemon.base.rpartition(":")[2])
        reader = await read_events(port, rig.user.key, side.on_mark)
        for person in people:
            await _acquaint(side.phone, person)
            await rig.user.post(
                f"/v1/chats/s0:{person.pn_jid}/messages", {"type": "text", "text": "hi"}
            )
            await person.next_message()
        side.pids = [rig.daemon.pid, *rig.daemon.workers()]
        yield side
        reader.close()


@asynccontextmanager
async def _baileys(
    whatsapp: LoopbackWhatsApp, people: Sequence[Contact], folder: Path, keys: Keys
) -> AsyncIterator[Side]:
    line = 1 if keys == "files" else 2
    theirs = phones(whatsapp, str(line + 1), [0])
    setup = Setup(list(theirs), folder, keys, socket_io=True)
    with cores.on(cores.MEASURED):
        gateway = await Gateway.start(whatsapp, setup, theirs)
    try:
        await gateway.all_open(1)
        await theirs["s0"].connected()
        side = Side(FILES if keys == "files" else MEMORY, line, theirs["s0"], people)
        reader = await read_socket_io(gateway.port, side.on_mark)

        for person in people:
            await _acquaint(side.phone, person)
            gateway.send("s0", str(person.lid_jid), "hi")
            await person.next_message()
        side.pids = [gateway.pid]
        yield side
        reader.close()
    finally:
        await gateway.end()


async def _acquaint(phone: Phone, person: Contact) -> None:
    """Let somebody write first; once they are answered, their messages need no prekeys."""
    wa_id = await person.send_text(phone, "hello")
    await phone.until(lambda: wa_id in phone.acked)


def _report(rounds: dict[str, list[Round]], options: argparse.Namespace) -> Report:
    p50, p99, rates, cpu, load = (
        {name: Figure(f"{name}: {what}", values, unit) for name, values in table.items()}
        for what, unit, table in (
            (f"p50 at {options.per_second}/s", "ms", _column(rounds, "p50")),
            (f"p99 at {options.per_second}/s", "ms", _column(rounds, "p99")),
            ("messages a second", "", _column(rounds, "rate")),
            ("processor time a message", "µs", _column(rounds, "cpu")),
            ("load's share of its core meanwhile", "", _column(rounds, "load")),
        )
    )
    figures = [figure for table in (p50, p99, rates, cpu, load) for figure in table.values()]
    figures += [
        ratio("p99, zapd ÷ Baileys", p99[ZAPD], p99[FILES], at_most(0.5)),
        ratio("messages a second, zapd ÷ Baileys", rates[ZAPD], rates[FILES], at_least(3)),
        ratio("the same, ÷ Baileys with keys in memory", rates[ZAPD], rates[MEMORY]),
    ]
    notes = [
        f"Rate: {options.messages} messages, {options.window} under way at most. What is measured",
        "has one core, the loopback WhatsApp and the reader of the streams have the other. Keys in",
        "memory are lost with the process: no gateway can run so, it is the least that Baileys costs.",
    ]
    return Report("From WhatsApp's frame to a client's bytes", figures, notes)


def _column(rounds: dict[str, list[Round]], field: str) -> dict[str, list[float]]:
    return {name: [getattr(turn, field) for turn in turns] for name, turns in rounds.items()}
