from __future__ import annotations

import itertools
import random
from typing import Any

import msgspec
import pytest

from daemon.metadata.models import AnyRow, Assignment, ChatTag, Note, Tag
from daemon.metadata.port import ActivityQuery, MetadataStore
from tests.contract.metadata.rows import (
    ANA,
    BEN,
    CHAT,
    LID,
    OTHER,
    OUTSIDE,
    assignment,
    chat_tag,
    find,
    note,
    put,
    tag,
    uuid_of,
)
from tests.unit.daemon.manual_clock import ManualClock


def outside(name: str, changed_at: int, op: int | None = 1, **fields: object) -> Tag:
    """Return a tag as somebody wrote it elsewhere."""
    op_id = "" if op is None else uuid_of(op)
    given: dict[str, Any] = {"updated_at": changed_at, **fields}
    return tag(
        name=name,
        actor=OUTSIDE,
        version=1,
        op_id=op_id,
        changed_at=changed_at,
        created_at=5,
        **given,
    )


async def test_what_was_written_elsewhere_is_taken(
    store: MetadataStore, clock: ManualClock
) -> None:
    """A row that is new here is stored as it is, and told."""
    row = outside("VIP", clock.now_ms())
    assert await store.merge([row]) == [row]
    assert await find(store, row) == row
    assert await store.merge([row]) == []


async def test_the_later_writer_wins(store: MetadataStore, clock: ManualClock) -> None:
    """Older than what is stored: dropped. Newer: taken, under a version of its own."""
    mine = await put(store, tag(name="mine"))
    assert await store.merge([outside("older", mine.changed_at - 1)]) == []
    assert await find(store, mine) == mine
    (won,) = await store.merge([outside("newer", mine.changed_at + 1, op=2)])
    assert (won.version, won.actor) == (2, OUTSIDE)
    clock.forward(-60)
    again = await put(store, tag(name="mine again"))
    assert (again.version, again.changed_at) == (3, won.changed_at + 1)


async def test_ones_own_write_that_comes_back_changes_nothing(store: MetadataStore) -> None:
    """The operation's id is known, whatever the other side made of the times."""
    mine = await put(store, tag())
    echo = msgspec.structs.replace(mine, version=9, changed_at=mine.changed_at + 5, actor=OUTSIDE)
    assert await store.merge([echo]) == []
    assert await find(store, mine) == mine


async def test_a_version_never_names_two_contents(store: MetadataStore) -> None:
    """What wins has a higher version than what it replaces, and no lower one than it came with."""
    mine = await put(store, tag())
    first = msgspec.structs.replace(outside("a", mine.changed_at + 1), version=40)
    second = outside("b", mine.changed_at + 2, op=2)
    assert [row.version for row in await store.merge([first, second])] == [40, 41]


async def test_all_who_saw_the_same_writes_have_the_same_row(store: MetadataStore) -> None:
    """In whatever order they come, also two of one millisecond: the same one holds."""
    now = 1_800_000_000_000
    writes = [
        outside("a", now, op=1),
        outside("b", now, op=2),
        outside("c", now - 1, op=3),
        outside("d", now, op=None),
        outside("gone", now - 2, op=4, deleted_at=now - 2),
    ]
    for number, order in enumerate(itertools.permutations(writes)):
        here = [msgspec.structs.replace(row, id=uuid_of(100 + number)) for row in order]
        await store.merge(here)
        assert (await find(store, here[0])).name == "b"


async def test_what_names_no_operation_is_told_by_its_content(store: MetadataStore) -> None:
    """Two writes of one millisecond by a client that names none: the later reading holds."""
    now = 1_800_000_000_000
    first = outside("a", now, op=None)
    second = outside("b", now, op=None)
    stale = outside("c", now, op=None, updated_at=now - 1)
    assert [len(await store.merge([row])) for row in (first, first, second, stale)] == [1, 0, 1, 0]
    assert (await find(store, first)).name == "b"


async def test_a_deletion_elsewhere_deletes_here(store: MetadataStore) -> None:
    """The row leaves the lists."""
    mine = await put(store, tag())
    at = mine.changed_at + 1
    (gone,) = await store.merge([outside("VIP", at, deleted_at=at)])
    assert gone.deleted_at == at
    assert await store.rows(Tag, "acme") == []


async def test_rows_elsewhere_are_not_held_to_our_rules(store: MetadataStore) -> None:
    """Two tags of one name, a tag on a chat before the tag: taken as they are."""
    now = 1_800_000_000_000
    rows: list[AnyRow] = [
        outside("VIP", now),
        outside("vip", now, op=2, number=2),
        chat_tag(7, op_id=uuid_of(3), changed_at=now, version=1),
    ]
    assert len(await store.merge(rows)) == 3


async def test_a_note_of_ours_keeps_its_author(store: MetadataStore) -> None:
    """Elsewhere a gateway's note has no author: an edit there does not take ours away."""
    mine = await put(store, note(1, author="key:3f"))
    at = mine.changed_at + 1
    edited = msgspec.structs.replace(
        mine, author="", body="edited", op_id=uuid_of(9), changed_at=at, actor=OUTSIDE
    )
    (won,) = await store.merge([edited])
    assert isinstance(won, Note)
    assert (won.author, won.body) == ("key:3f", "edited")


async def test_any_order_of_own_and_other_writes_ends_with_the_latest(
    store: MetadataStore, clock: ManualClock
) -> None:
    """A random mixture: what is stored is what was written last by changed_at."""
    rng = random.Random(7)  # noqa: S311 - a mixture that can be repeated
    latest = await put(store, tag(name="0"))
    for number in range(1, 200):
        clock.forward(rng.choice([0, 0.001, 1, -2]))
        if rng.random() < 0.5:
            latest = await put(store, tag(name=str(number)))
            continue
        at = clock.now_ms() + rng.randint(-3000, 3000)
        row = outside(str(number), at, op=number)
        won = await store.merge([row])
        expected = (at, row.op_id) > (latest.changed_at, latest.op_id)
        assert bool(won) == expected
        if isinstance(won[0] if won else None, Tag):
            latest = await find(store, latest)
            assert latest.name == str(number)
    assert (await find(store, latest)).changed_at == latest.changed_at


async def test_a_chat_gives_all_it_had_to_the_one_it_is(store: MetadataStore) -> None:
    """Tags and notes are joined, the assignment goes along; the old one's are deleted."""
    for number in (1, 2, 3):
        await put(store, tag(number, f"t{number}"))
    for row in (chat_tag(1, LID), chat_tag(2, LID), chat_tag(2), chat_tag(3)):
        await put(store, row)
    await put(store, chat_tag(3, LID, deleted_at=1))
    await put(store, note(1, "old", LID))
    await put(store, note(2, "new"))
    await put(store, assignment(LID, assignee=BEN.id, priority=4))
    changed = await store.move_chat(LID, CHAT)
    tags = [row for row in await store.rows(ChatTag, "acme") if isinstance(row, ChatTag)]
    assert sorted((row.jid, row.tag) for row in tags) == [(CHAT.jid, uuid_of(n)) for n in (1, 2, 3)]
    assert sorted(row.body for row in await store.notes(CHAT, 10, None)) == ["new", "old"]
    assert await store.notes(LID, 10, None) == []
    has = await find(store, assignment())
    assert (has.assignee, has.priority) == (BEN.id, 4)
    assert not (await find(store, assignment(LID))).live
    for moved in changed:
        assert await find(store, moved) == moved
    assert all(row.live is (getattr(row, "jid", None) == CHAT.jid) for row in changed)
    assert len(changed) == 6
    assert await store.move_chat(LID, CHAT) == []


@pytest.mark.parametrize(
    ("old", "new", "holds"),
    [
        ({"assignee": ANA.id}, None, ANA.id),
        ({"assignee": ANA.id}, {"assignee": None}, ANA.id),
        ({"assignee": None}, {"assignee": BEN.id}, BEN.id),
        ({"assignee": ANA.id}, {"assignee": BEN.id}, BEN.id),
        ({"assignee": None}, {"assignee": BEN.id, "deleted_at": 1}, None),
    ],
)
async def test_of_two_assignments_one_holds(
    store: MetadataStore,
    clock: ManualClock,
    old: dict[str, Any],
    new: dict[str, Any] | None,
    holds: str | None,
) -> None:
    """The one that has somebody; of two that have, or have not, the newer."""
    await put(store, assignment(LID, **old))
    clock.forward(1)
    if new is not None:
        await put(store, assignment(**new))
    await store.move_chat(LID, CHAT)
    (has,) = await store.rows(Assignment, "acme")
    assert isinstance(has, Assignment)
    assert (has.jid, has.assignee) == (CHAT.jid, holds)


async def test_the_newer_assignment_holds_from_the_old_address_too(
    store: MetadataStore, clock: ManualClock
) -> None:
    """It is written at the new address as a change, with a higher version."""
    theirs = await put(store, assignment(assignee=BEN.id))
    clock.forward(1)
    await put(store, assignment(LID, assignee=ANA.id))
    await store.move_chat(LID, CHAT)
    has = await find(store, theirs)
    assert (has.assignee, has.version) == (ANA.id, 2)


async def test_what_comes_for_the_old_address_goes_to_the_new(store: MetadataStore) -> None:
    """Writes, claims and what was written elsewhere, also over two steps of joining."""
    await store.move_chat(LID, OTHER)
    await store.move_chat(OTHER, CHAT)
    written = await put(store, note(1, chat=LID))
    assert written.jid == CHAT.jid
    claimed = await store.claim(LID, ANA.id, ANA)
    assert claimed.jid == CHAT.jid
    row = note(2, chat=LID, op_id=uuid_of(9), changed_at=1, created_at=1, version=1)
    assert {getattr(moved, "jid", "") for moved in await store.merge([row])} == {
        LID.jid,
        CHAT.jid,
    }
    assert {found.id for found in await store.notes(CHAT, 10, None)} == {written.id, row.id}


async def test_two_chats_may_change_places(store: MetadataStore) -> None:
    """Joined the other way round, the last word holds and nothing goes in circles."""
    await put(store, note(1, chat=LID))
    await store.move_chat(LID, CHAT)
    await store.move_chat(CHAT, LID)
    assert len(await store.notes(LID, 10, None)) == 1
    assert (await put(store, note(2, chat=CHAT))).jid == LID.jid


async def test_a_chats_log_goes_along(store: MetadataStore) -> None:
    """The lines stay as they were written, and are found under the new address."""
    await put(store, note(1, chat=LID))
    await store.move_chat(LID, CHAT)
    lines = await store.activity(ActivityQuery("acme", chat=CHAT))
    assert [(line.action, line.jid) for line in lines] == [
        ("chat_merged", CHAT.jid),
        ("note_updated", LID.jid),
    ]
