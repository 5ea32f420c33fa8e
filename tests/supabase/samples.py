"""One row of every table, for tests that go through all of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from tests.supabase.rig import Rig, Tenant

Row = dict[str, Any]

#: What a new row of a table has besides its workspace, given the tenant.
SAMPLES: Mapping[str, Callable[[Tenant], Row]] = {
    "workspace_members": lambda _: {"user_id": str(uuid.uuid4()), "role": "agent"},
    "whatsapp_sessions": lambda _: {"id": f"s{uuid.uuid4().hex}", "status": "created"},
    "tags": lambda _: {"id": str(uuid.uuid4()), "name": uuid.uuid4().hex},
    "chat_assignments": lambda tenant: _chat() | {"assignee_id": tenant.user},
    "chat_tags": lambda tenant: _chat() | {"tag_id": tenant.workspace},  # the tag that `fill` makes
    "chat_notes": lambda tenant: (
        _chat() | {"id": str(uuid.uuid4()), "author_id": tenant.user, "body": "a note"}
    ),
    "quick_replies": lambda _: {
        "id": str(uuid.uuid4()),
        "shortcut": uuid.uuid4().hex,
        "body": "a text",
    },
    "settings": lambda _: {"scope": "workspace", "key": uuid.uuid4().hex, "value": {"a": 1}},
    "activity_log": lambda _: {"id": str(uuid.uuid4()), "action": "tag_created"},
    "messages_history": lambda _: (
        _chat()
        | {"place": uuid.uuid4().int % 2**50, "id": uuid.uuid4().hex, "at_ms": 0, "from_me": False}
        | {"sender": "1@lid", "type": "text", "text": "a secret", "head": "{", "tail": "}"}
    ),
    "chats_history": lambda _: (
        _chat() | {"unread": 1, "active_ms": 0, "archived": False, "pinned": False}
    ),
    "contacts_history": lambda _: {
        "session_id": "main",
        "jid": f"{uuid.uuid4().int % 10**15}@lid",
        "body": "{}",
    },
}
TABLES = ("workspaces", *SAMPLES)

#: A column of each table that a thief would change, and what to.
LOOT: Mapping[str, Row] = {
    "workspaces": {"name": "mine now"},
    "workspace_members": {"display_name": "mine now"},
    "whatsapp_sessions": {"label": "mine now"},
    "tags": {"color": "#000000"},
    "chat_assignments": {"status": "closed"},
    "chat_tags": {"deleted_at": "2026-01-01T00:00:00Z"},
    "chat_notes": {"body": "mine now"},
    "quick_replies": {"body": "mine now"},
    "settings": {"value": "mine now"},
    "activity_log": {"action": "mine_now"},
    "messages_history": {"text": "mine now"},
    "chats_history": {"name": "mine now"},
    "contacts_history": {"body": "mine now"},
}
KEYS: Mapping[str, tuple[str, ...]] = {
    "workspaces": ("id",),
    "workspace_members": ("workspace_id", "user_id"),
    "whatsapp_sessions": ("workspace_id", "id"),
    "tags": ("workspace_id", "id"),
    "chat_assignments": ("workspace_id", "session_id", "chat_jid"),
    "chat_tags": ("workspace_id", "session_id", "chat_jid", "tag_id"),
    "chat_notes": ("workspace_id", "id"),
    "quick_replies": ("workspace_id", "id"),
    "settings": ("workspace_id", "scope", "key"),
    "activity_log": ("workspace_id", "id"),
    "messages_history": ("workspace_id", "place"),
    "chats_history": ("workspace_id", "session_id", "chat_jid"),
    "contacts_history": ("workspace_id", "session_id", "jid"),
}


def tenancy(table: str) -> str:
    """Return the column that names the tenant."""
    return "id" if table == "workspaces" else "workspace_id"


def fill(rig: Rig, tenant: Tenant) -> None:
    """Give the tenant a row in every table."""
    rig.put("tags", workspace_id=tenant.workspace, id=tenant.workspace, name="the tag of chat_tags")
    for table in SAMPLES:
        row = sample(rig, table, tenant)
        rig.put(table, **row)


def sample(rig: Rig, table: str, tenant: Tenant) -> Row:
    """Return a row that the tenant could have, with what it refers to in place."""
    row = {"workspace_id": tenant.workspace, **SAMPLES[table](tenant)}
    if table == "workspace_members":
        row["user_id"] = rig.add_user()
    return row


def _chat() -> Row:
    return {"session_id": "main", "chat_jid": f"{uuid.uuid4().int % 10**15}@s.whatsapp.net"}
