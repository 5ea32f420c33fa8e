from __future__ import annotations

import asyncio

import msgspec
import pytest

from daemon.metadata.models import (
    AnyRow,
    Assignment,
    ConversationStatus,
    Member,
    Note,
    Role,
    Tag,
)
from daemon.metadata.port import Change, MetadataStore, Refused, VersionConflict
from tests.contract.metadata.rows import (
    ANA,
    BEN,
    CHAT,
    KEY,
    assignment,
    chat_tag,
    find,
    note,
    put,
    reply,
    setting,
    tag,
)
from tests.unit.daemon.manual_clock import ManualClock

ROWS: list[AnyRow] = [
    assignment(
        assignee=BEN.id,
        assigned_by=ANA.id,
        status=ConversationStatus.SNOOZED,
        priority=-7,
        snoozed_until=1_800_000_600_000,
    ),
    tag(name="Größe 🇧🇷", color="#00ff7f", position=3),
    note(1, "Wants the blue one.\n— call on Monday", author=KEY.id, actor=KEY),
    reply(1, "/hello"),
    reply(2, "/mine", BEN.id),
    setting("inbox", {"columns": ["a", None, 1.5], "wide": True}, "user:" + ANA.id),
    setting("nothing", None),
    setting("flag", value=False),
    Member(
        workspace="acme",
        user=ANA.id,
        role=Role.SUPERVISOR,
        name="Ana Sá",
        permissions={"manage_tags": True, "sessions": {"s1": {"assign": False}}},
        sessions=("s1", "s2"),
        active=False,
        actor=BEN,
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join((row.kind, *row.key)))
async def test_a_row_is_read_as_it_was_written(store: MetadataStore, row: AnyRow) -> None:
    """Every field of every kind comes back, by its key and in the list."""
    stored = await put(store, row)
    for name in row.__struct_fields__:
        if name not in {"version", "op_id", "changed_at", "created_at", "updated_at"}:
            assert getattr(stored, name) == getattr(row, name)
    assert await find(store, row) == stored
    assert stored in await store.rows(type(row), "acme")


async def test_a_row_knows_its_version_and_its_times(
    store: MetadataStore, clock: ManualClock
) -> None:
    """Each write counts the version and names the operation; when it was made stays."""
    first = await put(store, tag())
    made_at = clock.now_ms()
    clock.forward(5)
    second = await put(store, tag(name="Gold"))
    assert [first.version, second.version] == [1, 2]
    assert first.op_id != second.op_id
    assert (first.created_at, first.changed_at, first.updated_at) == (made_at,) * 3
    assert (second.created_at, second.changed_at) == (made_at, made_at + 5000)


async def test_a_later_write_wins_though_the_clock_went_back(
    store: MetadataStore, clock: ManualClock
) -> None:
    """The last writer wins by changed_at: a write over a row is always later than that row."""
    first = await put(store, tag())
    clock.forward(-3600)
    second = await put(store, tag(name="Gold"))
    assert second.changed_at == first.changed_at + 1


async def test_a_deleted_row_keeps_its_place(store: MetadataStore, clock: ManualClock) -> None:
    """It leaves the lists, is found by its key with the time, and can be made again."""
    made = await put(store, tag())
    clock.forward(1)
    gone = await put(store, tag(deleted_at=1))
    assert gone.deleted_at == clock.now_ms()
    assert await store.rows(Tag, "acme") == []
    assert await find(store, made) == gone
    again = await put(store, tag(), expected=0)
    assert (again.deleted_at, again.version) == (None, 3)
    assert await store.rows(Tag, "acme") == [again]


async def test_what_never_was_is_not_found(store: MetadataStore) -> None:
    """There is no row and no list of what nobody wrote."""
    assert await store.row(Tag, "acme", tag().key) is None
    assert await store.rows(Assignment) == []


async def test_lists_are_oldest_first(store: MetadataStore, clock: ManualClock) -> None:
    """The order is that of making, not that of the last change."""
    for number, name in enumerate(("b", "a", "c"), start=1):
        await put(store, tag(10 - number, name))
        clock.forward(1)
    await put(store, tag(9, "z"))
    assert [row.name for row in await store.rows(Tag, "acme") if isinstance(row, Tag)] == [
        "z",
        "a",
        "c",
    ]


async def test_a_write_on_an_old_version_is_refused(store: MetadataStore) -> None:
    """Who expected another version is told the row as it is; nothing is changed."""
    await put(store, tag())
    second = await put(store, tag(name="Gold"), expected=1)
    with pytest.raises(VersionConflict) as caught:
        await put(store, tag(name="Silver"), expected=1)
    assert caught.value.current == second
    with pytest.raises(VersionConflict) as caught:
        await put(store, tag(), expected=0)
    assert caught.value.current == second
    assert await find(store, second) == second


async def test_a_version_of_what_is_gone_is_refused(store: MetadataStore) -> None:
    """Deleted or never there: there is no row to change."""
    with pytest.raises(VersionConflict) as caught:
        await put(store, tag(), expected=1)
    assert caught.value.current is None
    await put(store, tag())
    gone = await put(store, tag(deleted_at=1))
    with pytest.raises(VersionConflict) as caught:
        await put(store, tag(), expected=gone.version)
    assert caught.value.current is None


async def test_of_many_writers_of_one_version_one_wins(store: MetadataStore) -> None:
    """Writes that come together are checked one after the other."""
    await put(store, tag())
    results = await asyncio.gather(
        *(put(store, tag(name=f"n{number}"), expected=1) for number in range(20)),
        return_exceptions=True,
    )
    lost = [result for result in results if isinstance(result, VersionConflict)]
    (won,) = [result for result in results if isinstance(result, Tag)]
    assert len(lost) == 19
    assert await find(store, won) == won


async def test_changes_are_all_written_or_none(store: MetadataStore) -> None:
    """One that is refused takes the others of its write along, activity too."""
    with pytest.raises(Refused):
        await store.write(
            [
                Change(tag(1, "VIP"), "tag_updated"),
                Change(note(1), "note_updated"),
                Change(tag(2, "vip"), "tag_updated"),
            ]
        )
    assert await store.rows(Tag, "acme") == []
    assert await store.rows(Note, "acme") == []


async def test_one_write_may_change_a_row_twice(store: MetadataStore) -> None:
    """Changes of one write see those before them."""
    rows = await store.write(
        [Change(tag(), "tag_updated"), Change(tag(name="Gold"), "tag_updated", 1)]
    )
    assert [row.version for row in rows] == [1, 2]


@pytest.mark.parametrize("name", ["VIP", "vip", "ViP"])
async def test_two_tags_have_two_names(store: MetadataStore, name: str) -> None:
    """A name is in use in any case of its letters, until its tag is deleted or renamed."""
    await put(store, tag(1, "VIP"))
    with pytest.raises(Refused) as caught:
        await put(store, tag(2, name))
    assert caught.value.code == "name_taken"
    await put(store, tag(1, "VIP", color="#ffffff"))
    await put(store, tag(1, "Gold"))
    await put(store, tag(2, name))
    await put(store, tag(2, name, deleted_at=1))
    await put(store, tag(3, name))


async def test_names_differ_beyond_ascii(store: MetadataStore) -> None:
    """Letters with marks have cases too."""
    await put(store, tag(1, "Äpfel"))
    with pytest.raises(Refused, match="tag of that name"):
        await put(store, tag(2, "äPFEL"))


async def test_a_shortcut_is_somebodys_or_everybodys(store: MetadataStore) -> None:
    """One owner has one quick reply of a shortcut; others may have theirs."""
    await put(store, reply(1, "/hi"))
    await put(store, reply(2, "/hi", ANA.id))
    await put(store, reply(3, "/hi", BEN.id))
    for owner in (None, ANA.id):
        with pytest.raises(Refused) as caught:
            await put(store, reply(4, "/HI", owner))
        assert caught.value.code == "name_taken"
    with pytest.raises(Refused):
        await put(store, reply(2, "/hi"))


async def test_a_chat_takes_only_tags_that_there_are(store: MetadataStore) -> None:
    """Not one that never was, not one that was deleted, not one of another workspace."""
    for make in (None, tag(workspace="beta"), tag(deleted_at=1)):
        if make is not None:
            await put(store, make)
        with pytest.raises(Refused) as caught:
            await put(store, chat_tag())
        assert caught.value.code == "unknown_tag"
    await put(store, tag())
    put_on = await put(store, chat_tag())
    await put(store, tag(deleted_at=1))
    taken_off = await put(store, chat_tag(deleted_at=1), put_on.version)
    assert not taken_off.live


async def test_workspaces_do_not_see_each_other(store: MetadataStore) -> None:
    """The same keys in two workspaces are two rows."""
    mine, theirs = await put(store, tag()), await put(store, tag(workspace="beta", name="Other"))
    assert await store.rows(Tag, "acme") == [mine]
    assert await store.rows(Tag, "beta") == [theirs]
    assert {row.workspace for row in await store.rows(Tag)} == {"acme", "beta"}
    there = CHAT._replace(workspace="beta")
    await put(store, note(1))
    assert await store.notes(there, 10, None) == []
    await put(store, assignment(assignee=ANA.id))
    assert await store.row(Assignment, "beta", CHAT[1:]) is None


async def test_notes_are_paged_newest_first(store: MetadataStore, clock: ManualClock) -> None:
    """A page goes on where the one before ended, also among notes of one millisecond."""
    for number in range(7):
        await put(store, note(number))
        clock.forward(number % 2)
    gone = await put(store, note(3, deleted_at=1))
    seen: list[Note] = []
    before = None
    while page := await store.notes(CHAT, 2, before):
        seen += page
        before = (page[-1].created_at, page[-1].id)
    expected = [note(number).id for number in (6, 5, 4, 2, 1, 0)]
    assert sorted(row.id for row in seen) == sorted(expected)
    assert [(row.created_at, row.id) for row in seen] == sorted(
        ((row.created_at, row.id) for row in seen), reverse=True
    )
    assert gone.id not in {row.id for row in seen}


async def test_what_is_snoozed_is_due_in_its_time(store: MetadataStore, clock: ManualClock) -> None:
    """Only what is snoozed, in the order in which it is due, as many as asked for."""
    now = clock.now_ms()
    for number, (status, until) in enumerate(
        [("snoozed", now + 2000), ("snoozed", now + 1000), ("open", now + 1000), ("snoozed", None)]
    ):
        chat = CHAT._replace(jid=f"551199999000{number}@s.whatsapp.net")
        row = assignment(chat, status=ConversationStatus(status), snoozed_until=until)
        await put(store, row)
    assert await store.due(now) == []
    due = await store.due(now + 2000)
    assert [row.snoozed_until for row in due] == [now + 1000, now + 2000]
    assert await store.due(now + 2000, limit=1) == due[:1]
    await put(store, msgspec.structs.replace(due[0], deleted_at=1))
    assert await store.due(now + 1000) == []
