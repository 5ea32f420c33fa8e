"""The shape of ``history.db``, and how a message gets its number.

A message's number is its time and its arrival in one: ``time in ms << 20 | place among those of
that millisecond``. So the table itself is in time order: a page of a chat, the newest of a search
and the oldest to leave are all found without sorting. The search index has a hidden column of
tokens that name workspace, session, chat, type and sender, so that a search never even meets another
tenant's words, and what narrows it costs no walk over what it leaves out.
"""

from __future__ import annotations

from typing import Any

from daemon.history.alphabet import TOKENIZER
from daemon.history.models import Place, StoredChat, StoredMessage
from sessions.ids import ChatRef

VERSION = 2
Row = tuple[Any, ...]
"""What sqlite3 gives; the tables are STRICT, so that each column holds its type."""

_SHIFT = 20
_LATEST = (1 << 43) - 1  # ms: the year 2248; what is dated later is numbered as if it were then


def _scope_of(row: str) -> str:
    """Return the expression of a message's tokens, as :func:`scope_of` makes them."""
    return (
        f"'w' || {row}.workspace || ' s' || {row}.workspace || 'x' || "
        f"hex((SELECT session FROM chats WHERE n = {row}.chat)) || ' c' || {row}.chat || "
        f"' t' || {row}.type || ' p' || substr({row}.sender, 1, instr({row}.sender, '@') - 1) || "
        f"substr({row}.sender, instr({row}.sender, '@') + 1, 1)"
    )


#: The search index, and what keeps it with the messages. Without texts: those are the messages'.
#: Nothing asks for the length of a text in words (``columnsize``), which is a row for each.
_INDEX = (
    f"""CREATE VIEW indexed AS
        SELECT n, {_scope_of("messages")} AS scope, text FROM messages WHERE text IS NOT NULL""",
    f"""CREATE VIRTUAL TABLE words USING fts5(
        scope, text,
        content = 'indexed', content_rowid = 'n', columnsize = 0,
        tokenize = {TOKENIZER}
    )""",
    # Inserts reach the index in batches (writing.py); changes are rare and found by these.
    f"""CREATE TRIGGER words_changed AFTER UPDATE OF chat, sender, type, text ON messages
    WHEN old.chat IS NOT new.chat OR old.sender IS NOT new.sender OR old.type IS NOT new.type
        OR old.text IS NOT new.text
    BEGIN
        INSERT INTO words(words, rowid, scope, text)
            SELECT 'delete', old.n, {_scope_of("old")}, old.text WHERE old.text IS NOT NULL;
        INSERT INTO words(rowid, scope, text)
            SELECT new.n, {_scope_of("new")}, new.text WHERE new.text IS NOT NULL;
    END""",
    f"""CREATE TRIGGER words_gone AFTER DELETE ON messages WHEN old.text IS NOT NULL BEGIN
        INSERT INTO words(words, rowid, scope, text)
            VALUES('delete', old.n, {_scope_of("old")}, old.text);
    END""",
)

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
        text TEXT
    ) STRICT""",
    "CREATE UNIQUE INDEX messages_id ON messages(workspace, id)",
    "CREATE INDEX messages_sent ON messages(wa_id) WHERE from_me = 1 AND wa_id IS NOT NULL",
    "CREATE INDEX messages_chat ON messages(chat)",  # an index ends in the row's number: in order
    *_INDEX,
    f"PRAGMA user_version = {VERSION}",
)
#: What makes a file of the version into one of the next. In one transaction, when it is opened.
UPGRADES: dict[int, tuple[str, ...]] = {
    # The index is made again: some 15 s a million messages.
    1: (
        "DROP TRIGGER words_changed",
        "DROP TRIGGER words_gone",
        "DROP TABLE words",
        "ALTER TABLE messages DROP COLUMN scope",
        *_INDEX,
        "INSERT INTO words(words) VALUES('rebuild')",
    ),
}

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


def scope_of(workspace: int, ref: ChatRef, chat: int, type_: str, sender: str) -> str:
    """Return the tokens of a message of that chat, whose number is ``chat``."""
    return (
        f"w{workspace} {session_token(workspace, ref.session)} c{chat} "
        f"t{type_} {sender_token(sender)}"
    )


def session_token(workspace: int, session: str) -> str:
    """Return what names a session in the index; in hexadecimal, since its name has signs."""
    return f"s{workspace}x{session.encode().hex()}"


def sender_token(sender: str) -> str:
    """Return what names a sender in the index: the number, and of the server the first letter."""
    user, at, server = sender.partition("@")
    return f"p{user}{server[:1]}" if at else f"p{sender[:1]}"


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
