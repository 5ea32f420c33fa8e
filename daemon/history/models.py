"""What history keeps of messages, chats and contacts, and what is asked of it.

A message is kept as the two halves that the cache has (:mod:`sessions.models`): splicing them
gives, byte for byte, what clients were told. Times are milliseconds since 1970.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from sessions.ids import ChatRef


class StoredMessage(NamedTuple):
    """A message as of its last change. ``text`` is what search looks at; None where there is none.

    ``id`` is ours and unique in the workspace: writing the same id again is a change, in place.
    """

    chat: ChatRef
    id: str
    at: int
    from_me: bool
    sender: str
    type: str
    text: str | None
    wa_id: str | None
    head: bytes
    tail: bytes


class StoredChat(NamedTuple):
    """A chat's row without its last message (that is the newest of its messages)."""

    ref: ChatRef
    pn: str | None
    lid: str | None
    name: str | None
    picture_id: str | None
    unread: int
    updated_at: int
    archived: bool
    pinned: bool
    muted_until: int | None
    mark: int = 0
    """Up to where of the session's journal the row counts what came in; 0: nobody knows."""


class StoredContact(NamedTuple):
    """A contact as JSON of :class:`sessions.models.Contact`."""

    workspace: str
    session: str
    jid: str
    body: bytes


class Moved(NamedTuple):
    """Two chats became one: what was in ``old`` is in ``new`` from now on."""

    old: ChatRef
    new: ChatRef


class Dropped(NamedTuple):
    """A session was deleted, with all that it had."""

    workspace: str
    session: str


Record = StoredMessage | StoredChat | StoredContact | Moved | Dropped
"""One change; they are applied in the order in which they are handed over."""

Place = int
"""Where a message stands: greater for a later one, and of one time for what arrived later."""


class Found(NamedTuple):
    """A message that a search found, where it stands, and a snippet.

    ``snippet`` marks what was looked for with U+0002 and U+0003: no text of a message holds them
    (they are taken out when it is stored), so that whoever shows it can escape first.
    """

    message: StoredMessage
    place: Place
    snippet: str


class Searched(NamedTuple):
    """What a search found, newest first.

    All down to ``end`` (included) was looked at; None: all there is. So a page may be short.
    """

    found: list[Found]
    end: Place | None


class SearchQuery(NamedTuple):
    """What is looked for. ``sessions`` None: all of the workspace (the token's, never the query's).

    ``words`` must all be in the text, accents and case aside, the last one as a beginning.
    ``chats`` and ``senders`` are one chat's and one person's addresses: any of them. Newest first;
    ``after`` is where the page before ended.
    """

    workspace: str
    words: tuple[str, ...]
    sessions: frozenset[str] | None = None
    chats: tuple[ChatRef, ...] | None = None
    senders: tuple[str, ...] | None = None
    type: str | None = None
    since: int | None = None
    until: int | None = None
    limit: int = 50
    after: Place | None = None


State = Literal["off", "ok", "behind", "failing"]


class Health(NamedTuple):
    """How history stands. ``behind``: the spill file is in use; ``failing``: storage refuses.

    ``backlog`` (in RAM) and ``spilled`` (in the spill file) are records that are not in the store
    yet; ``written``, ``lost`` and ``refused`` count since the start. ``lost`` had no room in
    backlog and spill; ``refused`` are records that no store could ever hold.
    """

    state: State
    sentence: str | None = None
    user_action: str | None = None
    backlog: int = 0
    backlog_bytes: int = 0
    spilled: int = 0
    spilled_bytes: int = 0
    written: int = 0
    lost: int = 0
    refused: int = 0
