from __future__ import annotations

import asyncio

import aiosqlite
import pytest
import pytest_asyncio

from daemon.metadata.models import KINDS, AnyRow, Tag
from daemon.metadata.port import Change, Refused
from daemon.metadata.sqlite import SqliteMetadata
from daemon.metadata.tables import ACTIVITY, decode
from daemon.storage.database import Database
from daemon.storage.failures import StorageError
from daemon.storage.outbox import Outbox
from daemon.storage.workspaces import WorkspaceStore
from tests.contract.metadata.rows import (
    ANA,
    CHAT,
    KEY,
    LID,
    assignment,
    chat_tag,
    find,
    members,
    note,
    put,
    reply,
    tag,
    uuid_of,
)
from tests.unit.daemon.manual_clock import ManualClock

STRANGER = uuid_of(404)


@pytest.fixture
def outbox(database: Database, clock: ManualClock) -> Outbox:
    """Return what waits for Supabase."""
    return Outbox(database, clock)


@pytest_asyncio.fixture
async def store(
    database: Database, clock: ManualClock, outbox: Outbox, workspaces: WorkspaceStore
) -> SqliteMetadata:
    """Return a store with an outbox, in which nothing waits, and two members."""
    assert await workspaces.find("acme") is not None
    made = SqliteMetadata(database, clock, outbox=True)
    await made.write(members("acme"))
    for kind in (*KINDS, ACTIVITY):
        await outbox.ack(await outbox.take(kind, 100))
    return made


async def waiting(outbox: Outbox, kind: str) -> list[AnyRow]:
    """Return the rows of a kind that wait."""
    return [decode(kind, item.doc) for item in await outbox.take(kind, 100)]  # type: ignore[misc]  # no line of the log is asked for


pytestmark = pytest.mark.usefixtures("workspaces")


async def test_what_is_written_waits_to_be_sent(store: SqliteMetadata, outbox: Outbox) -> None:
    """The row as stored, once however often it was written; each line of the log."""
    await put(store, tag())
    await put(store, tag(name="Silver"))
    last = await put(store, tag(name="Gold"))
    assert await waiting(outbox, "tag") == [last]
    lines = await outbox.take(ACTIVITY, 100)
    assert [item.key for item in lines] == sorted(item.key for item in lines)
    assert len(lines) == 3
    (item,) = await outbox.take("tag", 10)
    assert (item.workspace, item.key, item.op_id) == ("acme", f'["{last.key[0]}"]', last.op_id)


async def test_what_was_written_elsewhere_is_not_sent_back(
    store: SqliteMetadata, outbox: Outbox
) -> None:
    """Nor is a line logged, unless it is asked for."""
    row = tag(op_id=uuid_of(1), changed_at=5, version=1)
    await store.merge([row])
    assert (await outbox.counts()).pending == 0
    await store.merge([tag(name="x", op_id=uuid_of(2), changed_at=6)], action="tag_updated")
    assert await waiting(outbox, "tag") == []
    assert len(await outbox.take(ACTIVITY, 10)) == 1


async def test_a_moved_chat_is_sent(store: SqliteMetadata, outbox: Outbox) -> None:
    """Both the rows of the new address and the deletions of the old."""
    await put(store, tag())
    await put(store, chat_tag(1, LID))
    await put(store, assignment(LID, assignee=ANA.id))
    await store.move_chat(LID, CHAT)
    for kind in ("chat_tag", "assignment"):
        rows = await waiting(outbox, kind)
        assert {(getattr(row, "jid", ""), row.live) for row in rows} == {
            (CHAT.jid, True),
            (LID.jid, False),
        }


async def test_what_is_refused_is_not_sent(store: SqliteMetadata, outbox: Outbox) -> None:
    """The outbox has what the database has, no more."""
    await put(store, tag(1))
    before = await outbox.counts()
    with pytest.raises(Refused):
        await store.write([Change(note(1), "note_added"), Change(tag(2), "tag_added")])
    assert await outbox.counts() == before


@pytest.mark.parametrize(
    "row",
    [
        assignment(assignee=STRANGER),
        assignment(assignee="key:3f"),
        reply(1, "/hi", STRANGER),
        note(1, author=STRANGER),
    ],
    ids=["assignee", "no user", "owner", "author"],
)
async def test_with_supabase_people_are_members(store: SqliteMetadata, row: AnyRow) -> None:
    """Supabase would refuse the row for ever; here it is refused at once."""
    with pytest.raises(Refused) as caught:
        await put(store, row)
    assert caught.value.code == "unknown_member"
    assert await store.row(type(row), "acme", row.key) is None


async def test_with_supabase_a_key_may_write_notes(store: SqliteMetadata) -> None:
    """Whoever is no user of the project is not named there."""
    stored = await put(store, note(1, author=KEY.id, actor=KEY))
    assert await find(store, stored) == stored


async def test_a_claim_for_a_stranger_is_refused(store: SqliteMetadata) -> None:
    """And a chat that was given can be taken back, whoever has it."""
    with pytest.raises(Refused):
        await store.claim(CHAT, STRANGER, ANA)
    await store.claim(CHAT, ANA.id, ANA)
    await put(store, assignment(assignee=None))


async def test_a_workspace_that_is_not_there_has_no_rows(
    database: Database, clock: ManualClock
) -> None:
    """Writing to it fails, whoever asks."""
    with pytest.raises(StorageError):
        await put(SqliteMetadata(database, clock), tag(workspace="nowhere"))


async def test_writes_that_come_together_share_transactions(
    database: Database, clock: ManualClock
) -> None:
    """A hundred at once wait for a few commits, not for a hundred."""
    store = SqliteMetadata(database, clock, outbox=True)
    begun: list[str] = []

    async def watch(connection: aiosqlite.Connection) -> None:
        await connection.set_trace_callback(begun.append)

    await database.write(watch)
    begun.clear()
    await asyncio.gather(*(put(store, tag(number, f"t{number}")) for number in range(100)))
    assert begun.count("BEGIN IMMEDIATE") <= 2
    assert len(await store.rows(Tag, "acme")) == 100
