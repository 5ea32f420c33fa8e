"""Finds messages by their words in ``history.db``."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from daemon.history import schema
from daemon.history.models import Found, SearchQuery
from sessions.ids import ChatRef

_SNIPPET_TOKENS = 24
_WORKSPACE = "SELECT n FROM workspaces WHERE name = ?"


def find(connection: sqlite3.Connection, query: SearchQuery) -> list[Found]:
    """Return messages with all the words, newest first."""
    scope = _scope(connection, query)
    if scope is None or not query.words:
        return []
    conditions, values = _conditions(query)
    sql = (
        f"SELECT w.name, c.session, c.jid, {schema.MESSAGE_COLUMNS}, "
        f"snippet(words, 1, char(2), char(3), '…', {_SNIPPET_TOKENS}) "
        "FROM words JOIN messages m ON m.n = words.rowid JOIN chats c ON c.n = m.chat "
        "JOIN workspaces w ON w.n = m.workspace "
        f"WHERE words MATCH ? AND {' AND '.join(conditions)} ORDER BY words.rowid DESC LIMIT ?"
    )
    rows = connection.execute(sql, (_match(scope, query.words), *values, query.limit))
    return [_found(row) for row in rows.fetchall()]


def _scope(connection: sqlite3.Connection, query: SearchQuery) -> str | None:
    """Return the token that keeps a search inside its chat or workspace; None: nothing there."""
    if query.chat is None:
        row = connection.execute(_WORKSPACE, (query.workspace,)).fetchone()
        return f"w{row[0]}" if row else None
    row = connection.execute(schema.CHAT_NUMBER, query.chat).fetchone()
    return f"c{row[0]}" if row else None


def _conditions(query: SearchQuery) -> tuple[list[str], list[object]]:
    """Return what a message must be beside its words.

    The workspace always, whatever the chat of the query says.
    """
    conditions, values = ["w.name = ?"], [query.workspace]
    bounds: list[object] = [*values]
    if query.sessions is not None:
        conditions.append(f"c.session IN ({', '.join('?' * len(query.sessions))})")
        bounds += sorted(query.sessions)
    since, until = query.since, query.until
    for condition, value in (
        ("m.sender = ?", query.sender),
        ("m.type = ?", query.type),
        ("words.rowid >= ?", None if since is None else schema.first_number(since)),
        ("words.rowid < ?", None if until is None else schema.first_number(until + 1)),
        ("words.rowid < ?", query.after),
    ):
        if value is not None:
            conditions.append(condition)
            bounds.append(value)
    return conditions, bounds


def _match(scope: str, words: Sequence[str]) -> str:
    """Return the search in FTS5's language; every word quoted, so that none is an operator."""
    quoted = ['"' + word.replace('"', '""') + '"' for word in words]
    return f"scope : {scope} AND text : ({' AND '.join(quoted)} *)"


def _found(row: schema.Row) -> Found:
    place, message = schema.message_of(row[3:-1], ChatRef(*row[:3]))
    return Found(message, place, row[-1])
