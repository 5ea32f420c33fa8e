"""Routes of chats, messages and contacts."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from daemon.auth.scopes import Scope
from daemon.errors import ApiError
from daemon.services.metadata.annotating import filters
from daemon.transports.rest import shapes
from daemon.transports.rest.answers import json_bytes, listing
from daemon.transports.rest.metadata_shapes import AnnotatedChat
from daemon.transports.rest.reading import decode_cursor, encode_cursor, read_time
from daemon.transports.rest.route import ApiRoute, Call
from daemon.transports.rest.values import Nothing
from sessions.cache.chats import ChatQuery
from sessions.manager import Anchor, Direction
from sessions.models import Message, iso

KEY_MAX = 255


async def list_chats(call: Call) -> Response:
    """Return a page of chats, by activity."""
    query: shapes.ChatsQuery = call.query
    after = query.updated_after
    assignee = call.who.subject if query.assignee == "me" else query.assignee
    labels, lacking = filters(assignee, query.tag, query.status)
    page = await call.services.engine.chats(
        call.who,
        ChatQuery(
            workspace=call.who.workspace,
            session=query.session,
            needle=query.q.casefold() if query.q else None,
            unread=query.unread,
            updated_after=read_time(after, "updated_after") if after else None,
            limit=query.limit,
            after=decode_cursor(query.cursor, tuple[int, str]),
            labels=labels,
            lacking=lacking,
        ),
    )
    as_of = call.services.hub.head(call.who.workspace)  # no await since the page
    cursor = encode_cursor(page.next)
    return listing(call.request, (row.render() for row in page.rows), cursor, {"as_of": as_of})


async def get_chat(call: Call) -> Response:
    """Return one chat."""
    row = await call.services.engine.chat(call.who, call.path["chat"])
    return json_bytes(row.render())


async def read_chat(call: Call) -> Response:
    """Mark a chat read."""
    row = await call.services.engine.mark_read(call.who, call.path["chat"])
    return json_bytes(row.render())


async def set_typing(call: Call) -> Response:
    """Show typing."""
    body: shapes.Typing = call.body
    await call.services.engine.set_typing(
        call.who, call.path["chat"], is_typing=body.is_typing, kind=body.kind
    )
    return Response(status_code=204)


async def list_messages(call: Call) -> Response:
    """Return a page of messages, newest first."""
    query: shapes.MessagesQuery = call.query
    engine, chat = call.services.engine, call.path["chat"]
    entries, evicted = await engine.messages(call.who, chat, _anchor(query), query.limit)
    full = len(entries) == query.limit and not (query.after or query.around)
    return listing(
        call.request,
        (entry.render() for entry in entries),
        entries[-1].id if full else None,
        {"evicted_before": iso(evicted) if evicted else None},
    )


def _anchor(query: shapes.MessagesQuery) -> Anchor | None:
    """Return where the page hangs. Our message ids begin with a letter, times with a digit."""
    named: tuple[tuple[Direction, str | None], ...] = (
        ("before", query.before),
        ("before", query.cursor),
        ("after", query.after),
        ("around", query.around),
    )
    given = [(direction, value) for direction, value in named if value is not None]
    if len(given) > 1:
        raise ApiError("invalid_parameter", "Give one of before, after, around and cursor.")
    for direction, value in given:
        if value[0].isdigit():
            return Anchor(direction, at=read_time(value, direction))
        return Anchor(direction, message=value)
    return None


async def send_message(call: Call) -> Response:
    """Accept a message."""
    body: shapes.TextMessage = call.body
    key = call.request.headers.get("idempotency-key")
    if key is not None and not (0 < len(key) <= KEY_MAX and key.isprintable()):
        raise ApiError("invalid_parameter", f"Idempotency-Key is 1-{KEY_MAX} characters.")
    message = await call.services.engine.send_text(
        call.who,
        call.path["chat"],
        body.text,
        reply_to=body.reply_to,
        client_ref=body.client_ref,
        idempotency_key=key,
    )
    return json_bytes(message, 202)


async def get_message(call: Call) -> Response:
    """Return one message."""
    entry = await call.services.engine.message(call.who, call.path["message"])
    return json_bytes(entry.render())


async def list_contacts(call: Call) -> Response:
    """Return a page of contacts."""
    query: shapes.ContactsQuery = call.query
    after = decode_cursor(query.cursor, tuple[str, str])
    if query.session and after and after[0] != query.session:
        raise ApiError("invalid_cursor")
    contacts, place = await call.services.engine.contacts(
        call.who, query.session, after, query.limit
    )
    return listing(
        call.request, (msgspec.json.encode(contact) for contact in contacts), encode_cursor(place)
    )


def _unable(what: str, summary: str) -> ApiRoute:
    """Return a route that says the truth: the engine cannot do it. Whatever the body is."""

    async def refuse(call: Call) -> Response:
        call.services.engine.refuse_unable(call.who, call.path["chat"], what)

    return ApiRoute(
        method="POST",
        path=f"/v1/chats/{{chat}}/{what}",
        handler=refuse,
        summary=f"{summary}: answers 501, the engine cannot",
        scopes=(Scope.SEND,),
        errors=("session_not_found", "invalid_jid", "invalid_id", "unsupported"),
    )


_CHAT = (
    "chat_not_found",
    "session_not_found",
    "invalid_jid",
    "invalid_id",
    "history_unavailable",
)
_DO = (*_CHAT, "session_not_connected", "command_failed", "outcome_unknown")

ROUTES: list[ApiRoute] = [
    ApiRoute(
        method="GET",
        path="/v1/chats",
        handler=list_chats,
        summary="List the chats, newest activity first",
        scopes=(Scope.READ,),
        query=shapes.ChatsQuery,
        answer=shapes.Chats,
        errors=("invalid_cursor",),
    ),
    ApiRoute(
        method="GET",
        path="/v1/chats/{chat}",
        handler=get_chat,
        summary="Get a chat",
        scopes=(Scope.READ,),
        query=Nothing,
        answer=AnnotatedChat,
        errors=_CHAT,
    ),
    ApiRoute(
        method="POST",
        path="/v1/chats/{chat}/read",
        handler=read_chat,
        summary="Mark a chat read, here and on the phone",
        scopes=(Scope.SEND,),
        body=Nothing,
        answer=AnnotatedChat,
        errors=_DO,
    ),
    ApiRoute(
        method="POST",
        path="/v1/chats/{chat}/typing",
        handler=set_typing,
        summary="Show, or stop showing, that the account types",
        scopes=(Scope.SEND,),
        body=shapes.Typing,
        status=204,
        errors=_DO,
    ),
    ApiRoute(
        method="GET",
        path="/v1/chats/{chat}/messages",
        handler=list_messages,
        summary="List messages of a chat, newest first",
        scopes=(Scope.READ,),
        query=shapes.MessagesQuery,
        answer=shapes.Messages,
        errors=(*_CHAT, "message_not_found"),
    ),
    ApiRoute(
        method="POST",
        path="/v1/chats/{chat}/messages",
        handler=send_message,
        summary="Send a text; its fate follows as message_ack events",
        scopes=(Scope.SEND,),
        body=shapes.TextMessage,
        answer=Message,
        status=202,
        errors=(
            "session_not_found",
            "invalid_jid",
            "invalid_id",
            "session_not_connected",
            "text_empty",
            "text_too_long",
            "message_not_found",
            "idempotency_conflict",
            "send_queue_full",
        ),
        headers={"Idempotency-Key": "The same key and body again give the same answer."},
    ),
    _unable("archive", "Archive a chat on the phone"),
    _unable("unarchive", "Take a chat out of the phone's archive"),
    _unable("pin", "Pin a chat on the phone"),
    _unable("unpin", "Unpin a chat on the phone"),
    _unable("mute", "Mute a chat on the phone"),
    _unable("unmute", "Unmute a chat on the phone"),
    _unable("history", "Fetch a chat's older messages from the phone"),
    ApiRoute(
        method="GET",
        path="/v1/messages/{message}",
        handler=get_message,
        summary="Get a message",
        scopes=(Scope.READ,),
        query=Nothing,
        answer=Message,
        errors=("message_not_found",),
    ),
    ApiRoute(
        method="GET",
        path="/v1/contacts",
        handler=list_contacts,
        summary="List the contacts, by session and address",
        scopes=(Scope.READ,),
        query=shapes.ContactsQuery,
        answer=shapes.Contacts,
        errors=("invalid_cursor",),
    ),
]
