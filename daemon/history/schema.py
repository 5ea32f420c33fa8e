"""The shape of ``history.db``, and how a message gets its number.

A message's number is its time and its arrival in one: ``time in ms << 20 | place among those of
that millisecond``. So the table itself is in time order: a page of a chat, the newest of a search
and the oldest to leave are all found without sorting. The search index has a hidden column of
tokens that name workspace and chat, so that a search never even meets another tenant's words.
"""

from __future__ import annotations

from typing import Any

from daemon.history.alphabet import TOKENIZER
from daemon.history.models import Place, StoredChat, StoredMessage
from sessions.ids import ChatRef

VERSION = 1
Row = tuple[Any, ...]
"""What sqlite3 gives; the tables are STRICT, so that each column holds its type."""

_SHIFT = 20
_LATEST = (1 << 43) - 1  # ms: the year 2248; what is dated later is numbered as if it were then

DDL = (
    "CREATE TABLE workspaces(n INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT",
    """CREATE TABLE chats(
        n INTEGER PRIMARY KEY,
        workspace INTEGER NOT NULL REFERENCES workspaces(n),
        session TEXT NOT NULL,
        jid TEXT NOT NULL,
        pn TEXT,
        lid TEXT,
        name TEXT,
        picture_id TEXT,
        unread INTEGER NOT NULL DEFAULT 0,
        updated_at INTEGER NOT NULL DEFAULT 0,
        archived INTEGER NOT NULL DEFAULT 0,
        pinned INTEGER NOT NULL DEFAULT 0,
        muted_until INTEGER,
        mark INTEGER NOT NULL DEFAULT 0,
        UNIQUE(workspace, session, jid)
    ) STRICT""",
    "CREATE INDEX chats_activity ON chats(updated_at)",
    "CREATE INDEX chats_listed ON chats(workspace, updated_at DESC, (session || ':' || jid))",
    """CREATE TABLE contacts(
        workspace INTEGER NOT NULL REFERENCES workspaces(n),
        session TEXT NOT NULL,
        jid TEXT NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY(workspace, session, jid)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE messages(
        n INTEGER PRIMARY KEY,
        workspace INTEGER NOT NULL,
        chat INTEGER NOT NULL REFERENCES chats(n),
        id TEXT NOT NULL,
        at INTEGER NOT NULL,
        from_me INTEGER NOT NULL,
        sender TEXT NOT NULL,
        type TEXT NOT NULL,
        wa_id TEXT,
        head BLOB NOT NULL,
        tail BLOB NOT NULL,
        text TEXT,
        scope TEXT GENERATED ALWAYS AS ('w' || workspace || ' c' || chat) VIRTUAL
    ) STRICT""",
    "CREATE UNIQUE INDEX messages_id ON messages(workspace, id)",
    "CREATE INDEX messages_sent ON messages(wa_id) WHERE from_me = 1 AND wa_id IS NOT NULL",
    "CREATE INDEX messages_chat ON messages(chat)",  # an index ends in the row's number: in order
    f"""CREATE VIRTUAL TABLE words USING fts5(
        scope, text,
        content = 'messages', content_rowid = 'n',
        tokenize = {TOKENIZER}
    )""",
    # Inserts reach the index in batches (sqlite.py); changes are rare and found by these.
    """CREATE TRIGGER words_changed AFTER UPDATE OF chat, text ON messages
    WHEN old.chat IS NOT new.chat OR old.text IS NOT new.text BEGIN
        INSERT INTO words(words, rowid, scope, text)
            SELECT 'delete', old.n, old.scope, old.text WHERE old.text IS NOT NULL;
        INSERT INTO words(rowid, scope, text)
            SELECT new.n, new.scope, new.text WHERE new.text IS NOT NULL;
    END""",
    """CREATE TRIGGER words_gone AFTER DELETE ON messages WHEN old.text IS NOT NULL BEGIN
        INSERT INTO words(words, rowid, scope, text) VALUES('delete', old.n, old.scope, old.text);
    END""",
    f"PRAGMA user_version = {VERSION}",
)

CHAT_NUMBER = (
    "SELECT c.n FROM chats c JOIN workspaces w ON w.n = c.workspace "
    "WHERE w.name = ? AND c.session = ? AND c.jid = ?"
)
MESSAGE_COLUMNS = "m.n, m.id, m.at, m.from_me, m.sender, m.type, m.text, m.wa_id, m.head, m.tail"
_CHAT_FIELDS = StoredChat._fields[1:]
SAVE_CHAT = (
    f"INSERT INTO chats(workspace, session, jid, {', '.join(_CHAT_FIELDS)}) "
    f"VALUES(?, ?, ?{', ?' * len(_CHAT_FIELDS)}) ON CONFLICT(workspace, session, jid) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _CHAT_FIELDS)
)
CHAT_COLUMNS = "w.name AS workspace, c.session, c.jid, " + ", ".join(
    f"c.{name} AS {name}" for name in _CHAT_FIELDS
)


def first_number(at: int) -> int:
    """Return the least number of a message of that millisecond."""
    return min(max(at, 0), _LATEST) << _SHIFT


def next_millisecond(number: int) -> int:
    """Return the least number of the millisecond after a number's own."""
    return ((number >> _SHIFT) + 1) << _SHIFT


def message_of(row: Row, chat: ChatRef) -> tuple[Place, StoredMessage]:
    """Return the message of a row of ``MESSAGE_COLUMNS``, and where it stands."""
    number, id_, at, from_me, sender, type_, text, wa_id, head, tail = row
    message = StoredMessage(
        chat, id_, at, bool(from_me), sender, type_, text, wa_id, bytes(head), bytes(tail)
    )
    return number, message


def chat_of(row: Row) -> StoredChat:
    """Return the chat of a row of ``CHAT_COLUMNS``."""
    values = dict(zip(_CHAT_FIELDS, row[3:], strict=True))
    values["archived"], values["pinned"] = bool(values["archived"]), bool(values["pinned"])
    return StoredChat(ref=ChatRef(*row[:3]), **values)
