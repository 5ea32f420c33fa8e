"""What is lost, told twice or told out of order when workers are killed under load.

Real daemon, real core, loopback WhatsApp. Each session has a worker of its own and gets its
messages in batches; in the midst of each batch, at an acknowledgement chosen by chance, its
worker is killed (SIGKILL). The supervisor brings it back by itself. Half of the batches come
while the session is away, and wait for it at the server.

After each kill, before another worker starts, the session's journal is read: what it held, or
a stream was told, was handed on. How a loss is judged: ``losses``.
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
from pathlib import Path
from typing import NamedTuple

from tests.bench.figures import Figure, Report, at_most
from tests.bench.losses import CHATS, Account, Verdict, accounts, judge
from tests.bench.marks import read_events
from tests.bench.rig import serving
from tests.loopback.server import LoopbackWhatsApp

PATIENCE = 120.0  # seconds for a worker to come back, the supervisor's backoff in
#: Seconds in which the daemon has read what the killed worker had written to it; another worker
#: is not there before the least backoff, 0.25 s.
LAST_WORDS = 0.2
QUIET = 3.0  # seconds without a message: nothing comes any more
SETTINGS = {"ZAPD_SESSIONS_PER_WORKER": "1"}


class Kill(NamedTuple):
    """One kill of one session's worker."""

    handed: int  # the highest number that the worker had handed on
    rescued: int  # how many messages only the journal had
    seconds: float  # to the next login


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
        lines = [
            Line(account, told[account.number], options.seed + account.number)
            for account in await accounts(rig, folder, options.sessions)
        ]
        await asyncio.gather(*(line.suffer(kills, batch) for line in lines))
        while time.monotonic() - newest < QUIET:
            await asyncio.sleep(QUIET / 10)
        reader.close()
    return _report(lines, batch)


class Line:
    """One session, its worker and its messages."""

    def __init__(self, account: Account, told: list[int], seed: int) -> None:
        """``told`` grows as streams are told; ``seed`` decides when to kill."""
        self.account = account
        self.told = told
        self.kills: list[Kill] = []
        self._phone, self._home = account.phone, account.home
        self._chance = random.Random(seed)  # noqa: S311 - no secret

    async def suffer(self, kills: int, size: int) -> None:
        """Send the batches, and kill the worker in the midst of each."""
        for _ in range(kills):
            nodes = self.account.batch(size)
            if self._chance.random() < 0.5:
                await self._phone.connected(PATIENCE)
            sending = asyncio.ensure_future(self._phone.deliver(nodes))
            moment = self._chance.choice(nodes).text("id")
            await self._phone.until(lambda wanted=moment: wanted in self._phone.acked, PATIENCE)  # type: ignore[misc]  # mypy takes the default for a parameter
            self.kills.append(await self._kill())
            await sending
        await self._phone.connected(PATIENCE)

    async def _kill(self) -> Kill:
        """Kill the worker; look at what it left; return when the next one has logged in."""
        line, pid = self._phone.companion.connection, self._home.pid()
        os.kill(pid, signal.SIGKILL)
        begun = time.monotonic()
        while self._home.is_held_by(pid):
            await asyncio.sleep(0.001)
        kept = self._home.journaled()
        await asyncio.sleep(LAST_WORDS)
        rescued = len(kept - set(self.told))
        await self._phone.until(
            lambda: self._phone.companion.connection not in (None, line), PATIENCE
        )
        handed = max([*kept, *self.told], default=-1)
        return Kill(handed, rescued, time.monotonic() - begun)

    def verdict(self) -> Verdict:
        """Judge what came and what did not."""
        handed = [kill.handed for kill in self.kills]
        return judge(len(self.account.sent), self.told, handed, self.account.acknowledged())


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
    sent = sum(len(line.account.sent) for line in lines)
    title = f"{sent} messages, {len(kills)} workers killed in the midst of {batch} each"
    notes = [f"{len(lines)} sessions, each with a worker of its own; {CHATS} chats each."]
    return Report(title, figures, notes)
