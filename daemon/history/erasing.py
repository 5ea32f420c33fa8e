"""Takes a person out of what others wrote, within ``history.db``: quotations, reactions.

Part of an erasure, within its transaction. Looks at the bytes of every message of the session,
some 500,000 a second, since nothing is indexed by who is quoted.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from daemon.storage.device_store import count_in
from sessions.ids import jid_user
from sessions.models import without_quote, without_reactions

_NAMING = (
    "SELECT m.n, m.head, m.tail FROM messages m WHERE m.chat IN "
    "(SELECT n FROM chats WHERE workspace = ? AND session = ?) "
    "AND (instr(m.head, ?) OR instr(m.tail, ?))"
)
_CLEAN = "UPDATE messages SET head = ?, tail = ? WHERE n = ?"


def names_one(path: Path, jids: frozenset[str]) -> bool:
    """Tell whether one of the addresses is in a file, whatever part of it; reads every byte."""
    return any(count_in(path, jid_user(jid).encode()) for jid in sorted(jids))


def unquote(
    connection: sqlite3.Connection, workspace: int, session: str, jids: frozenset[str]
) -> int:
    """Take quotations of these people and their reactions out; return of how many messages."""
    cleaned = 0
    for user in sorted({jid_user(jid).encode() for jid in jids}):
        for number, head, tail in connection.execute(
            _NAMING, (workspace, session, user, user)
        ).fetchall():
            bare = without_quote(bytes(head), jids), without_reactions(bytes(tail), jids)
            if bare != (None, None):
                values = (
                    head if bare[0] is None else bare[0],
                    tail if bare[1] is None else bare[1],
                )
                connection.execute(_CLEAN, (*values, number))
                cleaned += 1
    return cleaned
