"""Who is who in one session, kept in a file: its own addresses, and pairs of LID and number.

So replayed events name the same chats as at first, whoever told the pair.
"""

from __future__ import annotations

from pathlib import Path

from sessions.provider.neonize.journal import Record
from sessions.provider.neonize.lids import MAX_PAIRS
from sessions.provider.neonize.record_file import RecordFile

FILE = "inbound.people"
#: Some 150,000 pairs learned in one life, of which the next reads the newest ``MAX_PAIRS``.
MAX_SIZE = 16 * 1024 * 1024
_PAIR, _OWN = 1, 2


class People:
    """One session's file. Where the disk gives none, pairs are learned again some day."""

    def __init__(self, store: str) -> None:
        """Keep in ``store``; nothing is opened before ``load``."""
        self._file = RecordFile(Path(store) / FILE, MAX_SIZE)
        self._own: tuple[str, str] | None = None

    def load(self) -> tuple[tuple[str, str] | None, list[tuple[str, str]]]:
        """Return the own (number, lid) and all pairs (lid, number); write the file anew.

        Raises ``OSError`` where the system refuses.
        """
        pairs: dict[str, str] = {}
        for record in self._file.read():
            one, _, other = record.data.decode(errors="replace").partition("\n")
            if record.code == _OWN:
                self._own = (one, other)
            else:
                pairs.pop(one, None)
                pairs[one] = other
        newest = list(pairs.items())[-MAX_PAIRS:]
        own = [_record(_OWN, *self._own)] if self._own else []
        self._file.begin([*own, *(_record(_PAIR, *pair) for pair in newest)])
        return self._own, newest

    def own(self, pn: str, lid: str | None) -> None:
        """Remember the account's own addresses."""
        if self._own != (pn, lid or ""):
            self._own = (pn, lid or "")
            self._file.append(_record(_OWN, *self._own))

    def learned(self, lid: str, pn: str) -> None:
        """Remember a pair."""
        self._file.append(_record(_PAIR, lid, pn))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def discard(self) -> None:
        """Close and delete the file."""
        self._file.discard()


def _record(code: int, one: str, other: str) -> Record:
    return Record(0, code, f"{one}\n{other}".encode(errors="replace"))
