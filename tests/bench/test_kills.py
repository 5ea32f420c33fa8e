"""How ``kills`` judges: what it reads of a history, and what it says of one that is not right."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from daemon.history.sqlite import SqliteHistory
from sessions.ids import ChatRef
from tests.bench.kept import Kept, Life, Row, Sent, Standing, differing, read_file, stand, tell
from tests.bench.kills import shares
from tests.bench.losses import CHATS
from tests.bench.marks import mark
from tests.unit.daemon.history.samples import message

PEOPLE = [f"{n}@s.whatsapp.net" for n in range(CHATS)]
COUNT = 6
SENT = Sent(
    session="s0",
    people=PEOPLE,
    wa_ids=[f"WA{n}" for n in range(COUNT)],
    acked=set(range(COUNT)),
    journaled={1, 2, 3},
    handed=[3],
)


def _row(number: int) -> Row:
    return Row("s0", PEOPLE[number % CHATS], f"m{number}", f"WA{number}", mark(0, number))


def _kept(rows: list[Row]) -> Kept:
    unread = {f"s0:{jid}": sum(row.jid == jid for row in rows) for jid in PEOPLE}
    return Kept(rows, unread)


def _stand(rows: list[Row]) -> Standing:
    return stand(_kept(rows), [SENT])


RIGHT = [_row(number) for number in range(COUNT)]


def test_a_history_that_is_right() -> None:
    """All of it is there, once and in order."""
    found = _stand(RIGHT)
    assert (found.rows, found.journaled, found.verdicts[0].in_channel) == (COUNT, 3, [0])
    assert found[3:] == (0, 0, 0, 0, 0)
    assert found.verdicts[0][1:] == (0, 0, 0, 0)


def test_what_was_journaled_must_be_there() -> None:
    """It counts as lost, and never as the channel's."""
    found = _stand([row for row in RIGHT if row.id != "m3"])
    assert (found.journaled_only, found.verdicts[0].past_channel) == (1, 1)


def test_what_came_after_the_last_that_was_handed_on_may_be_the_channels() -> None:
    """Killed after 3: 4 was never journaled."""
    found = _stand([row for row in RIGHT if row.id != "m4"])
    assert (found.journaled_only, found.verdicts[0].past_channel) == (0, 0)
    assert found.verdicts[0].in_channel == [1]


@pytest.mark.parametrize(
    ("row", "by_wa_id", "by_id"),
    [
        (_row(1), 1, 1),
        (_row(1)._replace(id="m7"), 1, 0),
        (_row(1)._replace(wa_id=None), 0, 1),
    ],
)
def test_twice_is_counted_by_both_names(row: Row, by_wa_id: int, by_id: int) -> None:
    """The same message, under another id of ours, under no name of WhatsApp's."""
    found = _stand([*RIGHT, row])
    assert (found.twice_by_wa_id, found.twice_by_id) == (by_wa_id, by_id)
    assert found.verdicts[0].twice == 1


def test_one_name_in_two_sessions_is_no_double() -> None:
    """WhatsApp's ids are the senders': two accounts may get the same."""
    other = Sent("s1", PEOPLE, SENT.wa_ids, SENT.acked, set(), [])
    theirs = [
        row._replace(session="s1", id=f"n{n}", text=mark(1, n)) for n, row in enumerate(RIGHT)
    ]
    found = stand(Kept(RIGHT + theirs, {}), [SENT, other])
    assert (found.twice_by_wa_id, found.twice_by_id, found.unlike_sent) == (0, 0, 0)


def test_order_is_of_a_chat() -> None:
    """3 stands before 0 in their chat; between chats there is no order."""
    assert _stand(RIGHT[1:4] + RIGHT[:1] + RIGHT[4:]).verdicts[0].out_of_order == 1
    assert _stand(RIGHT[1:3] + RIGHT[:1] + RIGHT[3:]).verdicts[0].out_of_order == 0


@pytest.mark.parametrize(
    "row",
    [
        RIGHT[1]._replace(jid=PEOPLE[2]),
        RIGHT[1]._replace(session="s1"),
        RIGHT[1]._replace(wa_id="WA2"),
        RIGHT[1]._replace(text=None),
        RIGHT[1]._replace(text=mark(0, 1) + mark(0, 2)),
        RIGHT[1]._replace(text=mark(1, 1)),
        RIGHT[1]._replace(text=mark(0, COUNT)),
    ],
)
def test_what_nobody_sent_is_counted(row: Row) -> None:
    """Another chat, session, name or text; a text of two; a line or a number that there is not."""
    assert _stand([RIGHT[0], row, *RIGHT[2:]]).unlike_sent == 1


def test_unread_counts_are_of_all_messages() -> None:
    """One that is wrong, one of a chat without messages, one that is missing."""
    kept = _kept(RIGHT)
    right = kept.unread
    chat = f"s0:{PEOPLE[0]}"
    for unread in (right | {chat: 3}, right | {"s0:9@s.whatsapp.net": 1}, right | {chat: 0}):
        assert stand(Kept(RIGHT, unread), [SENT]).unread_wrong == 1
    del right[chat]
    assert stand(Kept(RIGHT, right), [SENT]).unread_wrong == 1


def test_pages_and_file_are_compared_chat_by_chat() -> None:
    """Chats may come in any order; their messages may not."""
    here = _kept(RIGHT)
    assert differing(here, _kept(RIGHT[1:3] + RIGHT[:1] + RIGHT[3:])) == 0
    assert differing(here, _kept(RIGHT[1:4] + RIGHT[:1] + RIGHT[4:])) == 1
    assert differing(here, _kept(RIGHT[:-2])) == 2


def test_what_streams_told() -> None:
    """Twice and out of order count within a life; again, in a later one."""
    lives = [
        Life(kept={}, told={0: [0, 1, 1, 2], 1: [0]}),
        Life(kept={0: {0, 1}}, told={0: [1, 2, 6, 3]}),
    ]
    found = tell(lives)
    assert (found.twice, found.out_of_order, found.again, found.though_kept) == (1, 1, 2, 1)


def test_shares_add_up() -> None:
    """However they fall."""
    chance = random.Random(1)  # noqa: S311 - no secret
    for count in (1, 4):
        found = shares(400, count, chance)
        assert (len(found), sum(found), min(found) >= 0) == (count, 400, True)


async def test_the_file_is_read_while_it_is_written(tmp_path: Path) -> None:
    """As it stands on disk, its log included; in the order in which pages show it."""
    store = await SqliteHistory.open(tmp_path)
    ref = ChatRef("default", "s0", PEOPLE[0])
    try:
        rows = [message(f"m{n}", mark(0, n), chat=ref) for n in (3, 0)]
        await store.write(rows)
        found = read_file(tmp_path)
    finally:
        await store.close()
    assert [row.mark for row in found.rows] == [(0, 3), (0, 0)]
    assert found.rows[0] == Row("s0", PEOPLE[0], "m3", "Wm3", mark(0, 3))
    assert (found.unread, found.numbers()) == ({f"s0:{PEOPLE[0]}": 0}, {0: {0, 3}})
