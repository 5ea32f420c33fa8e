"""What zapd needs to find in a Supabase project, and what is wrong with what is there.

The migrations make it; the tests hold this table against them and against what is written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

_CHANGED = "version op_id changed_by changed_at created_at updated_at deleted_at"
_ACTIVITY = "id at actor_id actor_name actor_kind action session_id chat_jid data"


class Needed(NamedTuple):
    """One table: its columns, what the secret key must be allowed, what stands guard."""

    columns: tuple[str, ...]
    rights: tuple[str, ...] = ("select", "insert", "update")
    triggers: tuple[str, ...] = ()
    is_published: bool = True
    functions: tuple[str, ...] = ()
    """What the secret key must be allowed to call, and nobody else."""


def _merged(columns: str, *triggers: str, functions: tuple[str, ...] = ()) -> Needed:
    """Return a table that several write, each change by ``op_id`` and ``changed_at``."""
    names = ("workspace_id", *columns.split(), *_CHANGED.split())
    return Needed(names, triggers=(*triggers, "merge_guard"), functions=functions)


def _past(columns: str, functions: str = "") -> Needed:
    """Return a table of the history: written by functions alone."""
    named = tuple(f"zapd_history_{name}" for name in functions.split())
    columns = f"workspace_id session_id {columns}"
    return Needed(tuple(columns.split()), ("select",), is_published=False, functions=named)


SCHEMA: dict[str, Needed] = {
    "workspaces": Needed(
        ("id", "slug", "name", "created_at", "updated_at", "deleted_at"),
        triggers=("touch",),
        is_published=False,
    ),
    "workspace_members": _merged(
        "user_id role display_name permissions session_ids active",
        "hold",
        "known_user",
        "zapd_user_gone",
    ),
    "whatsapp_sessions": _merged(
        "id label provider phone jid status status_code status_message",
    ),
    "tags": _merged("id name color position"),
    "chat_assignments": _merged(
        "session_id chat_jid assignee_id assigned_by status priority snoozed_until",
        "hold",
        functions=("zapd_erase_contact",),  # it works on the notes, tags and lines of a chat too
    ),
    "chat_tags": _merged("session_id chat_jid tag_id added_by", "hold"),
    "chat_notes": _merged("id session_id chat_jid author_id body", "hold"),
    "quick_replies": _merged("id shortcut body owner_id"),
    "settings": _merged("scope key value"),
    "activity_log": Needed(
        ("workspace_id", *_ACTIVITY.split()),
        rights=("select", "insert"),
        is_published=False,
    ),
    "messages_history": _past(
        "place id chat_jid at_ms from_me sender type text wa_id head tail words",
        "chats chats_of contacts contacts_of contacts_page erase find last listed maintain naming "
        "page search sent write",
    ),
    "chats_history": _past(
        "chat_jid pn lid name picture_id unread active_ms archived pinned muted_until_ms mark"
    ),
    "contacts_history": _past("jid body"),
}
CHECK = "zapd_check"
"""The function that tells what the Data API itself does not: see the migrations."""


def faults(table: str, found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a table by the word of ``zapd_check``, each with what to do.

    What to do is a statement of SQL, for the project's SQL editor.
    """
    needed = SCHEMA[table]
    if missing := _without(needed.rights, found.get("rights")):
        rights = ", ".join(missing)
        yield (
            f"the secret key may not {rights}",
            f"grant {rights} on public.{table} to service_role;",
        )
    if not found.get("rls"):
        yield (
            "row-level security is off: the rows are open to whoever has a grant",
            f"alter table public.{table} enable row level security;",
        )
    if not found.get("policies"):
        yield "it has no policies: members with tokens of their own see nothing", _AGAIN
    if found.get("anon"):
        yield (
            "whoever has the public key may use it without signing in",
            f"revoke all on public.{table} from anon;",
        )
    if missing := _without(needed.triggers, found.get("triggers")):
        yield f"the trigger {', '.join(missing)} is missing or off", _AGAIN
    yield from _faulty_functions(needed, found)
    if needed.is_published and not found.get("published"):
        yield (
            "Realtime does not tell its changes: they are learnt by polling alone",
            f"alter publication supabase_realtime add table public.{table};",
        )


def _faulty_functions(needed: Needed, found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if missing := _without(needed.functions, found.get("functions")):
        yield f"the secret key may not call {', '.join(missing)}", _AGAIN
    if is_open := found.get("open_functions"):
        yield (
            "whoever has the public key may call what is the gateway's alone",
            f"revoke all on function {', '.join(is_open)} from public, anon, authenticated;",
        )


_AGAIN = "-- Apply zapd's migrations to the project: zapd supabase sql"


def _without(needed: Collection[str], found: object) -> list[str]:
    has = found if isinstance(found, list) else []
    return [name for name in needed if name not in has]
