"""What the history holds after the daemon and its workers were killed again and again.

Real daemon, real core, loopback WhatsApp. Messages come all the time, to some sessions many at
once, to others in a steady flow, also while nobody is there. The kills (SIGKILL) take turns: the
daemon alone, whose workers then end by themselves, half the time beside those of the next
daemon; the daemon with all its workers at once; one worker, which the supervisor brings back.
Each comes at an acknowledgement chosen by chance or, a third of them, within a second of the
last start, while journals are told again.

After each kill, when no killed process has the journals any more, what they hold is noted: it
must be in the history at the end, once and in order. How a loss is judged: ``losses``.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import signal
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from tests.bench.figures import Figure, Report, at_most
from tests.bench.kept import (
    Kept,
    Life,
    Sent,
    Standing,
    Told,
    differing,
    read_file,
    read_pages,
    stand,
    tell,
)
from tests.bench.losses import CHATS, Account, accounts
from tests.bench.marks import read_events
from tests.bench.rig import Rig, serving
from tests.loopback.server import LoopbackWhatsApp
from tests.support.waiting import eventually

KINDS = ("the daemon", "the daemon and all workers", "a worker")
DAEMON, ALL, WORKER = KINDS
PATIENCE = 120.0  # seconds for what a start brings back, the supervisor's backoff in
#: Seconds in which a daemon that lives on has read what a killed worker had written to it.
LAST_WORDS = 0.2
QUIET = 3.0  # seconds without another message in the history: nothing comes any more
LONG = 3600.0  # seconds: longer than a run
FLOW = 2.0  # seconds that a batch takes in a steady flow
SOON, HOW_OFTEN_SOON = 1.0, 1 / 3  # seconds from a start in which some of the kills come
SETTINGS = {"ZAPD_SESSIONS_PER_WORKER": "2"}


class Kill(NamedTuple):
    """One kill."""

    number: int
    kind: str
    at: float  # by the monotonic clock


class Left(NamedTuple):
    """What a kill left of one session, when no killed process had its journal any more."""

    journaled: set[int]  # what its journal held
    at: float  # by the monotonic clock


class Met(NamedTuple):
    """A kill, as one session met it."""

    kill: Kill
    left_at: float
    handed: int  # the highest number that had been handed on
    rescued: int  # how many messages a journal had, and the history had not


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--sessions", type=int, default=4, help="two share a worker")
    parser.add_argument("--memory", default="6GiB", help="ZAPD_MEMORY_BUDGET")
    parser.add_argument("--seed", type=int, default=1, help="of the moments and the flow")
    parser.add_argument("--minutes", type=float, default=30, help="it fails if it takes longer")


def run(options: argparse.Namespace) -> Report:
    """Measure."""
    # The loopback's server tells of each worker that was killed while it opened its line.
    logging.getLogger("websockets.server").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder), options))


async def _measure(folder: Path, options: argparse.Namespace) -> Report:
    settings = SETTINGS | {"ZAPD_MEMORY_BUDGET": options.memory}
    batch = max(1, options.messages // options.kills)
    async with (
        asyncio.timeout(60 * options.minutes),
        LoopbackWhatsApp() as whatsapp,
        serving(whatsapp, folder, settings) as rig,
    ):
        chance = random.Random(options.seed)  # noqa: S311 - no secret
        lines = [Line(one, chance) for one in await accounts(rig, folder, options.sessions)]
        watching = [asyncio.ensure_future(line.watch()) for line in lines]
        ordeal = Ordeal(rig, lines, chance)
        await ordeal.listen({})
        for number in range(options.kills):
            await ordeal.suffer(number, KINDS[number % len(KINDS)], batch)
        await ordeal.quiet()
        for task in watching:
            task.cancel()
        pages = await read_pages(rig.user)
        assert await rig.daemon.end() == 0
        return _report(ordeal, pages, await asyncio.to_thread(read_file, folder), batch)


class Line:
    """One session, what is sent to it and what it met."""

    def __init__(self, account: Account, chance: random.Random) -> None:
        """``chance`` decides how its messages flow."""
        self.account = account
        self.met: list[Met] = []
        self.journaled: set[int] = set()
        self.logins: list[float] = []  # by the monotonic clock
        self._chance = chance

    async def watch(self) -> None:
        """Note when the session logs in, until cancelled."""
        companion = self.account.phone.companion
        last = companion.connection

        def is_new() -> bool:
            return companion.connection not in (None, last)

        while True:
            await self.account.phone.until(is_new, LONG)
            last = companion.connection
            self.logins.append(time.monotonic())

    async def write(self, size: int) -> None:
        """Send a batch: at once, or over some seconds."""
        if self._chance.random() < 0.5:
            await self.account.phone.deliver(self.account.batch(size))
            return
        for _ in range(size):
            await self.account.phone.deliver(self.account.batch(1))
            await asyncio.sleep(self._chance.uniform(0, 2 * FLOW / size))

    async def acknowledges(self, number: int) -> None:
        """Return when a message was sent and the session acknowledged it."""
        sent, phone = self.account.sent, self.account.phone
        await phone.until(
            lambda: len(sent) > number and sent[number].text("id") in phone.acked, PATIENCE
        )

    def seconds(self, kind: str) -> list[float]:
        """Return the times from kills to the next login, where no other kill came before it."""
        found = []
        nexts = [met.kill.at for met in self.met[1:]]
        for met, end in zip(self.met, [*nexts, LONG + time.monotonic()], strict=True):
            since = max(met.left_at, met.kill.at + LAST_WORDS)  # else it is the killed one's
            login = min((at for at in self.logins if at > since), default=end)
            if met.kill.kind == kind and login < end:
                found.append(login - met.kill.at)
        return found

    def sent(self) -> Sent:
        """Return what was sent, and what is known of its way."""
        account = self.account
        return Sent(
            session=f"s{account.number}",
            people=[str(person.pn_jid) for person in account.people],
            wa_ids=[node.text("id") for node in account.sent],
            acked=account.acknowledged(),
            journaled=self.journaled,
            handed=[met.handed for met in self.met],
        )


def shares(batch: int, count: int, chance: random.Random) -> list[int]:
    """Return so many numbers that add up to ``batch``; some are large, some may be 0."""
    cuts = sorted(chance.randint(0, batch) for _ in range(count - 1))
    return [end - start for start, end in pairwise([0, *cuts, batch])]


class Ordeal:
    """The daemon, its sessions, and who kills them."""

    def __init__(self, rig: Rig, lines: list[Line], chance: random.Random) -> None:
        """Begin with sessions that are connected, and nobody who listens."""
        self.lines = lines
        self.lives: list[Life] = []
        self._rig = rig
        self._chance = chance
        self._pids: set[int] = set()  # of all workers that were killed, or lost their daemon

    async def listen(self, kept: Mapping[int, set[int]]) -> None:
        """Open a stream on a life of the daemon that began with ``kept`` in the history."""
        life = Life(kept, defaultdict(list))

        def on_mark(line: int, number: int) -> None:
            life.told[line].append(number)

        port = int(self._rig.daemon.base.rpartition(":")[2])
        await read_events(port, self._rig.user.key, on_mark)
        self.lives.append(life)

    async def suffer(self, number: int, kind: str, batch: int) -> None:
        """Send a batch, each session a share of it, and kill in the midst."""
        sizes = dict(zip(self.lines, shares(batch, len(self.lines), self._chance), strict=True))
        async with asyncio.TaskGroup() as tasks:
            for line, size in sizes.items():
                tasks.create_task(line.write(size))
            await self._moment(sizes)
            if kind == WORKER:
                await self._kill_worker(number)
            else:
                await self._kill_daemon(number, kind)

    async def quiet(self) -> None:
        """Return when nothing comes into the history any more."""
        for line in self.lines:
            await line.account.phone.connected(PATIENCE)
        before, here = -1, 0
        while before != here:
            await asyncio.sleep(QUIET)
            kept = await asyncio.to_thread(read_file, self._rig.daemon.data_dir)
            before, here = here, len(kept.rows)

    async def _moment(self, sizes: Mapping[Line, int]) -> None:
        """Return soon, or when one of the messages, of which none is sent yet, is acknowledged."""
        if self._chance.random() < HOW_OFTEN_SOON:
            await asyncio.sleep(self._chance.uniform(0, SOON))
        else:
            (line,) = self._chance.choices(list(sizes), list(sizes.values()))
            await line.acknowledges(len(line.account.sent) + self._chance.randrange(sizes[line]))

    async def _kill_worker(self, number: int) -> None:
        """Kill the worker of one of the sessions, when it has one; its neighbour's is the same."""
        home = self._chance.choice(self.lines).account.home
        daemon = self._rig.daemon

        async def holder() -> int | None:
            return next(iter(home.holders(daemon.workers())), None)

        pid = await eventually(holder, PATIENCE)
        lines = [line for line in self.lines if line.account.home.is_held_by(pid)]
        os.kill(pid, signal.SIGKILL)
        self._pids.add(pid)
        at = time.monotonic()
        left = await self._left(lines)
        await asyncio.sleep(LAST_WORDS)
        kept = await asyncio.to_thread(read_file, daemon.data_dir)
        self._note(Kill(number, WORKER, at), left, kept.numbers(), self.lives)

    async def _kill_daemon(self, number: int, kind: str) -> None:
        """Kill the daemon, look at what it left, start it again."""
        daemon = self._rig.daemon
        workers = daemon.workers()
        self._pids.update(workers)
        at = time.monotonic()
        for pid in workers if kind == ALL else []:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await daemon.end(signal.SIGKILL)
        kept = (await asyncio.to_thread(read_file, daemon.data_dir)).numbers()
        lives = list(self.lives)
        leaving = asyncio.ensure_future(self._left(self.lines))
        if self._chance.random() < 0.5:
            await leaving
        await daemon.start()
        await self.listen(kept)
        self._note(Kill(number, kind, at), await leaving, kept, lives)

    async def _left(self, lines: Iterable[Line]) -> dict[Line, Left]:
        """Return what the journals hold, each when no process that was killed has it any more."""
        left = {}
        async with asyncio.timeout(PATIENCE):
            for line in lines:
                while line.account.home.holders(self._pids):
                    await asyncio.sleep(0.001)
                left[line] = Left(line.account.home.journaled(), time.monotonic())
        return left

    def _note(
        self,
        kill: Kill,
        left: Mapping[Line, Left],
        kept: Mapping[int, set[int]],
        lives: Iterable[Life],
    ) -> None:
        """Note a kill for each session that it met: journal, history and streams up to then."""
        for line, (journaled, left_at) in left.items():
            number = line.account.number
            here = kept.get(number, set())
            told = [one for life in lives for one in life.told[number]]
            handed = max([*journaled, *here, *told], default=-1)
            line.journaled |= journaled
            line.met.append(Met(kill, left_at, handed, len(journaled - here)))


def _report(ordeal: Ordeal, pages: Kept, file: Kept, batch: int) -> Report:
    lines = ordeal.lines
    sent = [line.sent() for line in lines]
    stands = [stand(pages, sent), stand(file, sent)]
    by_kill = _by_kill(lines, stands[1])
    count = sum(len(one.wa_ids) for one in sent)
    title = f"{count} messages, {len(by_kill)} kills, each in the midst of {batch}"
    notes = [
        f"{len(lines)} sessions, two a worker; {CHATS} chats each.",
        "Two values of one figure: every page of every chat, and history.db.",
    ]
    figures = [
        *_kept(stands, differing(pages, file)),
        Figure("there because a journal had them", [sum(m.rescued for x in lines for m in x.met)]),
        *_told(tell(ordeal.lives), ordeal.lives, file),
        *_of_kinds(lines, by_kill),
    ]
    return Report(title, figures, notes)


def _kept(stands: list[Standing], differ: int) -> list[Figure]:
    none = at_most(0)
    lost = [sum(v.past_channel for v in one.verdicts) for one in stands]
    disorder = [sum(v.out_of_order for v in one.verdicts) for one in stands]
    return [
        Figure("journaled, not in the history", [s.journaled_only for s in stands], goal=none),
        Figure("lost past the engine's channel", lost, goal=none),
        Figure("twice by WhatsApp's id", [s.twice_by_wa_id for s in stands], goal=none),
        Figure("twice by our id", [s.twice_by_id for s in stands], goal=none),
        Figure("out of order in their chat", disorder, goal=none),
        Figure("not as they were sent", [s.unlike_sent for s in stands], goal=none),
        Figure("unread counts that are wrong", [s.unread_wrong for s in stands], goal=none),
        Figure("chats whose pages are not as in the file", [differ], goal=none),
        Figure("in the history", [s.rows for s in stands]),
        Figure("seen in a journal at a kill", [stands[1].journaled]),
    ]


def _told(told: Told, lives: list[Life], file: Kept) -> list[Figure]:
    none = at_most(0)
    heard = {(line, n) for life in lives for line, numbers in life.told.items() for n in numbers}
    kept = {(line, n) for line, numbers in file.numbers().items() for n in numbers}
    return [
        Figure("told twice in one life", [told.twice], goal=none),
        Figure("told out of order in one life", [told.out_of_order], goal=none),
        Figure("told again though the history had it", [told.though_kept], goal=none),
        Figure("told again in a later life", [told.again]),
        Figure("in the history, heard on no stream", [len(kept - heard)]),
    ]


def _by_kill(lines: list[Line], standing: Standing) -> dict[Kill, int]:
    """Return what each kill cost in the engine's channel."""
    lost: dict[Kill, int] = defaultdict(int)
    for line, verdict in zip(lines, standing.verdicts, strict=True):
        for met, count in zip(line.met, verdict.in_channel, strict=True):
            lost[met.kill] += count
    return lost


def _of_kinds(lines: list[Line], by_kill: Mapping[Kill, int]) -> list[Figure]:
    """Return what kills cost, kind by kind, and how long it took to be back."""
    figures = [Figure("lost in the engine's channel", [sum(by_kill.values())])]
    for kind in KINDS:
        lost = [count for kill, count in by_kill.items() if kill.kind == kind]
        seconds = [one for line in lines for one in line.seconds(kind)]
        if lost:
            figures.append(Figure(f"… by kill of {kind}", lost))
        if seconds:
            figures.append(Figure(f"to the next login, after a kill of {kind}", seconds, "s"))
    return figures
