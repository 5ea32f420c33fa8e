"""Routes of what people add to one chat: assignment, tags, notes, presence."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from daemon.auth.scopes import Scope
from daemon.metadata.models import render
from daemon.services.metadata.assignments import AssignmentChange
from daemon.transports.rest import metadata_shapes as m
from daemon.transports.rest.answers import json, listing
from daemon.transports.rest.conditions import (
    IF_MATCH,
    check_tags,
    expected_version,
    row_answer,
    tags_etag,
)
from daemon.transports.rest.reading import decode_cursor, encode_cursor, read_time
from daemon.transports.rest.route import ApiRoute, Call
from daemon.transports.rest.values import Nothing


async def get_assignment(call: Call) -> Response:
    """Return who cares for a chat."""
    return row_answer(await call.services.metadata.assignments.get(call.who, call.path["chat"]))


async def change_assignment(call: Call) -> Response:
    """Assign a chat, set its status or its priority."""
    body: m.AssignmentPatch = call.body
    until = body.snoozed_until
    wanted = AssignmentChange(
        assignee=body.assignee,
        status=body.status,
        priority=body.priority,
        snoozed_until=read_time(until, "snoozed_until", "invalid_value")
        if isinstance(until, str)
        else until,
    )
    expected = expected_version(call.request)
    assignments = call.services.metadata.assignments
    return row_answer(await assignments.change(call.who, call.path["chat"], wanted, expected))


async def claim_chat(call: Call) -> Response:
    """Claim a chat."""
    body: m.Claim = call.body
    assignments = call.services.metadata.assignments
    return row_answer(await assignments.claim(call.who, call.path["chat"], steal=body.steal))


async def release_chat(call: Call) -> Response:
    """Release a chat."""
    assignments = call.services.metadata.assignments
    return row_answer(await assignments.release(call.who, call.path["chat"]))


async def get_chat_tags(call: Call) -> Response:
    """Return a chat's tags."""
    return _tags(await call.services.metadata.tags.of_chat(call.who, call.path["chat"]))


async def put_chat_tags(call: Call) -> Response:
    """Give a chat these tags and no others."""
    body: m.TagIds = call.body
    return _tags(
        await call.services.metadata.tags.put(
            call.who,
            call.path["chat"],
            body.tags,
            lambda current: check_tags(call.request, current),
        )
    )


async def add_chat_tag(call: Call) -> Response:
    """Put a tag on a chat."""
    tags = call.services.metadata.tags
    return _tags(await tags.add(call.who, call.path["chat"], call.path["tag"]))


async def remove_chat_tag(call: Call) -> Response:
    """Take a tag off a chat."""
    tags = call.services.metadata.tags
    return _tags(await tags.remove(call.who, call.path["chat"], call.path["tag"]))


def _tags(answer: dict[str, object]) -> Response:
    shown = msgspec.convert(answer, m.ChatTagsView)
    response = json(shown)
    response.headers["ETag"] = tags_etag(shown.tags)
    return response


async def list_notes(call: Call) -> Response:
    """Return a page of notes."""
    query: m.NotesQuery = call.query
    before = decode_cursor(query.cursor, tuple[int, str])
    notes = await call.services.metadata.notes.of_chat(
        call.who, call.path["chat"], query.limit, before
    )
    place = (notes[-1].created_at, notes[-1].id) if len(notes) == query.limit else None
    items = (msgspec.json.encode(render(note)) for note in notes)
    return listing(call.request, items, encode_cursor(place))


async def write_note(call: Call) -> Response:
    """Write a note."""
    body: m.NoteBody = call.body
    notes = call.services.metadata.notes
    return row_answer(await notes.write(call.who, call.path["chat"], body.body), 201)


async def change_note(call: Call) -> Response:
    """Change one's own note."""
    body: m.NoteBody = call.body
    expected = expected_version(call.request)
    notes = call.services.metadata.notes
    return row_answer(await notes.change(call.who, call.path["note"], body.body, expected))


async def delete_note(call: Call) -> Response:
    """Delete a note."""
    expected = expected_version(call.request)
    await call.services.metadata.notes.delete(call.who, call.path["note"], expected)
    return Response(status_code=204)


async def set_presence(call: Call) -> Response:
    """Say what one does in a chat now."""
    body: m.PresenceState = call.body
    call.services.metadata.set_presence(call.who, call.path["chat"], body.state)
    return Response(status_code=204)


async def list_presence(call: Call) -> Response:
    """Return who is in a chat."""
    found = call.services.metadata.present(call.who, call.path["chat"])
    items = (msgspec.json.encode(presence.shown()) for presence in found)
    return listing(call.request, items)


_READ, _WRITE = (Scope.READ, Scope.METADATA), (Scope.METADATA,)
_CHAT = ("session_not_found", "invalid_jid", "invalid_id", "not_a_member", "missing_ability")
_STORE = ("storage_full", "storage_busy", "storage_failed", "supabase_unreachable")
_SET = (*_CHAT, *_STORE, "version_conflict")
_NOTE = ("note_not_found", "not_a_member", "missing_ability", "version_conflict", *_STORE)
_ASSIGN = (*_SET, "unknown_member", "invalid_value")

ROUTES: list[ApiRoute] = [
    ApiRoute(
        method="GET",
        path="/v1/chats/{chat}/assignment",
        handler=get_assignment,
        summary="Get who cares for a chat, and where that stands",
        scopes=_READ,
        query=Nothing,
        answer=m.AssignmentView,
        errors=_CHAT,
    ),
    ApiRoute(
        method="PATCH",
        path="/v1/chats/{chat}/assignment",
        handler=change_assignment,
        summary="Assign a chat, set its status, priority or snooze",
        scopes=_WRITE,
        body=m.AssignmentPatch,
        answer=m.AssignmentView,
        errors=_ASSIGN,
        headers=IF_MATCH,
    ),
    ApiRoute(
        method="POST",
        path="/v1/chats/{chat}/claim",
        handler=claim_chat,
        summary="Claim a chat for oneself: of many at once, one gets it",
        scopes=_WRITE,
        body=m.Claim,
        answer=m.AssignmentView,
        errors=(*_CHAT, *_STORE, "already_claimed", "unknown_member"),
    ),
    ApiRoute(
        method="POST",
        path="/v1/chats/{chat}/release",
        handler=release_chat,
        summary="Let a chat be nobody's",
        scopes=_WRITE,
        body=Nothing,
        answer=m.AssignmentView,
        errors=_SET,
    ),
    ApiRoute(
        method="GET",
        path="/v1/chats/{chat}/tags",
        handler=get_chat_tags,
        summary="Get the tags of a chat",
        scopes=_READ,
        query=Nothing,
        answer=m.ChatTagsView,
        errors=_CHAT,
    ),
    ApiRoute(
        method="PUT",
        path="/v1/chats/{chat}/tags",
        handler=put_chat_tags,
        summary="Give a chat these tags and no others",
        scopes=_WRITE,
        body=m.TagIds,
        answer=m.ChatTagsView,
        errors=(*_SET, "unknown_tag", "limit_reached"),
        headers={"If-Match": "The ETag of the tags that are to be replaced; 412 if it is another."},
    ),
    ApiRoute(
        method="PUT",
        path="/v1/chats/{chat}/tags/{tag}",
        handler=add_chat_tag,
        summary="Put a tag on a chat",
        scopes=_WRITE,
        body=Nothing,
        answer=m.ChatTagsView,
        errors=(*_CHAT, *_STORE, "unknown_tag", "limit_reached"),
    ),
    ApiRoute(
        method="DELETE",
        path="/v1/chats/{chat}/tags/{tag}",
        handler=remove_chat_tag,
        summary="Take a tag off a chat",
        scopes=_WRITE,
        answer=m.ChatTagsView,
        errors=(*_CHAT, *_STORE, "tag_not_found"),
    ),
    ApiRoute(
        method="GET",
        path="/v1/chats/{chat}/notes",
        handler=list_notes,
        summary="List the notes about a chat, newest first",
        scopes=_READ,
        query=m.NotesQuery,
        answer=m.Notes,
        errors=(*_CHAT, "invalid_cursor"),
    ),
    ApiRoute(
        method="POST",
        path="/v1/chats/{chat}/notes",
        handler=write_note,
        summary="Write a note about a chat",
        scopes=_WRITE,
        body=m.NoteBody,
        answer=m.NoteView,
        status=201,
        errors=(*_CHAT, *_STORE, "text_empty", "unknown_member"),
    ),
    ApiRoute(
        method="PATCH",
        path="/v1/notes/{note}",
        handler=change_note,
        summary="Change one's own note",
        scopes=_WRITE,
        body=m.NoteBody,
        answer=m.NoteView,
        errors=(*_NOTE, "text_empty"),
        headers=IF_MATCH,
    ),
    ApiRoute(
        method="DELETE",
        path="/v1/notes/{note}",
        handler=delete_note,
        summary="Delete a note",
        scopes=_WRITE,
        status=204,
        errors=_NOTE,
        headers=IF_MATCH,
    ),
    ApiRoute(
        method="GET",
        path="/v1/chats/{chat}/presence",
        handler=list_presence,
        summary="List who among the agents looks at a chat or writes in it now",
        scopes=_READ,
        query=Nothing,
        answer=m.Presences,
        errors=_CHAT,
    ),
    ApiRoute(
        method="PUT",
        path="/v1/chats/{chat}/presence",
        handler=set_presence,
        summary="Say that one looks at a chat or writes in it; lasts 30 s",
        scopes=(Scope.METADATA, Scope.SEND),
        body=m.PresenceState,
        status=204,
        errors=_CHAT,
    ),
]
