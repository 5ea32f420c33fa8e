"""What killed workers leave, and how a loss is judged: ``crash`` and ``kills`` share it.

A message that never came is *lost in the channel* when it is one of those right after the last
that the killed worker had handed on, and there are no more of them than the engine's channel
holds. Every other one is lost past the channel, which must not happen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from sessions.provider.neonize import codes, journal
from sessions.provider.neonize.journal_file import FILES
from tests.bench.marks import mark, marks_in
from tests.bench.rig import Rig, phones
from tests.loopback.contact import Contact
from tests.loopback.nodes import Node
from tests.loopback.phone import Phone
from tests.support.daemon import Daemon

CHATS = 3  # people who write to a session, in turns: a message's number tells its chat
#: The engine's channel holds 100; one more is on its way into it, one in the callback.
CHANNEL = 102


class Home(NamedTuple):
    """Where a session lives: its daemon, and its store."""

    daemon: Daemon
    store: Path

    def pid(self) -> int:
        """Return the process id of the session's worker."""
        (pid,) = self.holders(self.daemon.workers())
        return pid

    def holders(self, pids: Iterable[int]) -> list[int]:
        """Return those of the processes that have the session's journal open."""
        return [pid for pid in pids if self.is_held_by(pid)]

    def is_held_by(self, pid: int) -> bool:
        """Tell whether the process has the session's journal open; a dead one has nothing."""
        try:
            held = {link.readlink() for link in Path(f"/proc/{pid}/fd").iterdir()}
        except (FileNotFoundError, PermissionError, ProcessLookupError):  # gone, or a zombie
            return False
        return self.store / FILES[0] in held

    def journaled(self) -> set[int]:
        """Return the numbers of the messages in the journal, confirmed ones too."""
        records = [r for name in FILES for r in journal.read((self.store / name).read_bytes())]
        messages = [record.data for record in records if record.code == codes.MESSAGE]
        return {number for data in messages for _, number in marks_in(data)}


class Account:
    """One session, and the messages that people send to it: number after number."""

    def __init__(self, number: int, phone: Phone, home: Home, people: list[Contact]) -> None:
        """``number`` is of the session; its messages carry it in their marks."""
        self.number = number
        self.phone = phone
        self.home = home
        self.people = people
        self.sent: list[Node] = []

    def batch(self, size: int) -> list[Node]:
        """Return the next messages, encrypted; to send them is up to the caller."""
        begun = len(self.sent)
        for number in range(begun, begun + size):
            person = self.people[number % CHATS]
            self.sent += person.encrypt_texts(self.phone, [mark(self.number, number)])
        return self.sent[begun:]

    def acknowledged(self) -> set[int]:
        """Return the numbers of the messages that the server takes for delivered."""
        return {n for n, node in enumerate(self.sent) if node.text("id") in self.phone.acked}


async def accounts(rig: Rig, folder: Path, count: int) -> list[Account]:
    """Pair one session after the other: so it is known which store is whose."""
    stores = folder / "sessions"
    made: list[Account] = []
    people = [
        rig.whatsapp.contact(f"55219{n:08d}", lid=f"2{n:014d}", name=f"P{n}") for n in range(CHATS)
    ]
    for name, phone in phones(rig.whatsapp, "1", range(count)).items():
        before = set(stores.iterdir()) if stores.exists() else set()
        await rig.pair({name: phone})
        (store,) = set(stores.iterdir()) - before
        made.append(Account(len(made), phone, Home(rig.daemon, store), people))
    return made


class Verdict(NamedTuple):
    """What became of one session's messages."""

    in_channel: list[int]  # by kill
    past_channel: int
    acknowledged: int
    twice: int
    out_of_order: int


def judge(count: int, came: Sequence[int], handed: Iterable[int], acked: Set[int]) -> Verdict:
    """Tell what became of the messages 0 to ``count``: which kill cost which, and what none did.

    ``handed`` are the highest numbers that had been handed on, a kill each, in order.
    """
    missing = set(range(count)) - set(came)
    unexplained = set(missing)
    in_channel = []
    for last in handed:
        gap = range(last + 1, min((number for number in came if number > last), default=count))
        lost = sorted(unexplained.intersection(gap))[:CHANNEL]
        in_channel.append(len(lost))
        unexplained.difference_update(lost)
    return Verdict(
        in_channel=in_channel,
        past_channel=len(unexplained),
        acknowledged=len(missing & acked),
        twice=len(came) - len(set(came)),
        out_of_order=out_of_order(came),
    )


def out_of_order(came: Iterable[int]) -> int:
    """Count messages that came before one of their own chat that was sent earlier."""
    chats: dict[int, list[int]] = defaultdict(list)
    for number in came:
        chats[number % CHATS].append(number)
    return sum(b < a for chat in chats.values() for a, b in pairwise(chat))
