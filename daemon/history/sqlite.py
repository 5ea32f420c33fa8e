"""History in a SQLite file of its own, ``history.db`` in the data directory.

Of its own, since its checkpoints move megabytes: in the database of sends and keys they would
stall what must be quick. One thread writes, one reads, two search: a search may take long, and no
page waits for it. The event loop never waits for the disk.
``synchronous = NORMAL``: a commit outlives a killed process, not always a power cut.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self, TypeVar

from daemon.history import leaving, recalling, schema
from daemon.history.erasing import names_one
from daemon.history.failures import is_corrupt_index
from daemon.history.lane import Lane, set_aside
from daemon.history.models import (
    Dropped,
    Moved,
    Place,
    Record,
    Searched,
    SearchQuery,
    StoredChat,
    StoredContact,
    StoredMessage,
)
from daemon.history.searchers import Searchers
from daemon.history.searching import Watch
from daemon.history.writing import Writer
from sessions.ids import ChatRef, SessionKey

log = logging.getLogger("zapd.history")
T = TypeVar("T")

FILE = "history.db"
_WATCH = Watch()
_READ_BATCH = 2000

_BY_ID = (
    f"SELECT w.name, c.session, c.jid, {schema.MESSAGE_COLUMNS} FROM messages m "
    "JOIN chats c ON c.n = m.chat JOIN workspaces w ON w.n = m.workspace "
    "WHERE w.name = ? AND m.id = ?"
)


class SqliteHistory:
    """A :class:`daemon.history.port.HistoryStore`; its maker closes it.

    The file is opened when it is first needed; a damaged one is set aside under another name
    and a new one begun, then and whenever a write meets the damage: the log says so.
    """

    def __init__(self, data_dir: Path, watch: Watch = _WATCH) -> None:
        """``watch`` tells searches when to end."""
        self.path = data_dir / FILE
        self._writing = Lane(self.path, "history-write", self._mend)
        self._reading = Lane(self.path, "history-read")
        self._searchers = Searchers(self.path, watch)
        self._hand: Writer | None = None
        self._notice: str | None = None

    @classmethod
    async def open(cls, data_dir: Path, watch: Watch = _WATCH) -> Self:
        """Return a store whose file was opened, or made. Raises ``HistoryFailed``."""
        store = cls(data_dir, watch)
        try:
            await store.ready()
        except BaseException:
            await store.close()
            raise
        return store

    async def ready(self) -> None:
        """Open the file, so that what is wrong with it is known. Raises ``HistoryFailed``."""
        await self._writing.run(lambda _: None)
        await self._reading.run(lambda _: None)

    @property
    def notice(self) -> str | None:
        """What a person should know although it works."""
        return self._notice

    async def write(self, records: Sequence[Record]) -> None:
        """Apply the records in one transaction."""
        await self._change(lambda hand: _apply(hand, records))

    async def message(self, workspace: str, id: str) -> StoredMessage | None:
        """Return a message by our id."""
        found = await self._find(workspace, id)
        return found[1] if found else None

    async def place(self, workspace: str, id: str) -> Place | None:
        """Return where a message stands."""
        found = await self._find(workspace, id)
        return found[0] if found else None

    async def _find(self, workspace: str, id: str) -> tuple[Place, StoredMessage] | None:
        rows = await self._rows(_BY_ID, (workspace, id))
        return schema.message_of(rows[0][3:], ChatRef(*rows[0][:3])) if rows else None

    async def before(
        self, chat: ChatRef, place: Place | None, limit: int
    ) -> list[tuple[Place, StoredMessage]]:
        """Return older messages, newest first."""
        sql = (
            f"SELECT {schema.MESSAGE_COLUMNS} FROM messages m WHERE m.chat = ({schema.CHAT_NUMBER}) "
            "AND m.n < ? ORDER BY m.n DESC LIMIT ?"
        )
        rows = await self._rows(sql, (*chat, _END if place is None else place, limit))
        return [schema.message_of(row, chat) for row in rows]

    async def after(
        self, chat: ChatRef, place: Place, limit: int
    ) -> list[tuple[Place, StoredMessage]]:
        """Return newer messages, oldest first."""
        sql = (
            f"SELECT {schema.MESSAGE_COLUMNS} FROM messages m WHERE m.chat = ({schema.CHAT_NUMBER}) "
            "AND m.n > ? ORDER BY m.n LIMIT ?"
        )
        rows = await self._rows(sql, (*chat, place, limit))
        return [schema.message_of(row, chat) for row in rows]

    async def chats(self) -> AsyncIterator[list[StoredChat]]:
        """Yield all chats, newest activity first."""
        sql = (
            f"SELECT {schema.CHAT_COLUMNS}, c.n FROM chats c JOIN workspaces w ON w.n = c.workspace "
            "WHERE (c.updated_at, c.n) < (?, ?) ORDER BY c.updated_at DESC, c.n DESC LIMIT ?"
        )
        at, number = _END, _END
        while rows := await self._rows(sql, (at, number, _READ_BATCH)):
            found = [schema.chat_of(row[:-1]) for row in rows]
            yield found
            at, number = found[-1].updated_at, rows[-1][-1]

    async def chat(self, ref: ChatRef) -> StoredChat | None:
        """Return one chat."""
        sql = (
            f"SELECT {schema.CHAT_COLUMNS} FROM chats c JOIN workspaces w ON w.n = c.workspace "
            f"WHERE c.n = ({schema.CHAT_NUMBER})"
        )
        rows = await self._rows(sql, ref)
        return schema.chat_of(rows[0]) if rows else None

    async def contacts(self) -> AsyncIterator[list[StoredContact]]:
        """Yield all contacts."""
        sql = (
            "SELECT w.n, w.name, k.session, k.jid, k.body FROM contacts k "
            "JOIN workspaces w ON w.n = k.workspace "
            "WHERE (k.workspace, k.session, k.jid) > (?, ?, ?) "
            "ORDER BY k.workspace, k.session, k.jid LIMIT ?"
        )
        last: tuple[int, str, str] = (0, "", "")
        while rows := await self._rows(sql, (*last, _READ_BATCH)):
            yield [StoredContact(row[1], row[2], row[3], bytes(row[4])) for row in rows]
            last = (rows[-1][0], rows[-1][2], rows[-1][3])

    async def find(self, workspace: str, ids: Sequence[str]) -> list[tuple[Place, StoredMessage]]:
        """Return those of the messages that there are."""
        return await self._reading.run(lambda c: recalling.by_id(c, workspace, ids))

    async def sent(
        self, key: SessionKey, wa_ids: Sequence[str]
    ) -> list[tuple[Place, StoredMessage]]:
        """Return the session's own messages that WhatsApp calls so."""
        return await self._reading.run(lambda c: recalling.sent(c, key, wa_ids))

    async def last(self, refs: Sequence[ChatRef]) -> list[tuple[Place, StoredMessage]]:
        """Return the newest message of each of the chats."""
        return await self._reading.run(lambda c: recalling.last(c, refs))

    async def chats_of(self, refs: Sequence[ChatRef]) -> list[StoredChat]:
        """Return those of the chats that there are."""
        return await self._reading.run(lambda c: recalling.chats_of(c, refs))

    async def listed(
        self,
        workspace: str,
        sessions: Sequence[str] | None,
        after: tuple[int, str] | None,
        limit: int,
    ) -> list[StoredChat]:
        """Return chats by activity, then by id."""
        return await self._reading.run(
            lambda c: recalling.listed(c, workspace, sessions, after, limit)
        )

    async def contacts_page(
        self,
        workspace: str,
        sessions: Sequence[str] | None,
        after: tuple[str, str] | None,
        limit: int,
    ) -> list[StoredContact]:
        """Return contacts by session and JID."""
        return await self._reading.run(
            lambda c: recalling.contacts_page(c, workspace, sessions, after, limit)
        )

    async def contacts_of(self, key: SessionKey, jids: Sequence[str]) -> list[StoredContact]:
        """Return those of the contacts that there are."""
        return await self._reading.run(lambda c: recalling.contacts_of(c, key, jids))

    async def search(self, query: SearchQuery) -> Searched:
        """Return messages with all the words, newest first, for as long as a search may take."""
        return await self._searchers.find(query)

    async def erase_contact(self, key: SessionKey, jids: frozenset[str]) -> dict[str, int]:
        """Remove what is of these addresses, to the last page of the file.

        After the rows, the index is merged anew in steps, with writes between them: deleted words
        stay in its segments until then. What SQLite moved between pages may have left a copy in the
        gap where it was: where an address is found in the file still, all of it is written anew.
        Raises ``HistoryFailed`` where another program reads the file and so keeps its log; asking
        again is enough.
        """
        counts = await self._change(lambda hand: hand.erase(key, jids))
        first = True
        while await self._writing.run(lambda c, begin=first: leaving.merge(c, begin=begin)):  # type: ignore[misc]  # mypy cannot type a lambda's default
            first = False
        await self._writing.run(leaving.empty_log)
        if await asyncio.to_thread(names_one, self.path, jids):
            await self._writing.run(leaving.rewrite)
            await self._writing.run(leaving.empty_log)
        return counts

    async def prune(self, older_than: int | None, most_bytes: int | None) -> int:
        """Remove the oldest messages; in steps, so that writes come between."""
        gone = 0
        while some := await self._change(
            lambda hand: leaving.prune(hand.connection, older_than, most_bytes)
        ):
            gone += some
        while await self._writing.run(leaving.give_back):
            pass
        return gone

    async def close(self) -> None:
        """Close all connections after what they are doing."""
        await self._searchers.close()
        await self._reading.close()
        await self._writing.close()

    async def _rows(self, sql: str, values: Iterable[object]) -> list[schema.Row]:
        bound = tuple(values)
        return await self._reading.run(lambda connection: connection.execute(sql, bound).fetchall())

    async def _change(self, work: Callable[[Writer], T]) -> T:
        def done(connection: sqlite3.Connection) -> T:
            hand = self._hand
            if hand is None or hand.connection is not connection:
                hand = self._hand = Writer(connection)
            with _transaction(hand):
                return work(hand)

        return await self._writing.run(done)

    def _mend(self, error: sqlite3.Error) -> None:
        """Make the index again, or begin a new file: on the thread that writes."""
        connection = self._writing.connection
        if is_corrupt_index(error) and connection is not None:
            log.error("the search index of %s is damaged: it is made again", self.path.name)
            with suppress(sqlite3.DatabaseError):
                connection.execute("INSERT INTO words(words) VALUES('rebuild')")
                return
        self._writing.drop()
        aside = set_aside(self.path)
        self._notice = (
            f"The history's file was damaged: it is kept as {aside}, and a new one was begun."
        )


@contextmanager
def _transaction(hand: Writer) -> Iterator[None]:
    connection = hand.connection
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        hand.forget()  # numbers that it had given are free again
        with suppress(sqlite3.Error):  # of a damaged file, or where SQLite rolled back by itself
            connection.execute("ROLLBACK")
        raise


def _apply(hand: Writer, records: Sequence[Record]) -> None:
    for shape, run in _runs(records):
        hand.apply(shape, run)


_END = (1 << 63) - 1


def _runs(records: Sequence[Record]) -> Iterable[tuple[type[Record], list[Record]]]:
    """Yield the records by kind; what moves a chat or drops a session stands where it stood.

    Between two of those the order of kinds does not matter: all is one transaction, and a row
    says nothing of another kind's.
    """
    kinds: dict[type[Record], list[Record]] = {}
    for record in records:
        if isinstance(record, Moved | Dropped):
            yield from kinds.items()
            kinds = {}
            yield type(record), [record]
        else:
            kinds.setdefault(type(record), []).append(record)
    yield from kinds.items()
