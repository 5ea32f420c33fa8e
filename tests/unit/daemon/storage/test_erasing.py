"""What is deleted from the embedded database and from the device's file leaves no copy."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import aiosqlite
import pytest
from msgspec.structs import replace

from daemon.metadata.erasing import erase
from daemon.metadata.models import ChatTag, Note
from daemon.metadata.port import Change
from daemon.metadata.sqlite import SqliteMetadata
from daemon.storage import device_store
from daemon.storage.database import Database
from daemon.storage.device_store import count_in
from daemon.storage.known_chats import SqliteKnownChats
from daemon.storage.sends import SqliteSendJournal
from daemon.storage.workspaces import WorkspaceStore
from sessions.ids import SessionKey
from sessions.models import rewrite_head
from tests.unit.daemon.manual_clock import ManualClock
from tests.unit.daemon.storage.rows import add_session, send

KEY = SessionKey("acme", "s1")
ANA, BOB = "5511999990000@s.whatsapp.net", "5521988887777@s.whatsapp.net"
LID = "123456789012345@lid"
HERS = frozenset({ANA, LID})


@pytest.fixture
async def ready(database: Database, workspaces: WorkspaceStore) -> Database:
    """Return a database with one session in each workspace."""
    await add_session(database, "acme")
    await add_session(database, "beta")
    return database


def residue(data_dir: Path, text: str) -> int:
    """Return how often the text is in the database's files, free pages and log included."""
    return sum(count_in(path, text.encode()) for path in data_dir.iterdir() if path.is_file())


@pytest.mark.parametrize("seed", [0, 2, 3, 4])
async def test_a_scrubbed_file_holds_nothing_of_what_was_deleted(
    database: Database, data_dir: Path, seed: int
) -> None:
    """Though SQLite had moved rows between pages, and left copies in the gaps where they were.

    With each of these seeds some are left by ``secure_delete`` alone.
    """
    order = random.Random(seed)  # noqa: S311 - a workload, no secret
    names = [f"55119{n:08d}" for n in range(3000)]
    order.shuffle(names)
    for start in range(0, 3000, 100):
        rows = [(name, "x" * order.randrange(300)) for name in names[start : start + 100]]
        await many(database, "INSERT INTO meta VALUES(?, ?)", rows)
    gone = order.sample(names, 300)
    await many(database, "DELETE FROM meta WHERE key = ?", [(name,) for name in gone])
    await database.scrub()
    assert [name for name in gone if residue(data_dir, name)] == []
    assert len(await database.all("SELECT 1 FROM meta")) == 2700


async def many(database: Database, sql: str, values: Sequence[tuple[str, ...]]) -> None:
    """Run a statement with each of the values, in one transaction."""

    async def job(connection: aiosqlite.Connection) -> None:
        await connection.executemany(sql, values)

    await database.write(job)


async def test_a_scrub_waits_for_no_writer_and_loses_none(ready: Database) -> None:
    """Writes that are handed over meanwhile are done after it."""
    sql = "INSERT INTO meta VALUES(?, ?)"
    writes = []
    for number in range(20):

        async def job(connection: aiosqlite.Connection, number: int = number) -> None:
            await connection.execute(sql, (f"k{number}", "v"))

        writes.append(ready.submit(job))
        if number == 10:
            await ready.scrub()
    for write in writes:
        await write
    found = await ready.all("SELECT count(*) AS n FROM meta WHERE value = 'v'")
    assert found[0]["n"] == 20


async def test_an_erased_chat_is_new_again(ready: Database) -> None:
    """Whether it was loaded, added since, or not on disk yet; another's is known on."""
    first = await SqliteKnownChats.load(ready)
    first.add("acme", "s1", ANA)
    first.add("beta", "s1", ANA)
    await first.close()
    known = await SqliteKnownChats.load(ready)
    known.add("acme", "s1", LID)
    assert await known.erase(KEY, HERS) == 2
    assert known.add("acme", "s1", ANA)
    assert known.add("acme", "s1", LID)
    assert not known.add("beta", "s1", ANA)
    await known.close()


async def test_sends_go_and_quotations_of_the_person_too(
    ready: Database, clock: ManualClock
) -> None:
    """With their keys; a send to somebody else stays, without what it quoted."""
    journal = SqliteSendJournal(ready, clock)
    head = b'{"id":"m2","reply_to":{"sender":"%s","text":"her words"}' % ANA.encode()
    hers = replace(send(message="m1", key="k1"), chat=ANA)
    quoting = replace(
        send(message="m2"),
        chat=BOB,
        head=head,
        reply_wa_id="W",
        reply_sender=ANA,
        reply_text="her words",
    )
    other = replace(send(workspace="beta", message="m3", key="k1"), chat=ANA)
    for row in (hers, quoting, other):
        await journal.accept(row)
    assert await journal.erase(KEY, HERS) == {"sends": 1, "quotations": 1}
    assert await journal.find("acme", "s1", "k1") is None
    assert await journal.find("beta", "s1", "k1") is not None
    (left,) = [row for row in await journal.unfinished() if row.workspace == "acme"]
    assert (left.reply_wa_id, left.reply_sender, left.reply_text) == (None, None, None)
    assert left.head == rewrite_head(head, reply_to=None)


async def test_metadata_goes_for_good(ready: Database, clock: ManualClock) -> None:
    """Rows, their lines of the log, and what waits for Supabase; of this chat only."""
    store = SqliteMetadata(ready, clock, outbox=True)
    for place, (workspace, jid) in enumerate((("acme", ANA), ("acme", BOB), ("beta", ANA))):
        note = Note(
            workspace=workspace, session="s1", jid=jid, id=f"n{place}", author="x", body="b"
        )
        await store.write([Change(note, "note.created")])
    counts = await erase(ready, KEY, HERS)
    assert {name: count for name, count in counts.items() if count} == {
        "notes": 1,
        "activity": 1,
        "outbox": 2,
    }
    for table in ("notes", "activity"):
        rows = await ready.all(f"SELECT workspace, jid FROM {table} ORDER BY workspace")  # noqa: S608 - our own names
        assert [tuple(row) for row in rows] == [("acme", BOB), ("beta", ANA)]
    notes = [note for note in await store.rows(Note) if isinstance(note, Note)]
    assert [note.jid for note in notes] == [BOB, ANA]
    assert await store.rows(ChatTag) == []


def device(folder: Path) -> Path:
    """Make a file as the library has it, with Ana, Bob and the account itself in it."""
    folder.mkdir()
    path = folder / device_store.FILE
    with closing(sqlite3.connect(path)) as connection:
        for statement in (
            "PRAGMA journal_mode = WAL",
            "CREATE TABLE whatsmeow_device(jid TEXT, lid TEXT)",
            "CREATE TABLE whatsmeow_contacts(our_jid TEXT, their_jid TEXT, push_name TEXT)",
            "CREATE TABLE whatsmeow_sessions(our_jid TEXT, their_id TEXT, session BLOB)",
            "CREATE TABLE whatsmeow_sender_keys(our_jid TEXT, chat_id TEXT, sender_id TEXT)",
            "CREATE TABLE whatsmeow_lid_map(lid TEXT, pn TEXT)",
        ):
            connection.execute(statement)
        own = "5511900000001:1@s.whatsapp.net"
        rows: dict[str, list[tuple[str, ...]]] = {
            "whatsmeow_device": [(own, "100000000000001:1@lid")],
            "whatsmeow_contacts": [(own, ANA, "Ana"), (own, LID, "Ana"), (own, BOB, "Bob")],
            "whatsmeow_sessions": [
                (own, "123456789012345_1:0", "s"),
                (own, "5511999990000:3", "s"),
                (own, "55119999900001:0", "somebody whose number begins with hers"),
            ],
            "whatsmeow_sender_keys": [(own, "120363@g.us", "123456789012345_1:7")],
            "whatsmeow_lid_map": [("123456789012345", "5511999990000"), ("9", "8")],
        }
        for table, values in rows.items():
            marks = ", ".join("?" * len(values[0]))
            connection.executemany(f"INSERT INTO {table} VALUES({marks})", values)
        connection.commit()
    return path


def test_the_device_forgets_a_person_by_each_address(tmp_path: Path) -> None:
    """Devices of theirs and group keys too; who only has a similar number stays."""
    path = device(tmp_path / "store")
    assert device_store.addresses(path.parent, ANA) == set(HERS)
    assert device_store.scrub(path.parent, HERS) == {
        "whatsmeow_contacts": 2,
        "whatsmeow_sessions": 2,
        "whatsmeow_sender_keys": 1,
        "whatsmeow_lid_map": 1,
        "left": 1,  # the longer number holds hers
    }
    with closing(sqlite3.connect(path)) as connection:
        (session,) = connection.execute("SELECT their_id FROM whatsmeow_sessions").fetchall()
        assert session == ("55119999900001:0",)
        assert connection.execute("SELECT count(*) FROM whatsmeow_device").fetchone() == (1,)
    assert count_in(path, b"123456789012345") == 0
    assert device_store.scrub(tmp_path / "nowhere", HERS) == {}


def test_bytes_are_found_wherever_they_are_cut(tmp_path: Path) -> None:
    """Also across the pieces in which a file is read."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * ((1 << 20) - 3) + b"needle" + b"y" * 10 + b"needle")
    assert count_in(path, b"needle") == 2
