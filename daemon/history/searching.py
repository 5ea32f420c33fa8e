"""Finds messages by their words in ``history.db``.

The index intersects lists: of the words, and of tokens that name where a message stands and who sent
it. A beginning of a word is the lists of all words that begin so, which FTS5 joins before anything
else: for one or two letters some 0.1 s a million messages, whatever narrows the search. So of a
short one the newest candidates are looked at first, for as long as they have it often enough. What
is common is found there; what is rare has short lists.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from daemon.history import schema
from daemon.history.alphabet import Alphabet, Matcher
from daemon.history.models import Found, Place, Searched, SearchQuery
from daemon.history.port import HistoryFailed
from daemon.history.snippets import snippet
from sessions.ids import ChatRef

_SHORT = 3  # letters: the last word is looked for among the newest candidates first
_CANDIDATES = 128  # that are looked at first, then twice as many; 5 µs each
_RARE = 25  # what not even every 25th candidate has
_STEPS = 1000  # of SQLite's, between two looks at the clock: some 20 ms within the index
_END = (1 << 63) - 1

_WORKSPACE = "SELECT n FROM workspaces WHERE name = ?"
# CROSS JOIN keeps the order: from the index, which is in the order of numbers, to the rows.
_MATCHING = (
    "FROM words CROSS JOIN messages m ON m.n = words.rowid CROSS JOIN chats c ON c.n = m.chat "
    "CROSS JOIN workspaces w ON w.n = m.workspace WHERE words MATCH ? "
    "AND words.rowid < ? AND words.rowid >= ? AND {} ORDER BY words.rowid DESC LIMIT ?"
)
_ROWS = f"SELECT w.name, c.session, c.jid, {schema.MESSAGE_COLUMNS} "
# One row, since sqlite3 waits for Python's lock after each (see ``bulk``).
_LOOK = "SELECT json_group_array(json_array(n, text)) FROM (SELECT m.n, m.text {})"
_NAMED = (
    f"{_ROWS} FROM json_each(?) j CROSS JOIN messages m ON m.n = j.value "
    "CROSS JOIN chats c ON c.n = m.chat CROSS JOIN workspaces w ON w.n = m.workspace "
    "ORDER BY m.n DESC"
)


class Watch(NamedTuple):
    """How long a search may take, by which clock."""

    seconds: float = 2.0
    clock: Callable[[], float] = time.monotonic


class Searcher:
    """Searches on one connection; for the thread that has it."""

    def __init__(self, connection: sqlite3.Connection, watch: Watch) -> None:
        self.connection = connection
        self._watch = watch
        self._alphabet = Alphabet()

    def find(self, query: SearchQuery) -> Searched:
        """Return messages with all the words. Raises ``HistoryFailed`` where there is no time."""
        scope = _scope(self.connection, query)
        if scope is None or not query.words or query.limit < 1:
            return Searched([], None)
        search = _Search(self.connection, self._alphabet, query, scope)
        clock = self._watch.clock
        end = clock() + self._watch.seconds
        self.connection.set_progress_handler(lambda: clock() > end, _STEPS)
        try:
            search.run()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT or clock() <= end:
                raise
            if search.place is None:
                raise HistoryFailed(
                    "The search of the history takes too long.",
                    "Look for more, or longer, words; or in one chat, or of some days.",
                ) from error
        finally:
            self.connection.set_progress_handler(None, 0)
        return search.result()

    def close(self) -> None:
        """Give the alphabet back."""
        self._alphabet.close()


class _Bounds(NamedTuple):
    """What a message must be beside its words: a condition in SQL, and its values."""

    lower: Place
    condition: str
    values: list[object]


class _Search:
    """One search, and how far it came."""

    def __init__(
        self, connection: sqlite3.Connection, alphabet: Alphabet, query: SearchQuery, scope: str
    ) -> None:
        self._connection = connection
        self._alphabet = alphabet
        self._query = query
        self._scope = scope
        self._bounds = _bounds(query)
        self._upper = _upper(query)
        self._found: list[Found] = []
        self._wanted = query.limit + 1  # one more tells whether there are more
        self._is_over = False
        self.place: Place | None = None
        """All down to there was looked at; None: nothing yet."""

    def run(self) -> None:
        """Search until there are enough, or no more."""
        parts = self._alphabet.fold(self._query.words[-1]).split()
        if parts and len(parts[-1]) <= _SHORT:
            self._look()
        if not self._is_over and len(self._found) < self._wanted:
            self._ask()

    def result(self) -> Searched:
        """Return what was found."""
        limit = self._query.limit
        if len(self._found) > limit:
            return Searched(self._found[:limit], self._found[limit - 1].place)
        return Searched(self._found, None if self._is_over else self.place)

    def _look(self) -> None:
        """Look at the newest messages that have all but the last word, while many have it too."""
        *others, last = self._query.words
        matcher = Matcher((last,), self._alphabet)
        match = _match(self._scope, others, None)
        sql = _LOOK.format(_MATCHING.format(self._bounds.condition))
        run = self._connection.execute
        size, looked = _CANDIDATES, 0
        while len(self._found) < self._wanted and len(self._found) * _RARE >= looked:
            texts = json.loads(run(sql, self._values(match, size)).fetchone()[0])
            fit = [number for number, text in texts if matcher.matches(text)]
            # All at once: what is found is never more than what ``place`` tells.
            self._take(run(_NAMED, (json.dumps(fit[: self._missing]),)).fetchall())
            self._is_over = len(texts) < size
            if self._is_over:
                return
            self.place = texts[-1][0]
            looked += size
            size *= 2

    def _ask(self) -> None:
        """Ask the index for all the words, below what was looked at."""
        *others, last = self._query.words
        missing = self._missing
        values = self._values(_match(self._scope, others, last), missing)
        sql = _ROWS + _MATCHING.format(self._bounds.condition)
        before = len(self._found)
        for row in self._connection.execute(sql, values):
            self._take([row])
            self.place = self._found[-1].place
        self._is_over = len(self._found) - before < missing

    @property
    def _missing(self) -> int:
        return self._wanted - len(self._found)

    def _values(self, match: str, most: int) -> tuple[object, ...]:
        upper = self._upper if self.place is None else self.place
        return (match, upper, self._bounds.lower, *self._bounds.values, most)

    def _take(self, rows: Iterable[schema.Row]) -> None:
        for row in rows:
            place, message = schema.message_of(row[3:], ChatRef(*row[:3]))
            shown = snippet(message.text or "", self._query.words, self._alphabet)
            self._found.append(Found(message, place, shown))


def _scope(connection: sqlite3.Connection, query: SearchQuery) -> str | None:
    """Return what keeps a search where it is to be, in FTS5's language; None: nothing is there."""
    row = connection.execute(_WORKSPACE, (query.workspace,)).fetchone()
    if row is None:
        return None
    every: list[Iterable[str]] = []
    if query.chats is not None:
        every.append(_chats(connection, query))
    elif query.sessions is not None:
        every.append(schema.session_token(row[0], name) for name in query.sessions)
    else:
        every.append([f"w{row[0]}"])
    if query.senders is not None:
        every.append(map(schema.sender_token, query.senders))
    if query.type is not None:
        every.append([f"t{query.type}"])
    either = [" OR ".join(map(_quoted, sorted(tokens))) for tokens in every]
    return " AND ".join(f"({tokens})" for tokens in either) if all(either) else None


def _chats(connection: sqlite3.Connection, query: SearchQuery) -> list[str]:
    rows = [
        connection.execute(schema.CHAT_NUMBER, ref).fetchone()
        for ref in query.chats or ()
        if ref.workspace == query.workspace
    ]
    return [f"c{row[0]}" for row in rows if row]


def _bounds(query: SearchQuery) -> _Bounds:
    """Return what a message must be beside its words, whatever the index says of it.

    The workspace always, whatever the chats of the query say.
    """
    conditions, values = ["w.name = ?"], list[object]([query.workspace])
    for name, allowed in (
        ("c.session", query.sessions),
        ("m.sender", query.senders),
        ("m.type", None if query.type is None else (query.type,)),
    ):
        if allowed is not None:
            conditions.append(f"{name} IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(sorted(allowed)))
    lower = 0 if query.since is None else schema.first_number(query.since)
    return _Bounds(lower, " AND ".join(conditions), values)


def _upper(query: SearchQuery) -> Place:
    """Return what every number must be below."""
    until = _END if query.until is None else schema.first_number(query.until + 1)
    return until if query.after is None else min(until, query.after)


def _match(scope: str, words: Sequence[str], beginning: str | None) -> str:
    """Return the search in FTS5's language."""
    terms = [_quoted(word) for word in words]
    if beginning is not None:
        terms.append(f"{_quoted(beginning)} *")
    within = f"scope : ({scope})"
    return f"{within} AND text : ({' AND '.join(terms)})" if terms else within


def _quoted(word: str) -> str:
    """Return a word of which nothing is an operator."""
    return '"' + word.replace('"', '""') + '"'
