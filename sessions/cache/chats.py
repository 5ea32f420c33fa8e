"""The rows of the chat list, ordered by activity, with their counts kept as things happen.

Lists are read by keyset: a page costs what it shows, not what is cached. ``q`` is the one
filter that has to look at rows one by one; it looks at a bounded number a page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import orjson
from sortedcontainers import SortedKeyList

from sessions.cache.byte_lru import ByteLRU, Usage
from sessions.cache.messages import Entry
from sessions.cache.sizing import CHAT_OVERHEAD, text_cost
from sessions.ids import ChatRef, jid_kind, jid_user
from sessions.models import iso

#: Rows that one page of a filtered list looks at, at most.
MAX_LOOKED_AT = 2000


class ChatRow:
    """One chat as the list knows it."""

    __slots__ = (
        "archived",
        "evicted_before",
        "last",
        "lid",
        "muted_until",
        "name",
        "picture_id",
        "pinned",
        "pn",
        "ref",
        "unread",
        "updated_at",
    )

    def __init__(self, ref: ChatRef) -> None:
        """Start as a chat of which nothing but the address is known."""
        self.ref = ref
        self.pn: str | None = None
        self.lid: str | None = None
        self.name: str | None = None
        self.picture_id: str | None = None
        self.unread = 0
        self.last: Entry | None = None
        self.updated_at = 0
        self.archived = False
        self.pinned = False
        self.muted_until: int | None = None
        self.evicted_before: int | None = None

    @property
    def nbytes(self) -> int:
        """What the row weighs, its last message included (that outlives its window)."""
        texts = (self.ref.jid, self.pn, self.lid, self.name, self.picture_id)
        last = self.last.nbytes if self.last else 0
        return CHAT_OVERHEAD + sum(text_cost(text) for text in texts) + last

    @property
    def order(self) -> tuple[int, str]:
        """The place in the list: newest activity first, then by id."""
        return (-self.updated_at, self.ref.id)

    def matches(self, needle: str) -> bool:
        """Tell whether the lower-case ``needle`` is in the name or the address."""
        return needle in (self.name or "").casefold() or needle.lstrip("+") in self.ref.jid

    def render(self) -> bytes:
        """Return the chat's JSON as clients read it."""
        head = orjson.dumps(
            {
                "id": self.ref.id,
                "session": self.ref.session,
                "jid": self.ref.jid,
                "pn": self.pn,
                "lid": self.lid,
                "kind": jid_kind(self.ref.jid),
                "name": self.name or _number(self.ref.jid),
                "picture_id": self.picture_id,
                "picture_url": None,
                "unread": self.unread,
                "updated_at": iso(self.updated_at) if self.updated_at else None,
                "archived": self.archived,
                "pinned": self.pinned,
                "muted_until": iso(self.muted_until) if self.muted_until else None,
                "evicted_before": iso(self.evicted_before) if self.evicted_before else None,
            }
        )
        last = self.last.render() if self.last else b"null"
        return head[:-1] + b',"last_message":' + last + b"}"


def _number(jid: str) -> str | None:
    """Return what to call a person whose name nobody told: the number, never a LID."""
    return f"+{jid_user(jid)}" if jid.endswith("@s.whatsapp.net") else None


class ChatQuery(NamedTuple):
    """What a page of the list is asked for. ``after``: the order of the page before's last row."""

    workspace: str
    session: str | None = None
    needle: str | None = None
    unread: bool = False
    updated_after: int | None = None
    limit: int = 50
    after: tuple[int, str] | None = None


class ChatPage(NamedTuple):
    """Rows, and where to go on (None at the end)."""

    rows: list[ChatRow]
    next: tuple[int, str] | None


class ChatCache:
    """All chat rows of all workspaces."""

    def __init__(self, max_bytes: int) -> None:
        """Hold rows of at most ``max_bytes`` together."""
        self._rows: ByteLRU[ChatRef, ChatRow] = ByteLRU(max_bytes, self._evicted)
        #: (workspace, session or None, only unread) -> rows in order
        self._indexes: dict[
            tuple[str, str | None, bool], SortedKeyList[ChatRow, tuple[int, str]]
        ] = {}

    def get(self, ref: ChatRef) -> ChatRow | None:
        """Return the chat's row and count it as used."""
        return self._rows.find(ref)

    def peek(self, ref: ChatRef) -> ChatRow | None:
        """Return the chat's row without counting."""
        return self._rows.get(ref)

    def add(self, row: ChatRow) -> None:
        """Put a new row into the list."""
        if self._rows.put(row.ref, row):
            self._index(row)

    def remove(self, ref: ChatRef) -> ChatRow | None:
        """Take the row out of the list."""
        row: ChatRow | None = self._rows.pop(ref, None)
        if row is not None:
            self._unindex(row)
        return row

    @contextmanager
    def unindexed(self, row: ChatRow) -> Iterator[ChatRow]:
        """Give the row out of the lists, to change what it is ordered and counted by."""
        listed = self.peek(row.ref) is row
        if listed:
            self._unindex(row)
        try:
            yield row
        finally:
            if listed:
                self._index(row)
                self.weigh(row)

    def weigh(self, row: ChatRow) -> None:
        """Account for a row whose texts changed."""
        if self.peek(row.ref) is row and not self._rows.put(row.ref, row):
            self._unindex(row)

    def page(self, query: ChatQuery) -> ChatPage:
        """Return a page of the list."""
        index = self._indexes.get((query.workspace, query.session, query.unread))
        if index is None:
            return ChatPage([], None)
        rows: list[ChatRow] = []
        previous = query.after
        following = index.irange_key(query.after, None, inclusive=(False, True))
        for looked_at, row in enumerate(following):
            if query.updated_after is not None and row.updated_at <= query.updated_after:
                return ChatPage(rows, None)
            if len(rows) == query.limit or looked_at == MAX_LOOKED_AT:
                return ChatPage(rows, previous)
            previous = row.order
            if query.needle is None or row.matches(query.needle):
                rows.append(row)
        return ChatPage(rows, None)

    def of_session(self, workspace: str, session: str) -> list[ChatRef]:
        """Return the chats of a session."""
        return [row.ref for row in self._indexes.get((workspace, session, False), ())]

    def unread_chats(self, workspace: str) -> int:
        """Return how many chats of the workspace have unread messages."""
        return len(self._indexes.get((workspace, None, True), ()))

    def usage(self) -> Usage:
        """Return the figures."""
        return self._rows.usage()

    def _evicted(self, ref: ChatRef, row: ChatRow) -> None:
        self._unindex(row)

    def _names(self, row: ChatRow) -> Iterable[tuple[str, str | None, bool]]:
        workspace, session, _ = row.ref
        yield (workspace, None, False)
        yield (workspace, session, False)
        if row.unread:
            yield (workspace, None, True)
            yield (workspace, session, True)

    def _index(self, row: ChatRow) -> None:
        for name in self._names(row):
            index = self._indexes.get(name)
            if index is None:
                index = self._indexes[name] = SortedKeyList(key=_row_order)
            index.add(row)

    def _unindex(self, row: ChatRow) -> None:
        for name in self._names(row):
            index = self._indexes[name]
            index.remove(row)
            if not index:
                del self._indexes[name]


def _row_order(row: ChatRow) -> tuple[int, str]:
    return row.order
