"""The rig is what it says: both kinds of key, users, times as PostgREST writes them, no traces."""

from __future__ import annotations

from datetime import datetime

import httpx
import pytest

from tests.supabase.api import signed_in
from tests.supabase.postgres import Postgres, SqlError
from tests.supabase.rig import Rig, open_rig


def test_who_may_in(rig: Rig) -> None:
    """Both kinds of secret key read; a forged one, an expired token and none are refused."""
    rig.add_workspace()
    for key in (rig.secret_key, rig.service_role_key):
        with signed_in(rig, key=key) as api:
            assert api.read("workspaces").rows
    head, payload, _ = rig.service_role_key.split(".")
    for key in ("sb_secret_other", f"{head}.{payload}.AAAA"):
        with signed_in(rig, key=key) as api:
            assert api.read("workspaces").status == 401
    with signed_in(rig, rig.user_token(rig.add_user(), seconds=-60)) as api:
        assert api.read("workspaces").status == 401
    assert httpx.get(f"{rig.url}/rest/v1/workspaces").status_code == 401


def test_grants_are_the_migrations_own(rig: Rig) -> None:
    """The Data API in front gives nobody more than the migrations did."""
    with signed_in(rig, rig.add_tenant("main").token) as api:
        assert api.read("tags").status == 200
    grants = rig.rows(
        "select 1 from information_schema.role_table_grants "
        "where table_schema = 'public' and grantee in ('anon', 'PUBLIC')"
    )
    assert grants == []


def test_times_are_iso_8601(rig: Rig) -> None:
    """As PostgREST has them: with a T and a whole offset."""
    rig.add_workspace()
    with signed_in(rig) as api:
        written = api.read("workspaces").rows[0]["created_at"]
    assert "T" in written
    assert written.endswith("+00:00")
    assert datetime.fromisoformat(written).tzinfo is not None


def test_a_project_leaves_nothing() -> None:
    """Neither a server nor a database nor a directory."""
    server = Postgres().start()
    try:
        with open_rig(server) as project:
            assert project.rows("select 1 as one") == [{"one": 1}]
        with pytest.raises(SqlError, match="does not exist"):
            project.sql("select 1")
        with pytest.raises(httpx.ConnectError):
            httpx.get(project.url)
    finally:
        server.close()
    assert not server.directory.exists()
