"""Messages that could not be decrypted, and whether they came again.

The library asks their sender for them by itself, and what it gets is a message like any other.
A sender whose phone is off answers hours later or never, and then nobody would know that there
was a message. So each is waited for, also over restarts, and after that it is told as a place.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from sessions.provider.neonize.journal import Record
from sessions.provider.neonize.record_file import RecordFile

FILE = "inbound.undecrypted"
#: Milliseconds that a second try is given. A sender who is online answers within seconds.
PATIENCE_MS = 120_000
#: How many may wait; the oldest is told early when another comes.
MOST = 1_000
#: Bytes; one weighs some 300, so this is some 13,000 of them in one life.
MAX_SIZE = 4 * 1024 * 1024
_MISSING, _ENDED = 1, 2


class Missing(NamedTuple):
    """A message that is waited for; ``since`` is when it could not be read, in milliseconds."""

    since: int
    data: bytes
    event: Any


class Undecrypted:
    """The messages of one session that are waited for, by what WhatsApp calls them."""

    def __init__(self, store: str, parse: Callable[[bytes], Any]) -> None:
        """Keep in ``store``; ``parse`` reads an event's bytes, None where it cannot."""
        self._file = RecordFile(Path(store) / FILE, MAX_SIZE)
        self._parse = parse
        self._missing: OrderedDict[str, Missing] = OrderedDict()
        self._is_kept = False  # else in RAM only

    def load(self) -> None:
        """Wait for what an earlier life waited for. Raises ``OSError`` where the system refuses."""
        for record in self._file.read():
            if record.code == _MISSING:
                self._found(record)
            else:
                self._missing.pop(record.data.decode(), None)
        self._begin()
        self._is_kept = True

    def _found(self, record: Record) -> None:
        event = self._parse(record.data)
        if event is not None:
            self._missing[name_of(event)] = Missing(record.sequence, record.data, event)

    def _begin(self) -> None:
        self._file.begin([Record(m.since, _MISSING, m.data) for m in self._missing.values()])

    def add(self, missing: Missing) -> None:
        """Wait for a message, unless it is waited for already: its second try failed too."""
        name = name_of(missing.event)
        if name not in self._missing:
            self._missing[name] = missing
            self._keep(Record(missing.since, _MISSING, missing.data))

    def _keep(self, record: Record) -> None:
        """Write; a file that is full is written anew, with only what still waits."""
        if self._is_kept and not self._file.append(record):
            try:
                self._begin()
            except OSError:
                self._is_kept = False

    def find(self, event: Any) -> Missing | None:
        """Return what is waited for under the name of this message."""
        return self._missing.get(name_of(event)) if self._missing else None

    def end(self, missing: Missing) -> None:
        """Wait for it no more: it came, or was told."""
        name = name_of(missing.event)
        if self._missing.pop(name, None):
            self._keep(Record(0, _ENDED, name.encode()))

    def due(self, now: int) -> list[Missing]:
        """Return those whose time is over at ``now`` (milliseconds), oldest first."""
        surplus = len(self._missing) - MOST
        return [
            missing
            for index, missing in enumerate(self._missing.values())
            if index < surplus or now - missing.since >= PATIENCE_MS
        ]

    def all(self) -> list[Missing]:
        """Return those that are waited for, oldest first."""
        return list(self._missing.values())

    def seconds(self, now: int) -> float | None:
        """Return the seconds until one is due; None while none is waited for."""
        if not self._missing:
            return None
        return max(0, next(iter(self._missing.values())).since + PATIENCE_MS - now) / 1000

    def close(self) -> None:
        """Close the file: it may be another process's by now."""
        self._is_kept = False
        self._file.close()

    def discard(self) -> None:
        """Delete the file."""
        self._is_kept = False
        self._missing.clear()
        self._file.discard()


def name_of(event: Any) -> str:
    """Return what WhatsApp calls the message of an event; nonsense has a name too."""
    name = event.Info.ID
    return name if isinstance(name, str) else str(name.decode(errors="replace"))
