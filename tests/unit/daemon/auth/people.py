"""Credentials as tests make them."""

from __future__ import annotations

from typing import Any

import jwt

from daemon.auth.api_keys import new_key
from daemon.auth.scopes import Scope
from daemon.storage.database import Database
from daemon.storage.keys import KeyStore
from daemon.storage.workspaces import Workspace, WorkspaceStore
from tests.unit.daemon.manual_clock import START_MS

OPERATOR = "the operator's secret, which is long enough"
NOW_S = START_MS // 1000


async def secret_of(workspaces: WorkspaceStore, name: str) -> str:
    """Return a workspace's secret."""
    found = await workspaces.find(name)
    assert isinstance(found, Workspace)
    return found.jwt_secret


def token(secret: str, **claims: Any) -> str:  # noqa: ANN401 - claims are anything
    """Return a token that is good for an hour, unless the claims say otherwise."""
    return jwt.encode({"exp": NOW_S + 3600, **claims}, secret, algorithm="HS256")


async def add_key(
    database: Database, *scopes: Scope, workspace: str = "acme", session: str | None = None
) -> tuple[str, str]:
    """Write a new API key; return it and its id."""
    key, row = new_key(workspace, frozenset(scopes), now=START_MS, label="test", session=session)
    await KeyStore(database).add(row)
    return key, row.id
