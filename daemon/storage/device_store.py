"""Takes a person out of the SQLite file in which the library keeps a linked device.

For a session that no process has open. What names somebody is found by the columns' names, which
are whatsmeow's: contacts, the map of LIDs and numbers, Signal sessions, identity and sender keys,
chat settings, message secrets, privacy tokens, messages kept to be sent again. Without its Signal
session the person's next message may not be readable at first: the library asks their phone for
it again, and a new session begins.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from daemon.storage.failures import from_sqlite
from daemon.storage.integrity import connect

FILE = "whatsapp.db"
#: Columns that name somebody else than the account; the account's own are `jid` and `our_jid`.
_COLUMNS = frozenset(
    {"their_jid", "their_id", "chat_jid", "chat_id", "sender_jid", "sender_id", "lid", "pn"}
)
_OWN = "whatsmeow_device"
_NAME = re.compile(r"[a-z_]+")
_CHUNK = 1 << 20


def scrub(folder: Path, jids: frozenset[str]) -> dict[str, int]:
    """Delete what names the person; return how many rows went, by table.

    The file is written anew, so that its free pages and its log hold nothing either. ``left`` says
    how often one of the addresses is still in it. Raises ``StorageError``.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    users = sorted({jid.partition("@")[0] for jid in jids})
    try:
        with closing(connect(path)) as connection:
            counts = _delete(connection, users)
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise from_sqlite(error) from error
    left = sum(count_in(path, user.encode()) for user in users)
    return counts | ({"left": left} if left else {})


def addresses(folder: Path, jid: str) -> set[str]:
    """Return the addresses that the library's map has beside this one; safe while it runs."""
    path = folder / FILE
    if not path.is_file():
        return set()
    user = jid.partition("@")[0]
    try:
        with closing(connect(path)) as connection:
            sql = "SELECT lid, pn FROM whatsmeow_lid_map WHERE lid = ?1 OR pn = ?1"
            rows = connection.execute(sql, (user,)).fetchall()
    except sqlite3.Error:
        return set()  # not there yet, or of another version: other places know it too
    return {each for lid, pn in rows for each in (f"{lid}@lid", f"{pn}@s.whatsapp.net")}


def count_in(path: Path, needle: bytes) -> int:
    """Return how often the bytes are in a file, whatever part of it they are in."""
    count, tail = 0, b""
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            piece = tail + chunk
            count += piece.count(needle)
            tail = piece[max(0, len(piece) - len(needle) + 1) :]
    return count


def _delete(connection: sqlite3.Connection, users: list[str]) -> dict[str, int]:
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("BEGIN IMMEDIATE")
    counts: dict[str, int] = {}
    for table, column in _places(connection):
        for user in users:
            # 5511…, 5511…@s.whatsapp.net, 5511…:3@s.whatsapp.net, and Signal's 5511…_1:3
            sql = f"DELETE FROM {table} WHERE {column} = ? OR {column} GLOB ?"  # noqa: S608 - names were matched
            gone = connection.execute(sql, (user, f"{user}[_:.@]*")).rowcount
            if gone:
                counts[table] = counts.get(table, 0) + gone
    connection.execute("COMMIT")
    return counts


def _places(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (table,) in tables:
        if table == _OWN or not _NAME.fullmatch(table):
            continue
        for row in connection.execute(f"PRAGMA table_info({table})").fetchall():
            if row[1] in _COLUMNS:
                yield table, row[1]
