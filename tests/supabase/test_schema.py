"""What is written down twice says the same: migrations, the daemon's tables, roles and states."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from daemon.metadata.migrations import migrations
from daemon.metadata.models import ConversationStatus, Role
from daemon.metadata.schema import SCHEMA
from daemon.metadata.tables import ACTIVITY_REMOTE, TABLES
from daemon.services.abilities import ROLES, Ability
from sessions.ids import SESSION_PATTERN, WORKSPACE_PATTERN
from sessions.states import SessionState
from tests.supabase.rig import Rig, literal


def allowed(rig: Rig, table: str, column: str) -> set[str]:
    """Return the words that a column's check allows."""
    name = literal(f"{table}_{column}_check")
    rule = rig.sql(f"select pg_get_constraintdef(oid) from pg_constraint where conname = {name}")  # noqa: S608 - the tests' own
    return set(re.findall(r"'([a-z_]+)'", rule))


def test_migrations_have_supabases_names() -> None:
    """Fourteen digits and a name, in order, each of them once."""
    names = [migration.name for migration in migrations()]
    assert names
    assert all(re.fullmatch(r"\d{14}_[a-z_]+\.sql", name) for name in names)
    assert names == sorted(set(names))
    assert len({name[:14] for name in names}) == len(names)


def test_what_the_check_looks_for_is_what_the_migrations_make(rig: Rig) -> None:
    """Tables, columns, triggers and the publication."""
    found = rig.rows(
        "select table_name, array_agg(column_name::text order by column_name) as columns "
        "from information_schema.columns where table_schema = 'public' group by 1"
    )
    assert {row["table_name"]: row["columns"] for row in found} == {
        table: sorted(needed.columns) for table, needed in SCHEMA.items()
    }
    triggers = rig.rows(
        "select relname, array_agg(distinct tgname::text) as names from pg_trigger "
        "join pg_class on pg_class.oid = tgrelid where not tgisinternal "
        "and relnamespace = 'public'::regnamespace group by 1"
    )
    assert {row["relname"]: set(row["names"]) for row in triggers} == {
        table: set(needed.triggers) - {"zapd_user_gone"}  # it stands at auth.users
        for table, needed in SCHEMA.items()
        if needed.triggers
    }
    published = rig.rows("select tablename from pg_publication_tables")
    assert {row["tablename"] for row in published} == {
        table for table, needed in SCHEMA.items() if needed.is_published
    }


def test_every_column_that_the_daemon_writes_is_there() -> None:
    """Names of the embedded database's mapping, in the schema."""
    for table in TABLES.values():
        named = {column.remote for column in table.columns if column.remote}
        named |= {*table.actors, *table.remote_key}
        assert named - set(SCHEMA[table.remote].columns) == set()
    assert ACTIVITY_REMOTE in SCHEMA


def test_roles_can_there_what_they_can_here(rig: Rig) -> None:
    """Each role with each ability."""
    pairs = [(role, ability) for role in Role for ability in Ability]
    asked = ", ".join(f"('{role}', '{ability}')" for role, ability in pairs)
    found = rig.rows(f"select private.role_can(r, a) as can from (values {asked}) v(r, a)")  # noqa: S608 - the tests' own
    assert [row["can"] for row in found] == [ability in ROLES[role] for role, ability in pairs]


def test_words_are_the_same(rig: Rig) -> None:
    """States of sessions and of conversations, roles."""
    assert allowed(rig, "whatsapp_sessions", "status") == set(SessionState)
    assert allowed(rig, "chat_assignments", "status") == set(ConversationStatus)
    assert allowed(rig, "workspace_members", "role") == set(Role)


def test_names_are_the_same(rig: Rig) -> None:
    """A workspace's slug is our workspace, a session's id our session."""
    rules = rig.sql("select string_agg(pg_get_constraintdef(oid), ' ') from pg_constraint")
    assert f"^{WORKSPACE_PATTERN}$" in rules
    assert f"'^{SESSION_PATTERN}$'" in rules
    assert f"session:{SESSION_PATTERN}|" in rules


def test_nobody_can_call_what_is_private(rig: Rig) -> None:
    """Of the functions in `private` people may run those that policies and triggers need."""
    found = rig.rows(
        "select p.oid::regprocedure::text as name, rolname from pg_proc p, pg_roles "
        "where pronamespace = 'private'::regnamespace "
        "and rolname in ('anon', 'authenticated', 'service_role') "
        "and has_function_privilege(rolname, p.oid, 'execute')"
    )
    assert {row["rolname"] for row in found} == {"authenticated"}
    assert {row["name"].partition("(")[0] for row in found} == {
        f"private.{name}"
        for name in ("can", "my_sessions", "my_workspaces", "role_can", "works_in")
    }


def test_functions_that_pass_policies_fix_their_search_path(rig: Rig) -> None:
    """Who runs one with the owner's rights must not choose which tables it means."""
    found = rig.rows(
        "select proname from pg_proc where pronamespace in ('private'::regnamespace, "
        "'public'::regnamespace) and not coalesce(proconfig @> array['search_path=\"\"'], false)"
    )
    assert found == []


def test_the_reference_names_tables_and_abilities() -> None:
    """Each has its row in daemon/docs/supabase.md, and each row names one that there is."""
    page = (Path(__file__).parents[2] / "daemon" / "docs" / "supabase.md").read_text()
    tables, _, abilities = page.partition("## Who may do what")
    named = re.compile(r"^\| `([a-z_]+)` \|", re.MULTILINE)
    assert set(named.findall(tables)) == set(SCHEMA)
    assert set(named.findall(abilities.partition("## What")[0])) == set(Ability)


@pytest.mark.parametrize("ability", list(Ability))
def test_the_reference_names_the_roles(ability: Ability) -> None:
    """Those that have the ability, in the order of their rank."""
    page = (Path(__file__).parents[2] / "daemon" / "docs" / "supabase.md").read_text()
    (roles,) = re.findall(rf"^\| `{ability}` \| ([a-z, ]+) \|", page, re.MULTILINE)
    having = [role for role in Role if ability in ROLES[role]]
    assert roles == ("all" if having == list(Role) else ", ".join(having))
