"""Two tenants in one project: whatever one asks of the Data API, the other's rows stay theirs.

The thief owns a workspace of their own: nobody inside a tenant has more rights. Each attempt
stands beside one on their own rows that succeeds, where anybody may do that at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.supabase.api import Api, signed_in
from tests.supabase.rig import Rig, Tenant, literal
from tests.supabase.samples import KEYS, LOOT, TABLES, Row, fill, sample, tenancy

#: What nobody may write with a token of their own, whichever tenant's it is.
GATEWAYS_OWN = frozenset(
    {
        *("whatsapp_sessions", "activity_log"),
        *("messages_history", "chats_history", "contacts_history"),
    }
)
DENIED = "42501"

each_table = pytest.mark.parametrize("table", TABLES)


class Scene(NamedTuple):
    """The thief, signed in, and the victim."""

    rig: Rig
    thief: Tenant
    victim: Tenant
    api: Api

    def stored(self, table: str, tenant: Tenant) -> list[Row]:
        """Return all rows that a tenant has in a table."""
        column, workspace = tenancy(table), literal(tenant.workspace)
        keys = ", ".join(KEYS[table])
        return self.rig.rows(f"select * from {table} where {column} = {workspace} order by {keys}")  # noqa: S608 - the tests' own


@pytest.fixture(scope="module")
def scene(rig: Rig) -> Iterator[Scene]:
    """Give two tenants with a row in every table."""
    thief, victim = rig.add_tenant("main", role="owner"), rig.add_tenant("main", role="owner")
    fill(rig, thief)
    fill(rig, victim)
    with signed_in(rig, thief.token) as api:
        yield Scene(rig, thief, victim, api)


def of(row: Row, table: str) -> dict[str, str]:
    """Return the filters that find exactly this row."""
    return {name: f"eq.{row[name]}" for name in KEYS[table]}


def test_no_table_is_forgotten(scene: Scene) -> None:
    """What the migrations make is what these tests go through, and RLS is on everywhere."""
    found = scene.rig.rows(
        "select relname as name, relrowsecurity as is_on from pg_class "
        "where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')"
    )
    assert {row["name"] for row in found} == set(TABLES) == set(LOOT) == set(KEYS)
    assert all(row["is_on"] for row in found)


@each_table
def test_nothing_of_the_other_is_read(scene: Scene, table: str) -> None:
    """Neither by asking for it nor by asking for all; one's own rows are there."""
    theirs = scene.stored(table, scene.victim)
    assert theirs
    column = tenancy(table)
    asked = scene.api.read(table, **{column: f"eq.{scene.victim.workspace}"})
    assert (asked.rows, asked.count) == ([], "0")
    assert scene.api.read(table, **of(theirs[0], table)).rows == []
    everything = scene.api.read(table)
    assert {row[column] for row in everything.rows} == {scene.thief.workspace}
    assert everything.count == str(len(scene.stored(table, scene.thief)))


@each_table
def test_nothing_is_put_into_the_others_workspace(scene: Scene, table: str) -> None:
    """An insert is refused; into one's own workspace it goes, where people may insert at all."""
    if table == "workspaces":
        assert scene.api.insert(table, {"slug": "a-new-one", "name": "x"}).code == DENIED
        return
    before = scene.stored(table, scene.victim)
    assert scene.api.insert(table, sample(scene.rig, table, scene.victim)).code == DENIED
    assert scene.stored(table, scene.victim) == before
    own = scene.api.insert(table, sample(scene.rig, table, scene.thief))
    people_may = table not in GATEWAYS_OWN | {"workspace_members"}
    assert own.status == (201 if people_may else 403), own


@each_table
def test_nothing_of_the_other_is_changed(scene: Scene, table: str) -> None:
    """An update finds nothing or is refused, by key and by workspace; one's own is changed."""
    before = scene.stored(table, scene.victim)
    column = tenancy(table)
    for filters in (of(before[0], table), {column: f"eq.{scene.victim.workspace}"}):
        assert scene.api.update(table, LOOT[table], **filters).rows == []
        assert scene.stored(table, scene.victim) == before
    own = scene.api.update(table, LOOT[table], **of(scene.stored(table, scene.thief)[0], table))
    assert bool(own.rows) == (table not in GATEWAYS_OWN), own


@each_table
def test_an_upsert_does_not_overwrite_the_others(scene: Scene, table: str) -> None:
    """A row with the other's key is refused, also with the thief's own workspace in it."""
    before = scene.stored(table, scene.victim)
    stolen = {name: before[0][name] for name in KEYS[table]} | LOOT[table]
    if table == "chat_notes":
        stolen |= {"author_id": scene.thief.user, "session_id": "main", "chat_jid": "1@lid"}
    if table in {"tags", "workspaces"}:
        stolen["name"] = "mine now"
    if table == "quick_replies":
        stolen["shortcut"] = "mine"
    answer = scene.api.upsert(table, stolen, *KEYS[table])
    assert answer.code in {DENIED, "23502"}, answer
    assert scene.stored(table, scene.victim) == before


@each_table
def test_nothing_is_deleted(scene: Scene, table: str) -> None:
    """Neither the other's nor one's own: to delete is to set deleted_at."""
    for tenant in (scene.victim, scene.thief):
        before = scene.stored(table, tenant)
        answer = scene.api.delete(table, **{tenancy(table): f"eq.{tenant.workspace}"})
        assert answer.code == DENIED
        assert scene.stored(table, tenant) == before


@pytest.mark.parametrize("table", [name for name in TABLES if name != "workspaces"])
def test_no_row_moves_to_another_workspace(scene: Scene, table: str) -> None:
    """Out of one's own workspace nothing is pushed into the other's."""
    own = scene.stored(table, scene.thief)[0]
    before = scene.stored(table, scene.victim)
    answer = scene.api.update(table, {"workspace_id": scene.victim.workspace}, **of(own, table))
    assert answer.status >= 400, answer
    assert scene.stored(table, scene.victim) == before
    assert own in scene.stored(table, scene.thief)


@pytest.mark.parametrize(
    "table", [name for name in TABLES if name not in GATEWAYS_OWN | {"workspaces"}]
)
def test_not_even_the_gateway_moves_a_row(scene: Scene, table: str) -> None:
    """The secret key passes all policies; that a row stays in its workspace is the trigger's."""
    own = scene.stored(table, scene.thief)[0]
    with signed_in(scene.rig) as gateway:
        answer = gateway.update(table, {"workspace_id": scene.victim.workspace}, **of(own, table))
    assert answer.code == "22023", answer


@pytest.mark.parametrize(
    ("table", "column"),
    [("chat_assignments", "assignee_id"), ("chat_tags", "tag_id")],
)
def test_no_row_refers_to_the_others(scene: Scene, table: str, column: str) -> None:
    """A colleague or a tag of the other workspace is not there in one's own."""
    row = sample(scene.rig, table, scene.thief)
    theirs = scene.stored(table, scene.victim)[0][column]
    assert scene.api.insert(table, row | {column: theirs}).code == "23503"
    assert scene.api.insert(table, row).status == 201


def test_nothing_leaks_by_embedding(scene: Scene) -> None:
    """Rows that hang on rows are held back like those that are asked for."""
    answer = scene.api.read("workspaces", select="id,settings(*),workspace_members(*)")
    (workspace,) = answer.rows
    assert workspace["id"] == scene.thief.workspace
    assert workspace["settings"]
    assert workspace["workspace_members"]
    assert scene.victim.workspace not in str(workspace)


@each_table
def test_who_has_not_signed_in_gets_nothing(scene: Scene, table: str) -> None:
    """The public key alone opens no table, for nothing."""
    before = scene.stored(table, scene.victim)
    loot, own = LOOT[table], {tenancy(table): f"eq.{scene.victim.workspace}"}
    row = {name: value for name, value in before[0].items() if name != "words"}  # generated
    with signed_in(scene.rig, key=scene.rig.publishable_key) as anybody:
        answers = [
            anybody.read(table),
            anybody.insert(table, row),
            anybody.update(table, loot, **own),
            anybody.delete(table, **own),
            anybody.upsert(table, row, *KEYS[table]),
        ]
    assert [answer.code for answer in answers] == [DENIED] * len(answers)
    assert scene.stored(table, scene.victim) == before


@each_table
def test_a_stranger_of_the_project_sees_nothing(scene: Scene, table: str) -> None:
    """A user without a membership reads no row."""
    token = scene.rig.user_token(scene.rig.add_user())
    with signed_in(scene.rig, token) as stranger:
        answer = stranger.read(table)
    assert (answer.status, answer.rows) == (200, [])


@pytest.mark.parametrize(
    "end",
    [
        "update workspace_members set active = false where user_id = {user}",
        "update workspace_members set deleted_at = now() where user_id = {user}",
        "update workspaces set deleted_at = now() where id = {workspace}",
        "delete from auth.users where id = {user}",
        "update workspace_members set permissions = '{{\"view\": false}}' where user_id = {user}",
    ],
    ids=["inactive", "removed", "workspace_gone", "user_gone", "may_not_view"],
)
def test_who_is_no_member_any_more_sees_nothing(rig: Rig, end: str) -> None:
    """However a membership ends: nothing is read and nothing written from then on."""
    tenant = rig.add_tenant("main", role="owner")
    fill(rig, tenant)
    with signed_in(rig, tenant.token) as api:
        assert all(api.read(table).rows for table in TABLES)
        rig.sql(end.format(user=literal(tenant.user), workspace=literal(tenant.workspace)))
        if "auth.users" in end:
            rig.put("auth.users", id=tenant.user)  # the rig knows no token without its user
        assert [table for table in TABLES if api.read(table).rows] == []
        if "view" not in end:
            assert api.insert("tags", sample(rig, "tags", tenant)).code == DENIED


def test_a_user_who_goes_leaves_a_membership_that_ended(rig: Rig) -> None:
    """Who polls learns of it: the row stays, with the time, and is newer than it was."""
    tenant = rig.add_tenant()
    (before,) = rig.rows(f"select * from workspace_members where user_id = '{tenant.user}'")  # noqa: S608 - the tests' own
    rig.sql(f"delete from auth.users where id = '{tenant.user}'")  # noqa: S608 - likewise
    (after,) = rig.rows(f"select * from workspace_members where user_id = '{tenant.user}'")  # noqa: S608 - likewise
    assert (after["active"], after["version"]) == (False, 2)
    assert after["deleted_at"] is not None
    assert after["updated_at"] > before["updated_at"]


def test_only_the_gateway_is_told_how_the_tables_stand(scene: Scene) -> None:
    """The function for `zapd supabase check` is the secret key's alone."""
    assert scene.api.call("zapd_check").code == DENIED
    with signed_in(scene.rig, key=scene.rig.publishable_key) as anybody:
        assert anybody.call("zapd_check").code == DENIED
