"""Events of what changed: one a row, but one a chat for its tags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import orjson

from daemon.metadata.index import MetadataIndex
from daemon.metadata.models import (
    ActorKind,
    AnyRow,
    Assignment,
    ChatTag,
    Note,
    Setting,
    Tag,
    render,
)
from sessions.ids import ChatRef
from sessions.models import Source
from sessions.ports import Published

SESSION_SCOPE = "session:"

_SOURCES: dict[ActorKind, Source] = {
    "user": "api",
    "gateway": "api",
    "system": "live",
    "external": "external",
}


def events_of(rows: Sequence[AnyRow], index: MetadataIndex, now: int) -> list[Published]:
    """Return the events of rows that were changed together, in their order."""
    events: list[Published] = []
    tagged: dict[ChatRef, ChatTag] = {}
    for row in rows:
        if isinstance(row, ChatTag):
            tagged[row.chat] = row
        else:
            events.append(_event(row, now))
    events += [chat_tags_event(ref, index, row, now) for ref, row in tagged.items()]
    return events


def chat_tags(ref: ChatRef, index: MetadataIndex) -> dict[str, Any]:
    """Return a chat's tags as clients read them."""
    return {"chat": ref.id, "tags": list(index.tags_of(ref))}


def chat_tags_event(
    ref: ChatRef, index: MetadataIndex, cause: ChatTag | Tag, now: int
) -> Published:
    """Return ``chat_tags_updated``; ``cause`` is the row that changed."""
    actor = msgspec.to_builtins(cause.actor)
    data = {**chat_tags(ref, index), "actor": actor, "version": cause.version}
    return Published(
        workspace=ref.workspace,
        type="chat_tags_updated",
        session=ref.session,
        chat=ref.id,
        at=now,
        source=_SOURCES[cause.actor.kind],
        data=orjson.dumps(data),
    )


def _event(row: AnyRow, now: int) -> Published:
    session, chat = _place(row)
    return Published(
        workspace=row.workspace,
        type=f"{row.kind}_updated",
        session=session,
        chat=chat,
        at=now,
        source=_SOURCES[row.actor.kind],
        data=msgspec.json.encode(render(row)),
    )


def _place(row: AnyRow) -> tuple[str | None, str | None]:
    """Return the session and the chat that a row is about."""
    if isinstance(row, Assignment | ChatTag | Note):
        return row.session, row.chat.id
    if isinstance(row, Setting) and row.scope.startswith(SESSION_SCOPE):
        return row.scope.removeprefix(SESSION_SCOPE), None
    return None, None
