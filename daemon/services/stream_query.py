"""What a client asks of a stream, checked: the same for every transport."""

from __future__ import annotations

from typing import NamedTuple

from daemon.auth.principal import Principal
from daemon.errors import ApiError
from daemon.hub.envelope import Cursor, parse_cursor
from daemon.hub.event_types import EVENT_TYPES
from daemon.hub.interest import Filter
from sessions.errors import EngineError
from sessions.ids import chat_id, check_session, split_chat_id

#: How many sessions, chats or types one filter may name.
MAX_NAMES = 200


class StreamQuery(NamedTuple):
    """A filter as it was written, and where to go on. Empty tuples admit all."""

    after: Cursor | None = None
    sessions: tuple[str, ...] = ()
    chats: tuple[str, ...] = ()
    types: tuple[str, ...] = ()


def read_cursor(text: str) -> Cursor:
    """Return the cursor of an ``after`` parameter; raise ``ApiError`` (invalid_cursor)."""
    try:
        return parse_cursor(text)
    except ValueError:
        raise ApiError("invalid_cursor") from None


def filter_of(principal: Principal, query: StreamQuery) -> Filter:
    """Return the filter, narrowed to what the principal may see; raise ``ApiError``.

    A session or chat that does not exist is no error: it matches nothing, here as in every
    other workspace, so that nothing is told about either.
    """
    if max(map(len, query[1:])) > MAX_NAMES:
        raise ApiError("invalid_parameter", f"A filter names at most {MAX_NAMES} of a kind.")
    return Filter(
        _sessions(query.sessions), _chats(query.chats), _types(query.types), principal.sessions
    )


def _sessions(names: tuple[str, ...]) -> frozenset[str] | None:
    try:
        return frozenset(map(check_session, names)) or None
    except EngineError as error:
        raise ApiError.from_engine(error) from error


def _chats(names: tuple[str, ...]) -> frozenset[str] | None:
    try:
        return frozenset(chat_id(*split_chat_id(name)) for name in names) or None
    except EngineError as error:
        raise ApiError.from_engine(error) from error


def _types(names: tuple[str, ...]) -> frozenset[str] | None:
    for name in names:
        if name not in EVENT_TYPES:
            raise ApiError("unknown_event_type", f"There is no event of type {name[:60]!r}.")
    return frozenset(names) or None
