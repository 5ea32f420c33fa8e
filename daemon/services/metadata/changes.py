"""Changes as all kinds of rows make them."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from daemon.errors import ApiError
from daemon.metadata.index import MetadataIndex
from daemon.metadata.models import Actor, AnyRow, Row
from daemon.metadata.port import Change
from sessions.ports import Clock

#: Fields of a row whose texts the log does not repeat.
_LONG = frozenset({"body", "value"})


def given(wanted: msgspec.Struct) -> dict[str, Any]:
    """Return the fields that are to be different."""
    values = ((name, getattr(wanted, name)) for name in wanted.__struct_fields__)
    return {name: value for name, value in values if value is not UNSET}


def differing(before: AnyRow, after: AnyRow, actor: Actor, action: str) -> Change | None:
    """Return the change with old and new values for the log; None where nothing differs."""
    own = [name for name in before.__struct_fields__ if name not in Row.__struct_fields__]
    changed = [name for name in own if getattr(before, name) != getattr(after, name)]
    if not changed:
        return None
    data: dict[str, object] = {
        name: [getattr(before, name), getattr(after, name)] for name in changed if name not in _LONG
    }
    return Change(replace(after, actor=actor), action, data=data)


def gone(row: AnyRow, actor: Actor, action: str, clock: Clock) -> Change:
    """Return the deletion of a row."""
    return Change(replace(row, actor=actor, deleted_at=clock.now_ms()), action)


def limited(index: MetadataIndex, workspace: str, count: int, most: int, what: str) -> None:
    """Raise ``limit_reached`` where no more of a kind may be made."""
    if count >= most:
        raise ApiError("limit_reached", f"There are at most {most} {what}.")
    if not index.has_room(workspace):
        raise ApiError("limit_reached", "The memory for metadata is used up.")
