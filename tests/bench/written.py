"""What was written into a past, in some bytes a message, and pages as clients read them.

A message is kept as the digest of its JSON: what a page shows must be those bytes, in that order.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

from daemon.history.models import StoredChat, StoredContact, StoredMessage
from sessions.models import iso, splice

if TYPE_CHECKING:
    import httpx


def digest(data: bytes) -> int:
    """Return 64 bits of what these bytes are."""
    return int.from_bytes(blake2b(data, digest_size=8).digest())


class Page(msgspec.Struct):
    """A page of any list, its items as the bytes that came."""

    items: list[msgspec.Raw]
    next_cursor: str | None
    evicted_before: str | None = None

    def digests(self) -> list[int]:
        """Return the digest of each item."""
        return [digest(bytes(item)) for item in self.items]

    def whole(self) -> int:
        """Return the digest of all that is the same in another life (``as_of`` is not)."""
        rest = f"{self.next_cursor} {self.evicted_before}".encode()
        return digest(b"\n".join([*map(bytes, self.items), rest]))


class Row(msgspec.Struct):
    """What is looked at of a chat."""

    id: str
    name: str | None
    unread: int
    updated_at: str | None
    evicted_before: str | None
    last_message: msgspec.Raw


_pages = msgspec.json.Decoder(Page)
_rows = msgspec.json.Decoder(Row)


async def get_page(http: httpx.AsyncClient, path: str, **params: str | int) -> Page:
    """Return one page."""
    response = await http.get(path, params=params)
    response.raise_for_status()
    return _pages.decode(response.content)


async def get_pages(http: httpx.AsyncClient, path: str, limit: int) -> AsyncIterator[Page]:
    """Yield page after page."""
    cursor: dict[str, str] = {}
    while True:
        page = await get_page(http, path, limit=limit, **cursor)
        yield page
        if page.next_cursor is None:
            return
        cursor = {"cursor": page.next_cursor}


class Written:
    """The truth that pages are held against; chats are named as clients name them."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.count = 0
        self._times: defaultdict[str, array[int]] = defaultdict(lambda: array("q"))
        self._digests: defaultdict[str, array[int]] = defaultdict(lambda: array("Q"))
        self._rows: dict[str, StoredChat] = {}
        self._contacts: dict[tuple[str, str], int] = {}

    def message(self, message: StoredMessage) -> None:
        """Note one that is written into the store."""
        self.told(message.chat.id, message.at, splice(message.head, message.tail))
        self.count += 1

    def told(self, chat: str, at: int, body: bytes) -> None:
        """Note one that clients were told, as the JSON that they were told; a row counts it."""
        self._times[chat].append(at)
        self._digests[chat].append(digest(body))
        row = self._rows.get(chat)
        if row is not None:
            self._rows[chat] = row._replace(
                unread=row.unread + 1, updated_at=max(row.updated_at, at)
            )

    def chat(self, chat: StoredChat) -> None:
        """Note a chat's row."""
        self._rows[chat.ref.id] = chat

    def contact(self, contact: StoredContact) -> None:
        """Note a contact."""
        self._contacts[contact.session, contact.jid] = digest(contact.body)

    def newest(self, chat: str) -> int:
        """Return the time of the newest message of a chat."""
        return max(self._times[chat])

    def messages(self, chat: str) -> list[int]:
        """Return the digests of a chat's messages, newest first, of one time the last to come."""
        times, digests = self._times[chat], self._digests[chat]
        # sorted() keeps the order of arrival where times are the same
        order = sorted(range(len(times)), key=times.__getitem__)
        return [digests[place] for place in reversed(order)]

    def chats(self) -> list[str]:
        """Return the chats, newest activity first, then by id."""
        return sorted(self._rows, key=lambda chat: (-self._rows[chat].updated_at, chat))

    def contacts(self) -> list[int]:
        """Return the digests of the contacts, by session and address."""
        return [self._contacts[name] for name in sorted(self._contacts)]

    def is_row(self, chat: str, body: bytes) -> bool:
        """Tell whether these bytes are the chat's row as it must be by now."""
        row, kept = _rows.decode(body), self._rows[chat]
        return (
            (row.id, row.name, row.unread) == (chat, kept.name, kept.unread)
            and row.updated_at == iso(kept.updated_at)
            and row.evicted_before is None
            and digest(bytes(row.last_message)) == self.messages(chat)[0]
        )

    def are_rows(self, chats: Sequence[str], page: Page) -> bool:
        """Tell whether a page of the list shows these chats, in this order, as they must be."""
        return len(page.items) == len(chats) and all(
            self.is_row(chat, bytes(item)) for chat, item in zip(chats, page.items, strict=True)
        )
