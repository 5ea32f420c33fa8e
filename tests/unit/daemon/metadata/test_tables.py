from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from daemon.metadata.models import KINDS, Activity, Actor, AnyRow
from daemon.metadata.tables import (
    ACTIVITY,
    ACTIVITY_KEY,
    ACTIVITY_REMOTE,
    TABLES,
    columns,
    decode,
    encode,
    from_remote,
    from_values,
    table_of,
    to_remote,
    to_values,
)
from daemon.storage.database import Database
from tests.contract.metadata.rows import ANA, BEN, CHAT, KEY, chat_tag, note, reply, uuid_of
from tests.contract.metadata.test_writes import ROWS

WORKSPACE = "c0000000-0000-4000-8000-00000000000c"
MIGRATIONS = Path(__file__).parents[4] / "daemon" / "metadata" / "migrations"
ALL: list[AnyRow] = [*ROWS, chat_tag(), note(2, deleted_at=1_800_000_000_001)]
ALL = [
    msgspec.structs.replace(
        row,
        version=3,
        op_id=uuid_of(7),
        changed_at=1_800_000_000_123,
        created_at=1_800_000_000_000,
        updated_at=1_800_000_000_456,
    )
    for row in ALL
]
IDS = [f"{number}-{row.kind}" for number, row in enumerate(ALL)]


def remote_columns(name: str) -> set[str]:
    """Return the columns of a table of Supabase, as our migrations make it."""
    sql = "".join(path.read_text() for path in sorted(MIGRATIONS.glob("*.sql")))
    found = re.search(rf"create table public\.{name} \((.*?)\n\);", sql, re.DOTALL)
    assert found is not None, name
    return set(re.findall(r"^  ([a-z_]+) +(?!key)\S", found[1], re.MULTILINE))


def test_every_kind_has_its_table() -> None:
    """And every field of it a column."""
    assert set(TABLES) == set(KINDS.values())
    for shape, table in TABLES.items():
        stored = set(columns(table)) - {"actor_id", "actor_name", "actor_kind"} | {"actor"}
        assert stored == set(shape.__struct_fields__)
        assert table_of(shape.kind) is table


async def test_the_columns_are_those_of_the_database(database: Database) -> None:
    """None is missing on either side, and the keys are the keys."""
    for table in TABLES.values():
        found = await database.all(f"PRAGMA table_info({table.name})")
        assert {row["name"] for row in found} == set(columns(table))
        key = sorted((row["pk"], row["name"]) for row in found if row["pk"])
        assert tuple(name for _, name in key) == table.key


@pytest.mark.parametrize("row", ALL, ids=IDS)
def test_what_is_sent_are_columns_of_supabase(row: AnyRow) -> None:
    """The names are those of our own migrations; version and updated_at are left to them."""
    table = TABLES[type(row)]
    sent = to_remote(row, WORKSPACE)
    there = remote_columns(table.remote)
    assert set(sent) <= there
    assert set(table.remote_key) <= set(sent)
    assert not {"version", "updated_at"} & set(sent)
    msgspec.json.encode(sent)


def test_rows_of_a_kind_are_sent_with_the_same_columns() -> None:
    """One request carries many rows: what one lacked would become null in it."""
    for shape in TABLES:
        sent = [set(to_remote(row, WORKSPACE)) for row in ALL if type(row) is shape]
        assert sent
        assert all(names == sent[0] for names in sent)


@pytest.mark.parametrize("row", ALL, ids=IDS)
def test_a_row_goes_there_and_back(row: AnyRow) -> None:
    """What Supabase gives of what it was sent is the row, but for who is no user of it."""
    body = to_remote(row, WORKSPACE) | {"version": 3, "updated_at": "2027-01-15T08:00:00.456+00:00"}
    back = from_remote(row.kind, body, row.workspace, row.actor)
    expected = msgspec.structs.replace(row, author="") if row.actor is KEY else row
    assert back == expected


@pytest.mark.parametrize("row", ALL, ids=IDS)
def test_a_row_is_stored_and_found(row: AnyRow) -> None:
    """In the embedded database, and in the outbox."""
    table = TABLES[type(row)]
    assert from_values(table, dict(zip(columns(table), to_values(table, row), strict=True))) == row
    assert decode(row.kind, encode(row)) == row


def test_who_is_no_user_there_is_not_named_there() -> None:
    """The columns of people take users' ids; a key's or a console's is none."""
    sent = to_remote(note(1, author=KEY.id, actor=KEY), WORKSPACE)
    assert (sent["author_id"], sent["changed_by"]) == (None, None)
    sent = to_remote(chat_tag(actor=BEN), WORKSPACE)
    assert (sent["added_by"], sent["changed_by"]) == (BEN.id, BEN.id)
    impostor = Actor(id=ANA.id, name="a key of that name", kind="gateway")
    assert to_remote(chat_tag(actor=impostor), WORKSPACE)["changed_by"] is None


def test_what_others_write_may_name_no_operation() -> None:
    """A CRM that updates a row by hand sends neither op_id nor author; times come in any form."""
    body = to_remote(reply(1, "/hi"), WORKSPACE) | {
        "op_id": None,
        "version": 9,
        "changed_at": "2026-11-20 22:09:43.03+00",
        "updated_at": "2026-11-20T22:09:43.031234+00:00",
        "more": "columns of their own",
    }
    row = from_remote("quick_reply", body, "acme", ANA)
    assert (row.op_id, row.version) == ("", 9)
    assert (row.changed_at, row.updated_at) == (1_795_212_583_030, 1_795_212_583_031)


@pytest.mark.parametrize(
    "wrong", [{"shortcut": None}, {"version": "x"}, {"changed_at": "soon"}, {"body": 5}]
)
def test_what_cannot_be_a_row_is_refused(wrong: dict[str, object]) -> None:
    """It raises what its callers expect."""
    body = to_remote(reply(1, "/hi"), WORKSPACE) | {
        "version": 1,
        "updated_at": "2026-11-20T22:09:43+00:00",
    }
    with pytest.raises((msgspec.ValidationError, ValueError)):
        from_remote("quick_reply", body | wrong, "acme", ANA)


def test_a_line_of_the_log_is_sent_and_kept() -> None:
    """Its columns are those of the log there; it can be read from the outbox."""
    line = Activity("acme", uuid_of(1), 1_800_000_000_000, KEY, "claim", *CHAT[1:], {"a": [1]})
    assert decode(ACTIVITY, encode(line)) == line
    sent = to_remote(line, WORKSPACE)
    assert set(sent) == remote_columns(ACTIVITY_REMOTE)
    assert set(ACTIVITY_KEY) <= set(sent)
    assert (sent["actor_id"], sent["actor_name"], sent["at"]) == (
        None,
        "CRM key",
        "2027-01-15T08:00:00.000Z",
    )
