from __future__ import annotations

from typing import Any

import pytest

from daemon.metadata.models import Activity
from daemon.metadata.port import ActivityQuery, Change, MetadataStore
from sessions.ids import ChatRef
from tests.contract.metadata.rows import (
    ANA,
    BEN,
    CHAT,
    KEY,
    OTHER,
    note,
    put,
    setting,
    tag,
)
from tests.unit.daemon.manual_clock import ManualClock


async def lines(store: MetadataStore, **which: object) -> list[Activity]:
    """Return the log of acme without its members' lines."""
    filters: dict[str, Any] = which
    query = ActivityQuery("acme", **filters)
    return [line for line in await store.activity(query) if line.action != "member_updated"]


async def test_every_change_has_its_line(store: MetadataStore, clock: ManualClock) -> None:
    """Who, what, when and about which chat, with what the writer says of it."""
    await store.write([Change(note(1, actor=KEY), "note_added", data={"length": 10})])
    (line,) = await lines(store)
    assert line._replace(id="") == Activity(
        "acme", "", clock.now_ms(), KEY, "note_added", CHAT.session, CHAT.jid, {"length": 10}
    )


async def test_lines_are_newest_first(store: MetadataStore) -> None:
    """Lines of one millisecond, of one write too, are in the order in which they were made."""
    await store.write([Change(tag(number, f"t{number}"), f"a{number}") for number in range(5)])
    await store.write([Change(tag(number, f"u{number}"), f"b{number}") for number in range(5)])
    expected = [f"{write}{number}" for write in "ba" for number in (4, 3, 2, 1, 0)]
    assert [line.action for line in await lines(store)] == expected


async def test_the_log_is_paged(store: MetadataStore, clock: ManualClock) -> None:
    """A page goes on where the one before ended; nothing is told twice or left out."""
    for number in range(23):
        await put(store, tag(number, f"t{number}"))
        clock.forward(number % 3 / 1000)
    everything = await store.activity(ActivityQuery("acme", limit=100))
    seen: list[Activity] = []
    before = None
    while page := await store.activity(ActivityQuery("acme", limit=4, before=before)):
        seen += page
        before = (page[-1].at, page[-1].id)
    assert seen == everything
    assert len({line.id for line in seen}) == 25


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ({}, {"ana", "ben", "other", "s2", "tag", "setting"}),
        ({"chat": CHAT}, {"ana", "ben"}),
        ({"chat": OTHER}, {"other"}),
        ({"chat": CHAT._replace(session="s2")}, {"s2"}),
        ({"actor": BEN.id}, {"ben", "setting"}),
        ({"action": "tag"}, {"tag"}),
        ({"chat": CHAT, "actor": ANA.id}, {"ana"}),
        ({"sessions": frozenset({"s1"})}, {"ana", "ben", "other", "tag"}),
        ({"sessions": frozenset({"s1", "s2"})}, {"ana", "ben", "other", "s2", "tag", "setting"}),
        ({"sessions": frozenset[str]()}, {"tag"}),
    ],
)
async def test_the_log_is_filtered(
    store: MetadataStore, which: dict[str, object], expected: set[str]
) -> None:
    """By chat, actor and action; by sessions, with what is of none: the workspace's own."""
    far: ChatRef = CHAT._replace(session="s2")
    await store.write(
        [
            Change(note(1), "ana"),
            Change(note(2, actor=BEN), "ben"),
            Change(note(3, chat=OTHER), "other"),
            Change(note(4, chat=far), "s2"),
            Change(tag(), "tag"),
            Change(setting("x", 1, "session:s2", actor=BEN), "setting"),
        ]
    )
    assert {line.action for line in await lines(store, **which)} == expected


async def test_the_log_is_of_one_workspace(store: MetadataStore) -> None:
    """Nobody reads another's."""
    await put(store, tag(workspace="beta"))
    assert await lines(store) == []
