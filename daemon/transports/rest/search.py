"""The route of search."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from daemon.auth.scopes import Scope
from daemon.errors import ApiError
from daemon.services.search import Question, Result
from daemon.services.search.snippets import Snippet
from daemon.transports.rest.answers import listing
from daemon.transports.rest.reading import decode_cursor, encode_cursor, read_time
from daemon.transports.rest.route import ApiRoute, Call
from daemon.transports.rest.values import Cursor, Limit, SessionName, Shape, Short
from sessions.cache.messages import LATEST
from sessions.keeper import Order
from sessions.models import Message, MessageType, Value

Text = Annotated[str, Meta(max_length=200)]
Time = Annotated[str, Meta(max_length=40)]
_MOST_NUMBER = 1 << 53


class SearchQuery(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is looked for. ``from`` and ``to`` are ISO 8601 times, both included.

    ``q`` are words, the last one as a beginning; ``sender`` is a number or an address.
    """

    q: Text
    session: SessionName | None = None
    chat: Short | None = None
    sender: Short | None = None
    type: MessageType | None = None
    since: Time | None = msgspec.field(default=None, name="from")
    until: Time | None = msgspec.field(default=None, name="to")
    limit: Limit = 50
    cursor: Cursor | None = None


class FoundIn(Value, frozen=True, kw_only=True):
    """The chat of a message that was found."""

    id: str
    name: str | None


class Found(Value, frozen=True, kw_only=True):
    """A message that was found."""

    message: Message
    snippet: Snippet
    chat: FoundIn


class SearchPage(Value, frozen=True, kw_only=True):
    """Messages, newest first; ``partial``: what left the memory may be missing."""

    items: list[Found]
    next_cursor: str | None
    partial: bool


async def search(call: Call) -> Response:
    """Find messages."""
    query: SearchQuery = call.query
    question = Question(
        q=query.q,
        session=query.session,
        chat=query.chat,
        sender=query.sender,
        type=query.type,
        since=_time(query.since, "from"),
        until=_time(query.until, "to"),
        limit=query.limit,
        below=_below(query.cursor),
    )
    page = await call.services.search.find(call.who, question)
    return listing(
        call.request,
        (_item(result) for result in page.results),
        encode_cursor(page.next),
        {"partial": page.is_partial},
    )


def _time(text: str | None, name: str) -> int | None:
    return None if text is None else read_time(text, name)


def _below(cursor: str | None) -> Order | None:
    below = decode_cursor(cursor, tuple[int, int])
    if below is not None and not (0 <= below[0] <= LATEST and 0 <= below[1] <= _MOST_NUMBER):
        raise ApiError("invalid_cursor")
    return below


def _item(result: Result) -> bytes:
    chat = FoundIn(id=result.chat.id, name=result.chat_name)
    about = msgspec.json.encode({"snippet": result.snippet, "chat": chat})
    return b'{"message":' + result.message + b"," + about[1:]


ROUTES: list[ApiRoute] = [
    ApiRoute(
        method="GET",
        path="/v1/search",
        handler=search,
        summary="Find messages by their words, newest first",
        scopes=(Scope.READ,),
        query=SearchQuery,
        answer=SearchPage,
        errors=(
            "query_empty",
            "invalid_cursor",
            "session_not_found",
            "invalid_jid",
            "invalid_id",
        ),
    ),
]
