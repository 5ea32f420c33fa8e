"""A Supabase project without Supabase: PostgreSQL with zapd's migrations, a Data API before it.

The Data API is npm's ``@supabase/lite`` (``lite/serve.mjs``), which speaks PostgREST's language
and leaves roles and row-level security to PostgreSQL. What it does otherwise than PostgREST is
in ``README.md`` here; nothing tested may rest on it.

    with open_rig(postgres) as rig:
        httpx.get(f"{rig.url}/rest/v1/tags", headers=rig.headers())
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jwt

from daemon.metadata.migrations import migrations
from tests.supabase.postgres import Postgres

HERE = Path(__file__).parent
PACKAGES = HERE.parents[1] / ".cache" / "supabase-lite"
START_SECONDS = 20.0
SECRET_KEY = "sb_secret_made_up_for_the_tests_of_zapd"
PUBLISHABLE_KEY = "sb_publishable_made_up_for_the_tests"
JWT_SECRET = "a-secret-that-signs-tokens-in-the-tests-only"


class Tenant(NamedTuple):
    """A workspace and one of its members, with a token that the Data API takes."""

    workspace: str
    user: str
    token: str


class Rig:
    """One project. ``url`` is what ZAPD_SUPABASE_URL would be."""

    secret_key = SECRET_KEY
    publishable_key = PUBLISHABLE_KEY
    jwt_secret = JWT_SECRET

    def __init__(self, postgres: Postgres, database: str, url: str) -> None:
        self.database = database
        self.url = url
        self._postgres = postgres

    @property
    def service_role_key(self) -> str:
        """The secret key of the old kind."""
        return jwt.encode({"iss": "supabase", "role": "service_role"}, JWT_SECRET, "HS256")

    def sql(self, text: str) -> str:
        """Run statements as the owner of the tables; see :meth:`Postgres.sql`."""
        return self._postgres.sql(text, self.database)

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Return what a query selects."""
        found: list[dict[str, Any]] = json.loads(
            self.sql(f"select coalesce(json_agg(found), '[]') from ({query}) found")  # noqa: S608 - likewise
        )
        return found

    def headers(self, token: str | None = None, key: str | None = None) -> dict[str, str]:
        """Return a request's headers: a user's (with ``token``), else those of the secret key."""
        key = key or (PUBLISHABLE_KEY if token else SECRET_KEY)
        return {"apikey": key, "Authorization": f"Bearer {token or key}"}

    def user_token(self, user_id: str, seconds: float = 3600, **claims: object) -> str:
        """Return an access token as Supabase Auth makes it for a user (HS256)."""
        now = int(time.time())  # noqa: TID251 - the server looks at the real clock
        payload = {
            "iss": f"{self.url}/auth/v1",
            "sub": user_id,
            "aud": "authenticated",
            "role": "authenticated",
            "iat": now,
            "exp": int(now + seconds),
            "is_anonymous": False,
        }
        return jwt.encode(payload | claims, JWT_SECRET, "HS256")

    def put(self, table: str, **values: object) -> None:
        """Insert a row as the owner of the tables. Lists are texts, mappings are JSON."""
        literals = ", ".join(map(literal, values.values()))
        columns = ", ".join(values)
        self.sql(f"insert into {table} ({columns}) values ({literals})")  # noqa: S608 - the tests' own

    def add_user(self, email: str | None = None) -> str:
        """Make a user of the project; return the id."""
        user = str(uuid.uuid4())
        self.put("auth.users", id=user, email=email)
        return user

    def add_workspace(self, slug: str | None = None) -> str:
        """Make a workspace; return its UUID."""
        workspace = str(uuid.uuid4())
        slug = slug or f"ws-{workspace}"
        self.put("workspaces", id=workspace, slug=slug, name=slug)
        return workspace

    def add_session(self, workspace: str, session: str) -> None:
        """Make the row of a session."""
        self.put("whatsapp_sessions", workspace_id=workspace, id=session, status="connected")

    def add_member(
        self,
        workspace: str,
        role: str = "agent",
        *,
        user: str | None = None,
        sessions: list[str] | None = None,
        permissions: Mapping[str, object] | None = None,
        active: bool = True,
    ) -> str:
        """Make a member, and its user unless given; return the user's id."""
        user = user or self.add_user()
        self.put(
            "workspace_members",
            workspace_id=workspace,
            user_id=user,
            role=role,
            session_ids=sessions,
            permissions=dict(permissions or {}),
            active=active,
        )
        return user

    def add_tenant(self, *sessions: str, role: str = "agent") -> Tenant:
        """Make a workspace with sessions and one member."""
        workspace = self.add_workspace()
        for session in sessions:
            self.add_session(workspace, session)
        user = self.add_member(workspace, role)
        return Tenant(workspace, user, self.user_token(user))


def literal(value: object) -> str:
    """Return an SQL literal; PostgreSQL makes it what the column is."""
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"array[{', '.join(map(literal, value))}]::text[]"
    text = json.dumps(value) if isinstance(value, dict) else str(value)
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def open_rig(postgres: Postgres, *, migrated: bool = True) -> Iterator[Rig]:
    """Give a project of its own: a new database with the migrations, and a Data API before it."""
    database = f"project_{uuid.uuid4().hex}"
    template = _migrated(postgres) if migrated else _bare(postgres)
    postgres.sql(f"create database {database} template {template}")
    api = _serve(postgres.directory, database)
    try:
        port = _port(api)
        if port is None:
            log = (postgres.directory / f"{database}.log").read_text()
            raise AssertionError(f"the Data API did not start: {log}")
        yield Rig(postgres, database, f"http://127.0.0.1:{port}")
    finally:
        assert api.stdin is not None
        api.stdin.close()  # it ends with its stdin, also if this process is killed
        api.wait(START_SECONDS)
        assert api.stdout is not None
        api.stdout.close()
        postgres.sql(f"drop database {database} with (force)")


@cache
def _bare(postgres: Postgres) -> str:
    """Make the database of a new project, to be copied; return its name."""
    roles, _, rest = (HERE / "stub.sql").read_text().partition("create schema auth;")
    postgres.sql(roles)  # roles belong to the whole cluster
    postgres.sql("create database template_bare")
    postgres.sql(f"create schema auth;{rest}", "template_bare")
    return "template_bare"


@cache
def _migrated(postgres: Postgres) -> str:
    """Make the database of a project with zapd's migrations, to be copied; return its name."""
    postgres.sql(f"create database template_migrated template {_bare(postgres)}")
    for migration in migrations():
        postgres.sql(f"begin; {migration.sql}; commit;", "template_migrated")
    return "template_migrated"


def _serve(socket_directory: Path, database: str) -> subprocess.Popen[bytes]:
    if not (PACKAGES / "made-from.lock").exists():
        raise AssertionError("@supabase/lite is not there. Run: sh tests/supabase/setup.sh")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # node is a wheel's
    command = ["node", str(HERE / "lite" / "serve.mjs"), str(socket_directory), database]
    environment = {
        "PATH": path,
        "SECRET_KEY": SECRET_KEY,
        "PUBLISHABLE_KEY": PUBLISHABLE_KEY,
        "JWT_SECRET": JWT_SECRET,
        "LITE_TELEMETRY": "0",
        "DO_NOT_TRACK": "1",
    }
    with (socket_directory / f"{database}.log").open("wb") as log:
        return subprocess.Popen(
            [*command, str(PACKAGES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
            start_new_session=True,
        )


def _port(api: subprocess.Popen[bytes]) -> int | None:
    """Return the port that the Data API prints when it serves; None where it does not."""
    assert api.stdout is not None
    ready, _, _ = select.select([api.stdout], [], [], START_SECONDS)
    line = api.stdout.readline() if ready else b""
    return int(line) if line.strip().isdigit() else None
