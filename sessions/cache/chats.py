"""The rows of the chat list, ordered by activity, with their counts kept as things happen.

Lists are read by keyset: a page costs what it shows, not what is cached. A filter by labels reads
the shortest list of those asked for. ``q``, further labels and labels that are not to be there have
to look at rows one by one; they look at a bounded number a page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from heapq import merge
from typing import NamedTuple

import orjson
from sortedcontainers import SortedKeyList

from sessions.cache.byte_lru import ByteLRU, Usage
from sessions.cache.messages import Entry
from sessions.cache.sizing import CHAT_OVERHEAD, LABEL_OVERHEAD, text_cost
from sessions.ids import ChatRef, jid_kind, jid_user
from sessions.models import iso
from sessions.ports import Annotation

#: Rows that one page of a filtered list looks at, at most.
MAX_LOOKED_AT = 2000
#: The label of chats that have unread messages; those of annotations have a colon.
UNREAD = "unread"

_BARE = Annotation()


class ChatRow:
    """One chat as the list knows it."""

    __slots__ = (
        "annotation",
        "archived",
        "cold_before",
        "evicted_before",
        "last",
        "lid",
        "mark",
        "muted_until",
        "name",
        "picture_id",
        "pinned",
        "pn",
        "ref",
        "unread",
        "updated_at",
    )

    def __init__(self, ref: ChatRef, annotation: Annotation = _BARE) -> None:
        """Start as a chat of which nothing but the address is known here."""
        self.ref = ref
        self.annotation = annotation
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
        #: Up to where of the session's journal the row counts what came in; 0: unknown.
        self.mark = 0
        #: ms; what is older may have left the RAM and is kept elsewhere. None: all is here.
        self.cold_before: int | None = None
        #: ms; what is older may be gone for good.
        self.evicted_before: int | None = None

    @property
    def nbytes(self) -> int:
        """What the row weighs, its last message included (that outlives its window)."""
        texts = (self.ref.jid, self.pn, self.lid, self.name, self.picture_id)
        last = self.last.nbytes if self.last else 0
        others = self.annotation.nbytes + LABEL_OVERHEAD * len(self.annotation.labels)
        return CHAT_OVERHEAD + sum(text_cost(text) for text in texts) + last + others

    @property
    def labels(self) -> tuple[str, ...]:
        """What the row is listed by, beside its workspace and session."""
        own = self.annotation.labels
        return (UNREAD, *own) if self.unread else own

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
                "name": called(self.name, self.ref.jid),
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
        others = b"," + self.annotation.json if self.annotation.json else b""
        return head[:-1] + others + b',"last_message":' + last + b"}"


def called(name: str | None, jid: str) -> str | None:
    """Return what to call a chat: of a person whose name nobody told the number, never a LID."""
    return name or (f"+{jid_user(jid)}" if jid.endswith("@s.whatsapp.net") else None)


class ChatQuery(NamedTuple):
    """What a page of the list is asked for. ``after``: the order of the page before's last row.

    A row has all ``labels``, and none that begins with one of ``lacking``. ``sessions`` are those
    that may be seen at all, None: all.
    """

    workspace: str
    session: str | None = None
    needle: str | None = None
    unread: bool = False
    updated_after: int | None = None
    limit: int = 50
    after: tuple[int, str] | None = None
    labels: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    sessions: frozenset[str] | None = None

    @property
    def places(self) -> list[str | None]:
        """The sessions whose lists are to be read; None stands for all of the workspace."""
        if self.sessions is None:
            return [self.session]
        return [*sorted(self.sessions if self.session is None else self.sessions & {self.session})]

    def admits(self, row: ChatRow) -> bool:
        """Tell whether the row has what is asked for."""
        own = row.annotation.labels
        return (
            (not self.unread or row.unread > 0)
            and (not self.labels or all(label in own for label in self.labels))
            and not (self.lacking and any(label.startswith(self.lacking) for label in own))
            and (self.needle is None or row.matches(self.needle))
        )


class ChatPage(NamedTuple):
    """Rows, and where to go on (None at the end)."""

    rows: list[ChatRow]
    next: tuple[int, str] | None


_Name = tuple[str, str | None, str | None]
"""The list of a workspace, or a session of it; of all rows, or of those with a label."""
_Index = SortedKeyList[ChatRow, tuple[int, str]]


class ChatCache:
    """All chat rows of all workspaces."""

    def __init__(self, max_bytes: int, on_change: Callable[[ChatRow], None] | None = None) -> None:
        """Hold rows of at most ``max_bytes`` together; tell ``on_change`` of new and changed ones."""
        self._on_change = on_change
        #: Whether no row has left: what is not here is nowhere.
        self.is_whole = True
        self._rows: ByteLRU[ChatRef, ChatRow] = ByteLRU(max_bytes, self._evicted)
        self._indexes: dict[_Name, _Index] = {}

    def get(self, ref: ChatRef) -> ChatRow | None:
        """Return the chat's row and count it as used."""
        return self._rows.find(ref)

    def peek(self, ref: ChatRef) -> ChatRow | None:
        """Return the chat's row without counting."""
        return self._rows.get(ref)

    def look(self, ref: ChatRef) -> ChatRow | None:
        """Return the chat's row without counting it as used."""
        return self._rows.peek(ref)

    def add(self, row: ChatRow) -> None:
        """Put a new row into the list."""
        self.restore(row)
        self._changed(row)

    def restore(self, row: ChatRow) -> None:
        """Put a row back that was here before."""
        if self._rows.put(row.ref, row):
            self._index(row)
        else:
            self.is_whole = False

    def restore_cold(self, row: ChatRow, share: float) -> bool:
        """Put a row back as the least recently used; False where it would fill more than ``share``."""
        if row.nbytes > self._rows.room(share):
            return False
        self._rows.put_cold(row.ref, row)
        self._index(row)
        return True

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
            self.is_whole = False
        self._changed(row)

    def _changed(self, row: ChatRow) -> None:
        if self._on_change is not None:
            self._on_change(row)

    def page(self, query: ChatQuery) -> ChatPage:
        """Return a page of the list."""
        shortest = (self._shortest(query, place) for place in query.places)
        lists = [
            index.irange_key(query.after, None, inclusive=(False, True))
            for index in shortest
            if index is not None
        ]
        rows: list[ChatRow] = []
        previous = query.after
        following = lists[0] if len(lists) == 1 else merge(*lists, key=_row_order)
        for looked_at, row in enumerate(following):
            if query.updated_after is not None and row.updated_at <= query.updated_after:
                return ChatPage(rows, None)
            if len(rows) == query.limit or looked_at == MAX_LOOKED_AT:
                return ChatPage(rows, previous)
            previous = row.order
            if query.admits(row):
                rows.append(row)
        return ChatPage(rows, None)

    def _shortest(self, query: ChatQuery, session: str | None) -> _Index | None:
        """Return the shortest list that has all rows of the session; None where there is none."""
        labels = (*query.labels, UNREAD) if query.unread else query.labels
        found = []
        for label in labels or (None,):
            index = self._indexes.get((query.workspace, session, label))
            if index is None:
                return None
            found.append(index)
        return min(found, key=len)

    def of_session(self, workspace: str, session: str) -> list[ChatRef]:
        """Return the chats of a session."""
        return [row.ref for row in self._indexes.get((workspace, session, None), ())]

    def labelled(self, workspace: str, label: str) -> list[ChatRef]:
        """Return the chats of a workspace that have a label."""
        return [row.ref for row in self._indexes.get((workspace, None, label), ())]

    def unread_chats(self, workspace: str) -> int:
        """Return how many chats of the workspace have unread messages."""
        return len(self._indexes.get((workspace, None, UNREAD), ()))

    def usage(self) -> Usage:
        """Return the figures."""
        return self._rows.usage()

    def _evicted(self, ref: ChatRef, row: ChatRow) -> None:
        self._unindex(row)
        self.is_whole = False

    def _names(self, row: ChatRow) -> Iterable[_Name]:
        workspace, session, _ = row.ref
        for label in (None, *row.labels):
            yield (workspace, None, label)
            yield (workspace, session, label)

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
