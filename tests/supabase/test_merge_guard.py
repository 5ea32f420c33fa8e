"""The rule for rows that several write: sent twice is once, late is too late, plain is now.

The gateway sends what its outbox holds, as the Data API's upserts; the CRM updates as it likes.
"""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.supabase.api import Api, Row, signed_in
from tests.supabase.rig import Rig, Tenant
from tests.supabase.samples import KEYS, LOOT, SAMPLES, fill, sample

GUARDED = [table for table in SAMPLES if table != "activity_log" and not table.endswith("_history")]
each_table = pytest.mark.parametrize("table", GUARDED)


@pytest.fixture(scope="module")
def tenant(rig: Rig) -> Tenant:
    """Give a workspace with a row in every table."""
    made = rig.add_tenant("main", role="owner")
    fill(rig, made)
    return made


def at(seconds: float) -> str:
    """Return a time as the gateway sends it, this far from now."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def operation(row: Row, seconds: float, **values: object) -> Row:
    """Return the row as one operation of an outbox, meant this far from now."""
    return (
        row | values | {"op_id": str(uuid.uuid4()), "changed_at": at(seconds), "deleted_at": None}
    )


def stored(rig: Rig, table: str, row: Row) -> Row:
    """Return the row as it is."""
    where = " and ".join(f"{name} = '{row[name]}'" for name in KEYS[table])
    (found,) = rig.rows(f"select * from {table} where {where}")  # noqa: S608 - the tests' own
    return found


def sends(gateway: Api, table: str, row: Row) -> list[Row]:
    """Upsert as the gateway does; return what was written."""
    answer = gateway.upsert(table, row, *KEYS[table])
    assert answer.code is None, answer
    return answer.rows


@each_table
def test_an_operation_that_is_sent_again_changes_nothing(
    rig: Rig, tenant: Tenant, table: str
) -> None:
    """Its answer was lost: the second time the row stays as it is, times and version too."""
    row = operation(sample(rig, table, tenant), -60)
    with signed_in(rig) as gateway:
        assert len(sends(gateway, table, row)) == 1
        first = stored(rig, table, row)
        assert sends(gateway, table, row) == []
        assert stored(rig, table, row) == first
        changed = operation(row, -30, **LOOT[table])
        assert len(sends(gateway, table, changed)) == 1
        second = stored(rig, table, row)
        assert sends(gateway, table, changed) == []
        assert stored(rig, table, row) == second
    assert (first["version"], second["version"]) == (1, 2)
    assert second["op_id"] == changed["op_id"]
    assert second["updated_at"] > first["updated_at"]
    assert second["created_at"] == first["created_at"]


@each_table
def test_a_write_that_comes_late_is_dropped(rig: Rig, tenant: Tenant, table: str) -> None:
    """It waited in an outbox while somebody changed the row: the newer value stays."""
    row = operation(sample(rig, table, tenant), -3600)
    with signed_in(rig) as gateway:
        sends(gateway, table, row)
        sends(gateway, table, operation(row, -60, **LOOT[table]))
        newest = stored(rig, table, row)
        assert sends(gateway, table, operation(row, -120)) == []
    assert stored(rig, table, row) == newest


def test_a_plain_update_of_the_crm_is_stamped(rig: Rig, tenant: Tenant) -> None:
    """Who sends neither op_id nor changed_at writes now, and wins over what was meant before."""
    row = operation(sample(rig, "chat_assignments", tenant), -60)
    found = {name: f"eq.{row[name]}" for name in KEYS["chat_assignments"]}
    with signed_in(rig) as gateway, signed_in(rig, tenant.token) as crm:
        sends(gateway, "chat_assignments", row)
        (plain,) = crm.update("chat_assignments", {"status": "closed"}, **found).rows
        assert (plain["op_id"], plain["changed_by"]) == (None, tenant.user)
        assert plain["version"] == 2
        age = time.time() - datetime.fromisoformat(plain["changed_at"]).timestamp()  # noqa: TID251 - the server's clock is the real one
        assert 0 <= age < 10
        assert sends(gateway, "chat_assignments", operation(row, -30, status="pending")) == []
        assert stored(rig, "chat_assignments", row)["status"] == "closed"
        sends(gateway, "chat_assignments", operation(row, 0, status="pending"))
    assert stored(rig, "chat_assignments", row)["status"] == "pending"


def test_an_update_that_changes_nothing_makes_no_version(rig: Rig, tenant: Tenant) -> None:
    """The CRM saves a form that nobody touched."""
    row = sample(rig, "tags", tenant)
    with signed_in(rig, tenant.token) as crm:
        crm.insert("tags", row)
        assert crm.update("tags", {"name": row["name"]}, id=f"eq.{row['id']}").rows == []
    assert stored(rig, "tags", row)["version"] == 1


def test_a_time_alone_is_an_operation_without_a_name(rig: Rig, tenant: Tenant) -> None:
    """What stands in op_id is the operation's before: it must not pass as that one's doing."""
    row = operation(sample(rig, "tags", tenant), -60)
    with signed_in(rig) as gateway, signed_in(rig, tenant.token) as crm:
        sends(gateway, "tags", row)
        values = {"color": "#123456", "changed_at": at(-1)}
        (changed,) = crm.update("tags", values, id=f"eq.{row['id']}").rows
        assert (changed["op_id"], changed["version"], changed["color"]) == (None, 2, "#123456")


def test_a_conditional_update_without_a_time_is_now(rig: Rig, tenant: Tenant) -> None:
    """A claim compares and sets: it must not lose to its own clock's being behind."""
    row = operation(sample(rig, "chat_assignments", tenant), -60, assignee_id=None)
    found = {name: f"eq.{row[name]}" for name in KEYS["chat_assignments"]}
    claim = {"assignee_id": tenant.user, "op_id": str(uuid.uuid4())}
    with signed_in(rig) as gateway:
        sends(gateway, "chat_assignments", row)
        mine = gateway.update("chat_assignments", claim, **found, assignee_id="is.null").rows
        again = gateway.update("chat_assignments", claim, **found, assignee_id="is.null").rows
    assert ([item["op_id"] for item in mine], again) == ([claim["op_id"]], [])
    assert mine[0]["changed_at"] > row["changed_at"]


def test_a_clock_that_is_ahead_does_not_win_for_ever(rig: Rig, tenant: Tenant) -> None:
    """A time in the future becomes now; sent again, it is still the same operation."""
    row = operation(sample(rig, "tags", tenant), 86_400, created_at=at(86_400))
    with signed_in(rig) as gateway, signed_in(rig, tenant.token) as crm:
        sends(gateway, "tags", row)
        ahead = operation(row, 86_400, color="#111111")
        sends(gateway, "tags", ahead)
        assert sends(gateway, "tags", ahead) == []
        after = crm.update("tags", {"color": "#222222"}, id=f"eq.{row['id']}").rows
    assert [item["color"] for item in after] == ["#222222"]
    assert datetime.fromisoformat(after[0]["created_at"]) < datetime.now(UTC) + timedelta(minutes=1)


def test_a_row_that_was_deleted_comes_back(rig: Rig, tenant: Tenant) -> None:
    """A tag is taken off a chat and put on again: the same row, each time a version."""
    row = operation(sample(rig, "chat_tags", tenant), -60)
    with signed_in(rig) as gateway:
        sends(gateway, "chat_tags", row)
        sends(gateway, "chat_tags", operation(row, -50) | {"deleted_at": at(-50)})
        assert stored(rig, "chat_tags", row)["deleted_at"] is not None
        sends(gateway, "chat_tags", operation(row, -40))
    final = stored(rig, "chat_tags", row)
    assert (final["deleted_at"], final["version"]) == (None, 3)


def test_a_line_of_the_log_is_stored_once(rig: Rig, tenant: Tenant) -> None:
    """Sent again it is left alone; changed it cannot be, not even by the gateway."""
    row = sample(rig, "activity_log", tenant)
    with signed_in(rig) as gateway:
        assert gateway.insert("activity_log", row).status == 201
        assert gateway.insert("activity_log", row).code == "23505"
        assert gateway.update("activity_log", {"action": "x"}, id=f"eq.{row['id']}").code == "42501"


@pytest.mark.parametrize(
    ("table", "values", "code"),
    [
        ("tags", {"color": "red"}, "23514"),
        ("tags", {"name": ""}, "23514"),
        ("chat_assignments", {"status": "asleep"}, "23514"),
        ("chat_assignments", {"priority": 101}, "23514"),
        ("chat_assignments", {"session_id": "nowhere"}, "23503"),
        ("chat_notes", {"body": ""}, "23514"),
        ("quick_replies", {"shortcut": "two words"}, "23514"),
        ("settings", {"scope": "everybody"}, "23514"),
        ("whatsapp_sessions", {"status": "happy"}, "23514"),
        ("whatsapp_sessions", {"id": "With Space"}, "23514"),
        ("workspace_members", {"role": "king"}, "23514"),
        ("workspace_members", {"user_id": str(uuid.uuid4())}, "23503"),
    ],
)
def test_what_cannot_be_is_refused(
    rig: Rig, tenant: Tenant, table: str, values: dict[str, Any], code: str
) -> None:
    """The database holds its own rules, whoever writes."""
    with signed_in(rig) as gateway:
        assert gateway.insert(table, sample(rig, table, tenant) | values).code == code
