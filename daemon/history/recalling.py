"""What is asked of ``history.db`` beside pages and searches: what left the RAM, by its name.

One statement a question, whatever its size: sqlite3 waits for Python's lock after each row that a
statement of its own would give (see ``bulk``).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from daemon.history import schema
from daemon.history.models import Place, StoredChat, StoredContact, StoredMessage
from sessions.ids import ChatRef, SessionKey

# CROSS JOIN is a join whose order SQLite keeps: from the names to the rows. Left to itself it begins
# with the smallest table, a workspace's, and walks all messages of a chat for each question.
_MESSAGES = (
    f"SELECT w.name, c.session, c.jid, {schema.MESSAGE_COLUMNS} FROM json_each(?) j CROSS JOIN {{}} "
    "CROSS JOIN chats c ON c.n = m.chat CROSS JOIN workspaces w ON w.n = m.workspace WHERE {}"
)
_BY_ID = _MESSAGES.format(
    "messages m ON m.workspace = (SELECT n FROM workspaces WHERE name = ?) AND m.id = j.value",
    "true",
)
_SENT = _MESSAGES.format(
    "messages m ON m.wa_id = j.value AND m.from_me = 1", "w.name = ? AND c.session = ?"
)
_CHATS = (
    "FROM json_each(?) j CROSS JOIN workspaces w ON w.name = j.value ->> 0 CROSS JOIN chats c "
    "ON c.workspace = w.n AND c.session = j.value ->> 1 AND c.jid = j.value ->> 2"
)
_CHATS_OF = f"SELECT {schema.CHAT_COLUMNS} {_CHATS}"
_LAST = (
    f"SELECT w.name, c.session, c.jid, {schema.MESSAGE_COLUMNS} {_CHATS} "
    "CROSS JOIN messages m ON m.n = (SELECT max(n) FROM messages WHERE chat = c.n)"
)
_LISTED = (
    f"SELECT {schema.CHAT_COLUMNS} FROM chats c JOIN workspaces w ON w.n = c.workspace "
    "WHERE c.workspace = (SELECT n FROM workspaces WHERE name = ?) AND c.updated_at <= ? "
    "AND (c.updated_at < ? OR c.session || ':' || c.jid > ?){} "
    "ORDER BY c.updated_at DESC, c.session || ':' || c.jid LIMIT ?"
)
_CONTACTS = (
    "SELECT w.name, k.session, k.jid, k.body FROM contacts k JOIN workspaces w ON w.n = k.workspace "
    "WHERE k.workspace = (SELECT n FROM workspaces WHERE name = ?) "
)
_CONTACTS_PAGE = _CONTACTS + "AND (k.session, k.jid) > (?, ?){} ORDER BY k.session, k.jid LIMIT ?"
_CONTACTS_OF = _CONTACTS + "AND k.session = ? AND k.jid IN (SELECT value FROM json_each(?))"
_OF_SESSIONS = " AND session IN (SELECT value FROM json_each(?))"
_END = (1 << 63) - 1

Message = tuple[Place, StoredMessage]


def by_id(connection: sqlite3.Connection, workspace: str, ids: Sequence[str]) -> list[Message]:
    """Return those of the messages, by our ids, that there are."""
    return _messages(connection, _BY_ID, json.dumps(ids), workspace)


def sent(connection: sqlite3.Connection, key: SessionKey, wa_ids: Sequence[str]) -> list[Message]:
    """Return the session's own messages that WhatsApp calls so."""
    return _messages(connection, _SENT, json.dumps(wa_ids), *key)


def last(connection: sqlite3.Connection, refs: Sequence[ChatRef]) -> list[Message]:
    """Return the newest message of each of the chats."""
    return _messages(connection, _LAST, json.dumps(refs))


def chats_of(connection: sqlite3.Connection, refs: Sequence[ChatRef]) -> list[StoredChat]:
    """Return those of the chats that there are."""
    rows = connection.execute(_CHATS_OF, (json.dumps(refs),)).fetchall()
    return [schema.chat_of(row) for row in rows]


def listed(
    connection: sqlite3.Connection,
    workspace: str,
    sessions: Sequence[str] | None,
    after: tuple[int, str] | None,
    limit: int,
) -> list[StoredChat]:
    """Return chats by activity, then by id, behind a place."""
    at, name = (-after[0], after[1]) if after is not None else (_END, "")
    some, values = _some(sessions)
    bound = (workspace, at, at, name, *values, limit)
    return [schema.chat_of(row) for row in connection.execute(_LISTED.format(some), bound)]


def contacts_page(
    connection: sqlite3.Connection,
    workspace: str,
    sessions: Sequence[str] | None,
    after: tuple[str, str] | None,
    limit: int,
) -> list[StoredContact]:
    """Return contacts by session and JID, behind one of them."""
    some, values = _some(sessions)
    bound = (workspace, *(after or ("", "")), *values, limit)
    return _contacts(connection, _CONTACTS_PAGE.format(some), bound)


def contacts_of(
    connection: sqlite3.Connection, key: SessionKey, jids: Sequence[str]
) -> list[StoredContact]:
    """Return those of the contacts that there are."""
    return _contacts(connection, _CONTACTS_OF, (*key, json.dumps(jids)))


def _some(sessions: Sequence[str] | None) -> tuple[str, tuple[str, ...]]:
    return ("", ()) if sessions is None else (_OF_SESSIONS, (json.dumps(sessions),))


def _messages(connection: sqlite3.Connection, sql: str, *values: str) -> list[Message]:
    rows = connection.execute(sql, values).fetchall()
    return [schema.message_of(row[3:], ChatRef(*row[:3])) for row in rows]


def _contacts(
    connection: sqlite3.Connection, sql: str, values: Sequence[object]
) -> list[StoredContact]:
    rows = connection.execute(sql, values).fetchall()
    return [StoredContact(row[0], row[1], row[2], bytes(row[3])) for row in rows]
