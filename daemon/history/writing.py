"""Puts records into ``history.db``: within a transaction, on the thread that writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, cast

from daemon.history import schema
from daemon.history.alphabet import MARKS
from daemon.history.bulk import Bulk
from daemon.history.erasing import unquote
from daemon.history.models import (
    Dropped,
    Moved,
    Record,
    StoredChat,
    StoredContact,
    StoredMessage,
)
from sessions.ids import ChatRef, SessionKey
from sessions.models import rewrite_head

_INSERT = Bulk(
    "INSERT INTO messages(n, workspace, chat, id, at, from_me, sender, type, wa_id, head, tail, text) "
    "VALUES {}",
    12,
)
_UPDATE = Bulk(
    "UPDATE messages SET chat = v.column2, sender = v.column3, type = v.column4, "
    "wa_id = v.column5, head = v.column6, tail = v.column7, text = v.column8 "
    "FROM (VALUES {}) AS v WHERE messages.n = v.column1",
    8,
)
_INDEX = Bulk("INSERT INTO words(rowid, scope, text) VALUES {}", 3)
_KNOWN = Bulk("SELECT id, n FROM messages WHERE workspace = ? AND id IN ({})", 0)
#: The last number of each millisecond that has messages, by the first that it could have.
_LAST = Bulk(
    "SELECT first, last FROM (SELECT v.column1 AS first, (SELECT max(n) FROM messages "
    "WHERE n >= v.column1 AND n < v.column1 + 1048576) AS last FROM (VALUES {}) AS v) "
    "WHERE last IS NOT NULL",
    1,
)
_CONTACT = (
    "INSERT INTO contacts(workspace, session, jid, body) VALUES(?, ?, ?, ?) "
    "ON CONFLICT(workspace, session, jid) DO UPDATE SET body = excluded.body"
)
_KNOWN_MAX = 200_000  # chats whose numbers are remembered; some 200 bytes each


class Writer:
    """Applies runs of records of one kind. Remembers numbers of workspaces and chats."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._workspaces: dict[str, int] = {}
        self._chats: dict[ChatRef, int] = {}

    def forget(self) -> None:
        """Forget all numbers: what gave them was rolled back."""
        self._workspaces.clear()
        self._chats.clear()

    def apply(self, shape: type[Record], records: Sequence[Record]) -> None:
        """Apply records that are all of one kind, in order."""
        if shape is StoredMessage:
            self._messages(cast("Sequence[StoredMessage]", records))
        elif shape is StoredChat:
            self._save_chats(cast("Sequence[StoredChat]", records))
        elif shape is StoredContact:
            self._contacts(cast("Sequence[StoredContact]", records))
        else:
            for record in records:
                if isinstance(record, Moved):
                    self._move(record)
                elif isinstance(record, Dropped):
                    self._drop(record)

    def erase(self, key: SessionKey, jids: frozenset[str]) -> dict[str, int]:
        """Remove messages from or in chats with these addresses, the chats and the contacts."""
        names = sorted(jids)
        marks = ", ".join("?" * len(names))
        workspace = self._workspace(key.workspace)
        own = f"SELECT n FROM chats WHERE workspace = ? AND session = ? AND jid IN ({marks})"
        of_session = "SELECT n FROM chats WHERE workspace = ? AND session = ?"
        place = (workspace, key.session)
        run = self.connection.execute
        messages = run(
            f"DELETE FROM messages WHERE chat IN ({own}) "
            f"OR (sender IN ({marks}) AND chat IN ({of_session}))",
            (*place, *names, *names, *place),
        ).rowcount
        chats = run(
            f"DELETE FROM chats WHERE workspace = ? AND session = ? AND jid IN ({marks})",
            (*place, *names),
        ).rowcount
        contacts = run(
            f"DELETE FROM contacts WHERE workspace = ? AND session = ? AND jid IN ({marks})",
            (*place, *names),
        ).rowcount
        quotations = unquote(self.connection, workspace, key.session, jids)
        self.forget()
        found = {"messages": messages, "chats": chats, "contacts": contacts}
        return found | ({"quotations": quotations} if quotations else {})

    def _messages(self, messages: Sequence[StoredMessage]) -> None:
        last = {(message.chat.workspace, message.id): message for message in messages}
        known = self._numbers(last)
        self._insert([message for name, message in last.items() if name not in known])
        changes = [self._change(number, last[name]) for name, number in known.items()]
        _UPDATE.do(self.connection, changes)

    def _insert(self, messages: Sequence[StoredMessage]) -> None:
        firsts = dict.fromkeys(schema.first_number(message.at) for message in messages)
        taken: dict[int, int] = dict(_LAST.run(self.connection, [(first,) for first in firsts]))
        rows = []
        refs: dict[int, ChatRef] = {}
        for message in messages:
            first = schema.first_number(message.at)
            taken[first] = taken.get(first, first - 1) + 1
            row = self._row(message, taken[first])
            rows.append(row)
            refs[row[2]] = message.chat
        # In order, as FTS5 writes its segment out whenever a number is lower than the one before.
        rows.sort()
        _INSERT.do(self.connection, rows)
        words = [
            (row[0], schema.scope_of(row[1], refs[row[2]], row[2], row[7], row[6]), row[-1])
            for row in rows
            if row[-1] is not None
        ]
        try:
            _INDEX.do(self.connection, words)
        except sqlite3.IntegrityError as error:
            # Numbers are new: only an index that is damaged can have them already.
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT_VTAB
            raise

    def _row(self, message: StoredMessage, number: int) -> tuple[Any, ...]:
        return (
            number,
            self._workspace(message.chat.workspace),
            self._chat(message.chat),
            message.id,
            message.at,
            int(message.from_me),
            message.sender,
            message.type,
            message.wa_id,
            message.head,
            message.tail,
            _plain(message.text),
        )

    def _change(self, number: int, message: StoredMessage) -> tuple[Any, ...]:
        values = (message.sender, message.type, message.wa_id, message.head, message.tail)
        return (number, self._chat(message.chat), *values, _plain(message.text))

    def _numbers(self, names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """Return the numbers of the messages that are there, by workspace and id."""
        by_workspace: dict[str, list[tuple[str]]] = {}
        for workspace, id_ in names:
            by_workspace.setdefault(workspace, []).append((id_,))
        return {
            (workspace, id_): number
            for workspace, ids in by_workspace.items()
            for id_, number in _KNOWN.run(self.connection, ids, self._workspace(workspace))
        }

    def _save_chats(self, chats: Sequence[StoredChat]) -> None:
        rows = [
            (self._workspace(chat.ref.workspace), chat.ref.session, chat.ref.jid, *chat[1:])
            for chat in chats
        ]
        self.connection.executemany(schema.SAVE_CHAT, rows)

    def _contacts(self, contacts: Iterable[StoredContact]) -> None:
        rows = [
            (self._workspace(contact.workspace), contact.session, contact.jid, contact.body)
            for contact in contacts
        ]
        self.connection.executemany(_CONTACT, rows)

    def _move(self, moved: Moved) -> None:
        """Readdress each message, as the cache does with those that it holds."""
        old, new = self._chat(moved.old), self._chat(moved.new)
        run = self.connection.execute
        for number, sender, head in run(
            "SELECT n, sender, head FROM messages WHERE chat = ?", (old,)
        ).fetchall():
            by = moved.new.jid if sender == moved.old.jid else sender
            values = (new, by, rewrite_head(head, chat=moved.new.id, sender=by), number)
            run("UPDATE messages SET chat = ?, sender = ?, head = ? WHERE n = ?", values)
        run("DELETE FROM chats WHERE n = ?", (old,))
        self._chats.pop(moved.old, None)

    def _drop(self, dropped: Dropped) -> None:
        place = (self._workspace(dropped.workspace), dropped.session)
        of_session = "SELECT n FROM chats WHERE workspace = ? AND session = ?"
        run = self.connection.execute
        run(f"DELETE FROM messages WHERE chat IN ({of_session})", place)
        run("DELETE FROM chats WHERE workspace = ? AND session = ?", place)
        run("DELETE FROM contacts WHERE workspace = ? AND session = ?", place)
        self.forget()

    def _workspace(self, name: str) -> int:
        number = self._workspaces.get(name)
        if number is None:
            run = self.connection.execute
            run("INSERT INTO workspaces(name) VALUES(?) ON CONFLICT DO NOTHING", (name,))
            number = run("SELECT n FROM workspaces WHERE name = ?", (name,)).fetchone()[0]
            self._workspaces[name] = number
        return number

    def _chat(self, ref: ChatRef) -> int:
        number = self._chats.get(ref)
        if number is None:
            place = (self._workspace(ref.workspace), ref.session, ref.jid)
            run = self.connection.execute
            run(
                "INSERT INTO chats(workspace, session, jid) VALUES(?, ?, ?) ON CONFLICT DO NOTHING",
                place,
            )
            sql = "SELECT n FROM chats WHERE workspace = ? AND session = ? AND jid = ?"
            number = run(sql, place).fetchone()[0]
            if len(self._chats) >= _KNOWN_MAX:
                self._chats.clear()
            self._chats[ref] = number
        return number


def _plain(text: str | None) -> str | None:
    return text.translate(MARKS) if text else None
