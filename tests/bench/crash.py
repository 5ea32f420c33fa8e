"""What is lost, told twice or told out of order when workers are killed under load.

Real daemon, real core, loopback WhatsApp. Each session has a worker of its own and gets its
messages in batches; in the midst of each batch, at an acknowledgement chosen by chance, its
worker is killed (SIGKILL). The supervisor brings it back by itself. Half of the batches come
while the session is away, and wait for it at the server.

After each kill, before another worker starts, the session's journal is read. A message that
never came is *lost in the channel* when it is one of those right after the last that the
killed worker handed on (told or in its journal), and there are no more of them than the
engine's channel holds. Every other one is lost past the channel, which must not happen.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from sessions.provider.neonize import codes, journal
from sessions.provider.neonize.journal_file import FILES
from tests.bench.figures import Figure, Report, at_most
from tests.bench.marks import mark, marks_in, read_events
from tests.bench.rig import Rig, phones, serving
from tests.loopback.contact import Contact
from tests.loopback.nodes import Node
from tests.loopback.phone import Phone
from tests.loopback.server import LoopbackWhatsApp
from tests.support.daemon import Daemon

CHATS = 3  # people who write to a session, in turns
#: The engine's channel holds 100; one more is on its way into it, one in the callback.
CHANNEL = 102
PATIENCE = 120.0  # seconds for a worker to come back, the supervisor's backoff in
#: Seconds in which the daemon has read what the killed worker had written to it; another worker
#: is not there before the least backoff, 0.25 s.
LAST_WORDS = 0.2
QUIET = 3.0  # seconds without a message: nothing comes any more
SETTINGS = {"ZAPD_SESSIONS_PER_WORKER": "1"}


class Kill(NamedTuple):
    """One kill of one session's worker."""

    handed: int  # the highest number that the worker had handed on
    told: int  # how many messages of the session streams had been told when the next one logged in
    kept: set[int]  # what the journal held
    rescued: int  # how many of them only the journal had
    seconds: float  # to the next login


class Verdict(NamedTuple):
    """What became of one session's messages."""

    in_channel: list[int]  # by kill
    past_channel: int
    acknowledged: int
    twice: int
    out_of_order: int


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--sessions", type=int, default=20, help="they share the kills")
    parser.add_argument("--seed", type=int, default=1, help="of the moments of the kills")


def run(options: argparse.Namespace) -> Report:
    """Measure."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder), options))


async def _measure(folder: Path, options: argparse.Namespace) -> Report:
    kills = max(1, options.kills // options.sessions)
    batch = max(1, options.messages // (kills * options.sessions))
    async with LoopbackWhatsApp() as whatsapp, serving(whatsapp, folder, SETTINGS) as rig:
        told: dict[int, list[int]] = defaultdict(list)
        newest = time.monotonic()

        def on_mark(line: int, number: int) -> None:
            nonlocal newest
            newest = time.monotonic()
            told[line].append(number)

        port = int(rig.daemon.base.rpartition(":")[2])
        reader = await read_events(port, rig.user.key, on_mark)
        lines = await _lines(rig, folder, options, told)
        await asyncio.gather(*(line.suffer(kills, batch) for line in lines))
        while time.monotonic() - newest < QUIET:
            await asyncio.sleep(QUIET / 10)
        reader.close()
    return _report(lines, batch)


async def _lines(
    rig: Rig, folder: Path, options: argparse.Namespace, told: dict[int, list[int]]
) -> list[Line]:
    """Pair one session after the other: so it is known which store is whose."""
    stores = folder / "sessions"
    lines: list[Line] = []
    people = [
        rig.whatsapp.contact(f"55219{n:08d}", lid=f"2{n:014d}", name=f"P{n}") for n in range(CHATS)
    ]
    for name, phone in phones(rig.whatsapp, "1", range(options.sessions)).items():
        before = set(stores.iterdir()) if stores.exists() else set()
        await rig.pair({name: phone})
        (store,) = set(stores.iterdir()) - before
        number, home = len(lines), Home(rig.daemon, store)
        line = Line(number, phone, home, people, told[number], options.seed + number)
        lines.append(line)
    return lines


class Home(NamedTuple):
    """Where a session lives: its daemon, and its store."""

    daemon: Daemon
    store: Path

    def pid(self) -> int:
        """Return the process id of the session's worker."""
        (pid,) = [pid for pid in self.daemon.workers() if self.is_held_by(pid)]
        return pid

    def is_held_by(self, pid: int) -> bool:
        """Tell whether the process has the session's journal open; a dead one has nothing."""
        try:
            held = {link.readlink() for link in Path(f"/proc/{pid}/fd").iterdir()}
        except (FileNotFoundError, PermissionError):  # gone, or a zombie
            return False
        return self.store / FILES[0] in held

    def journaled(self) -> set[int]:
        """Return the numbers of the messages in the journal, confirmed ones too."""
        records = [r for name in FILES for r in journal.read((self.store / name).read_bytes())]
        messages = [record.data for record in records if record.code == codes.MESSAGE]
        return {number for data in messages for _, number in marks_in(data)}


class Line:
    """One session, its worker and its messages."""

    def __init__(
        self,
        number: int,
        phone: Phone,
        home: Home,
        people: list[Contact],
        told: list[int],
        seed: int,
    ) -> None:
        """``told`` grows as streams are told; ``seed`` decides when to kill."""
        self.sent: list[Node] = []
        self.told = told
        self.kills: list[Kill] = []
        self.phone = phone
        self._number = number
        self._home = home
        self._people = people
        self._chance = random.Random(seed)  # noqa: S311 - no secret

    async def suffer(self, kills: int, size: int) -> None:
        """Send the batches, and kill the worker in the midst of each."""
        for _ in range(kills):
            nodes = self._batch(size)
            if self._chance.random() < 0.5:
                await self.phone.connected(PATIENCE)
            sending = asyncio.ensure_future(self.phone.deliver(nodes))
            moment = self._chance.choice(nodes).text("id")
            await self.phone.until(lambda wanted=moment: wanted in self.phone.acked, PATIENCE)  # type: ignore[misc]  # mypy takes the default for a parameter
            self.kills.append(await self._kill())
            await sending
        await self.phone.connected(PATIENCE)

    def _batch(self, size: int) -> list[Node]:
        begun = len(self.sent)
        for number in range(begun, begun + size):
            person = self._people[number % CHATS]
            self.sent += person.encrypt_texts(self.phone, [mark(self._number, number)])
        return self.sent[begun:]

    async def _kill(self) -> Kill:
        """Kill the worker; look at what it left; return when the next one has logged in."""
        line, pid = self.phone.companion.connection, self._home.pid()
        os.kill(pid, signal.SIGKILL)
        begun = time.monotonic()
        while self._home.is_held_by(pid):
            await asyncio.sleep(0.001)
        kept = self._home.journaled()
        await asyncio.sleep(LAST_WORDS)
        rescued = len(kept - set(self.told))
        await self.phone.until(
            lambda: self.phone.companion.connection not in (None, line), PATIENCE
        )
        handed = max([*kept, *self.told], default=-1)
        return Kill(handed, len(self.told), kept, rescued, time.monotonic() - begun)

    def verdict(self) -> Verdict:
        """Judge what came and what did not."""
        acked = {n for n, node in enumerate(self.sent) if node.text("id") in self.phone.acked}
        return judge(len(self.sent), self.told, self.kills, acked)


def judge(count: int, told: Sequence[int], kills: Iterable[Kill], acked: Set[int]) -> Verdict:
    """Tell what became of the messages 0 to ``count``: which kill cost which, and what none did."""
    missing = set(range(count)) - set(told)
    unexplained = set(missing)
    in_channel = []
    for kill in kills:
        after = [number for number in told[kill.told :] if number > kill.handed]
        gap = range(kill.handed + 1, min(after, default=count))
        lost = sorted(unexplained.intersection(gap))[:CHANNEL]
        in_channel.append(len(lost))
        unexplained.difference_update(lost)
    return Verdict(
        in_channel=in_channel,
        past_channel=len(unexplained),
        acknowledged=len(missing & acked),
        twice=len(told) - len(set(told)),
        out_of_order=_out_of_order(told),
    )


def _out_of_order(told: Iterable[int]) -> int:
    """Count messages that came before one of their own chat that was sent earlier."""
    chats: dict[int, list[int]] = defaultdict(list)
    for number in told:
        chats[number % CHATS].append(number)
    return sum(b < a for chat in chats.values() for a, b in pairwise(chat))


def _report(lines: list[Line], batch: int) -> Report:
    verdicts = [line.verdict() for line in lines]
    kills = [kill for line in lines for kill in line.kills]
    by_kill = [lost for verdict in verdicts for lost in verdict.in_channel]
    none = at_most(0)
    figures = [
        Figure(
            "lost past the engine's channel", [sum(v.past_channel for v in verdicts)], goal=none
        ),
        Figure("told twice", [sum(v.twice for v in verdicts)], goal=none),
        Figure("out of order in their chat", [sum(v.out_of_order for v in verdicts)], goal=none),
        Figure("told", [sum(len(set(line.told)) for line in lines)]),
        Figure("told because the journal had them", [sum(k.rescued for k in kills)]),
        Figure("lost in the engine's channel", [sum(by_kill)]),
        Figure("of them acknowledged to the server", [sum(v.acknowledged for v in verdicts)]),
        Figure("lost in the engine's channel, by kill", by_kill),
        Figure("from the kill to the next login", [kill.seconds for kill in kills], "s"),
    ]
    sent = sum(len(line.sent) for line in lines)
    title = f"{sent} messages, {len(kills)} workers killed in the midst of {batch} each"
    notes = [f"{len(lines)} sessions, each with a worker of its own; {CHATS} chats each."]
    return Report(title, figures, notes)
