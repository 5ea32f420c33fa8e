"""Who is who in one session, kept in a file: its own addresses, and pairs of LID and number.

So replayed events name the same chats as at first, whoever told the pair. The records are
the journal's; the file is written anew at each start.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from sessions.provider.neonize import journal
from sessions.provider.neonize.lids import MAX_PAIRS

FILE = "inbound.people"
#: Some 150,000 pairs learned in one life, of which the next reads the newest ``MAX_PAIRS``.
MAX_SIZE = 16 * 1024 * 1024
_PAIR, _OWN = 1, 2


class People:
    """One session's file. Where the disk gives none, pairs are learned again some day."""

    def __init__(self, store: str) -> None:
        """Keep in ``store``; nothing is opened before ``load``."""
        self._path = Path(store) / FILE
        self._fd = -1
        self._size = 0
        self._own: tuple[str, str] | None = None

    def load(self) -> tuple[tuple[str, str] | None, list[tuple[str, str]]]:
        """Return the own (number, lid) and all pairs (lid, number); write the file anew.

        Raises ``OSError`` where the system refuses.
        """
        content = self._path.read_bytes() if self._path.exists() else b""
        pairs: dict[str, str] = {}
        for record in journal.read(content):
            one, _, other = record.data.decode(errors="replace").partition("\n")
            if record.code == _OWN:
                self._own = (one, other)
            else:
                pairs.pop(one, None)
                pairs[one] = other
        newest = list(pairs.items())[-MAX_PAIRS:]
        self._rewrite(newest)
        return self._own, newest

    def _rewrite(self, pairs: list[tuple[str, str]]) -> None:
        own = [_line(_OWN, *self._own)] if self._own else []
        fresh = self._path.with_suffix(".new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(fresh, flags, 0o600)
        self._size = 0
        self._append(b"".join([*own, *(_line(_PAIR, *pair) for pair in pairs)]))
        fresh.replace(self._path)

    def own(self, pn: str, lid: str | None) -> None:
        """Remember the account's own addresses."""
        if self._own != (pn, lid or ""):
            self._own = (pn, lid or "")
            self._append(_line(_OWN, *self._own))

    def learned(self, lid: str, pn: str) -> None:
        """Remember a pair."""
        self._append(_line(_PAIR, lid, pn))

    def _append(self, line: bytes) -> None:
        """Write; what the bound or a full disk cuts ends the file for this life."""
        if self._fd < 0:
            return
        written = 0
        if self._size + len(line) <= MAX_SIZE:
            with contextlib.suppress(OSError):
                written = os.write(self._fd, line)
        self._size += written
        if written < len(line):
            self.close()

    def close(self) -> None:
        """Close the file."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def discard(self) -> None:
        """Close and delete the file."""
        self.close()
        self._path.unlink(missing_ok=True)


def _line(code: int, one: str, other: str) -> bytes:
    data = f"{one}\n{other}".encode(errors="replace")
    return journal.head(0, code, data) + data
