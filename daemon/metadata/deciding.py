"""Which of two rows holds: values in, values out.

The last writer wins, by ``changed_at``; ``op_id`` decides between two writes of one
millisecond, so that everybody who has seen both has the same row.
"""

from __future__ import annotations

import msgspec

from daemon.metadata.models import (
    Actor,
    AnyRow,
    Assignment,
    ConversationStatus,
    Note,
)

_REOPENED = {ConversationStatus.CLOSED, ConversationStatus.SNOOZED}


def written(row: AnyRow, stored: AnyRow | None, op_id: str, now: int) -> AnyRow:
    """Return the row as a writer here stores it: later than what is stored, whatever the clock."""
    return msgspec.structs.replace(
        row,
        version=stored.version + 1 if stored else 1,
        op_id=op_id,
        changed_at=max(now, stored.changed_at + 1) if stored else now,
        created_at=stored.created_at if stored else now,
        updated_at=now,
        deleted_at=None if row.live else now,
    )


def merged(row: AnyRow, stored: AnyRow | None) -> AnyRow | None:
    """Return what is stored of a row that was written elsewhere; None: what is stored holds.

    A version never names two contents: the row gets a higher one than what it replaces.
    """
    if stored is None:
        return msgspec.structs.replace(row, version=max(row.version, 1))
    if not _wins(row, stored):
        return None
    if isinstance(row, Note) and isinstance(stored, Note) and not row.author:
        row = msgspec.structs.replace(row, author=stored.author)
    return msgspec.structs.replace(row, version=max(row.version, stored.version + 1))


def claimed(chat: Assignment, user: str, actor: Actor) -> Assignment:
    """Return the assignment as ``user``'s: what was closed or snoozed is open again."""
    status = ConversationStatus.OPEN if chat.status in _REOPENED else chat.status
    return msgspec.structs.replace(
        chat, assignee=user, assigned_by=actor.id, actor=actor, status=status, snoozed_until=None
    )


def moves(old: Assignment, new: Assignment | None) -> bool:
    """Tell whether the assignment of a chat's old address holds for the new one too."""
    if new is None or not new.live:
        return True
    if (old.assignee is None) != (new.assignee is None):
        return old.assignee is not None
    return (old.changed_at, old.op_id) > (new.changed_at, new.op_id)


def _wins(row: AnyRow, stored: AnyRow) -> bool:
    if row.op_id and row.op_id == stored.op_id:
        return False
    theirs, ours = (row.changed_at, row.op_id), (stored.changed_at, stored.op_id)
    if theirs != ours:
        return theirs > ours
    # Neither names its operation: two reads of one row in Supabase, the later one is its truth.
    return row.updated_at >= stored.updated_at and _content(row) != _content(stored)


def _content(row: AnyRow) -> AnyRow:
    return msgspec.structs.replace(row, version=0, updated_at=0)
