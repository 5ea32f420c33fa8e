"""What the history holds, through the API and in its file, beside what was sent; what streams told."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from daemon.history.sqlite import FILE
from tests.bench.losses import CHATS, Verdict, judge, out_of_order
from tests.bench.marks import marks_in
from tests.support.daemon import User

PAGE = 200  # messages: the most that the API gives at once

_MESSAGES = """SELECT c.session, c.jid, m.id, m.wa_id, m.text
    FROM messages m JOIN chats c ON c.n = m.chat ORDER BY m.n"""
_UNREAD = "SELECT session || ':' || jid, unread FROM chats"


class Row(NamedTuple):
    """One message of the history."""

    session: str
    jid: str  # of its chat
    id: str
    wa_id: str | None
    text: str | None

    @property
    def mark(self) -> tuple[int, int] | None:
        """The line and the number that its text names; None where it is no message of ours."""
        marks = marks_in((self.text or "").encode())
        return marks[0] if len(marks) == 1 else None


class Kept(NamedTuple):
    """What one way of reading found: each chat's messages oldest first, unread counts by chat."""

    rows: list[Row]
    unread: dict[str, int]

    def numbers(self) -> dict[int, set[int]]:
        """Return the numbers of the messages by line."""
        found: dict[int, set[int]] = defaultdict(set)
        for line, number in filter(None, (row.mark for row in self.rows)):
            found[line].add(number)
        return found

    def by_chat(self) -> dict[str, list[Row]]:
        """Return the messages by chat, in their order."""
        found: dict[str, list[Row]] = defaultdict(list)
        for row in self.rows:
            found[f"{row.session}:{row.jid}"].append(row)
        return found


def read_file(data_dir: Path) -> Kept:
    """Read ``history.db``, whoever has it open; changes nothing, a log that waits included."""
    address = f"file:{data_dir / FILE}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=30)) as db:
        db.execute("BEGIN")  # both tables as of one moment
        rows = [Row(*row) for row in db.execute(_MESSAGES)]
        return Kept(rows, dict(db.execute(_UNREAD).fetchall()))


async def read_pages(user: User) -> Kept:
    """Read every page of every chat that the API lists."""
    rows: list[Row] = []
    chats = await _items(user, "/v1/chats")
    for chat in chats:
        session, _, jid = chat["id"].partition(":")
        newest_first = await _items(user, f"/v1/chats/{chat['id']}/messages")
        rows += [Row(session, jid, m["id"], m["wa_id"], m["text"]) for m in reversed(newest_first)]
    return Kept(rows, {chat["id"]: chat["unread"] for chat in chats})


async def _items(user: User, path: str) -> list[Any]:
    found: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = await user.get(path, limit=PAGE, **cursor)
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


class Sent(NamedTuple):
    """What was sent to one session, and what is known of its way."""

    session: str
    people: Sequence[str]  # who writes to it: the JIDs of its chats
    wa_ids: Sequence[str]  # by number
    acked: Set[int]
    journaled: Set[int]  # what its journal held at some kill
    handed: Sequence[int]  # by kill


class Standing(NamedTuple):
    """How the history stands, over all sessions."""

    verdicts: list[Verdict]  # by session
    rows: int
    journaled: int  # messages that a journal held at some kill
    journaled_only: int  # of them, those that the history does not hold
    twice_by_wa_id: int
    twice_by_id: int
    unlike_sent: int  # messages that nobody sent, or not so, or not there
    unread_wrong: int  # chats that do not count their messages: none of them was read


def stand(kept: Kept, sent: Sequence[Sent]) -> Standing:
    """Compare what is kept with what was sent; a session's line is its place in ``sent``."""
    here = kept.numbers()
    came = [_in_order(kept, line) for line in range(len(sent))]
    counted = Counter(f"{row.session}:{row.jid}" for row in kept.rows)
    return Standing(
        verdicts=[
            judge(len(one.wa_ids), came[line], one.handed, one.acked)
            for line, one in enumerate(sent)
        ],
        rows=len(kept.rows),
        journaled=sum(len(one.journaled) for one in sent),
        journaled_only=sum(len(one.journaled - here[line]) for line, one in enumerate(sent)),
        twice_by_wa_id=_twice((row.session, row.wa_id) for row in kept.rows),
        twice_by_id=_twice(row.id for row in kept.rows),
        unlike_sent=sum(not _is_as_sent(row, sent) for row in kept.rows),
        unread_wrong=sum(
            kept.unread.get(chat, 0) != counted[chat] for chat in {*kept.unread, *counted}
        ),
    )


def differing(one: Kept, other: Kept) -> int:
    """Count chats that two ways of reading do not show the same."""
    here, there = one.by_chat(), other.by_chat()
    return sum(here.get(chat) != there.get(chat) for chat in {*here, *there})


def _in_order(kept: Kept, line: int) -> list[int]:
    """Return a session's numbers; those of one chat in the order in which the history has them."""
    return [row.mark[1] for row in kept.rows if row.mark and row.mark[0] == line]


def _is_as_sent(row: Row, sent: Sequence[Sent]) -> bool:
    if row.mark is None or row.mark[0] >= len(sent):
        return False
    one, number = sent[row.mark[0]], row.mark[1]
    return number < len(one.wa_ids) and (row.session, row.jid, row.wa_id) == (
        one.session,
        one.people[number % CHATS],
        one.wa_ids[number],
    )


def _twice(names: Iterable[object]) -> int:
    return sum(count - 1 for count in Counter(names).values())


class Life(NamedTuple):
    """One life of the daemon: by line, what the history held before it, and what streams heard."""

    kept: Mapping[int, Set[int]]
    told: dict[int, list[int]]


class Told(NamedTuple):
    """What streams were told over the lives of the daemon, over all sessions."""

    twice: int  # within one life
    out_of_order: int  # in their chat, within one life
    again: int  # in a later life
    though_kept: int  # that the history held before the life that told it


def tell(lives: Sequence[Life]) -> Told:
    """Judge what streams were told."""
    twice = disorder = again = though_kept = 0
    before: dict[int, set[int]] = defaultdict(set)
    for life in lives:
        for line, told in life.told.items():
            here = set(told)
            twice += len(told) - len(here)
            disorder += out_of_order(told)
            again += len(here & before[line])
            though_kept += len(here & life.kept.get(line, set()))
            before[line] |= here
    return Told(twice, disorder, again, though_kept)
