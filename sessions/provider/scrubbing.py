"""Takes a person out of what a session of ``whatsapp`` keeps of what came in, beside its keys.

For a session that no process has open. What the daemon has confirmed is dropped whole: it is
kept only until its segment is used again. Of what is not confirmed, records that name the person
are dropped: they were not told yet, and must not be told again at the next start.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from sessions.provider.neonize import journal
from sessions.provider.neonize.journal import CONFIRMED, Bound, Ledger, Record, Segment

_SEGMENTS = ("inbound.0", "inbound.1")
_UNDECRYPTED, _PEOPLE = "inbound.undecrypted", "inbound.people"


def scrub(store: Path, jids: frozenset[str], confirmed: int = 0) -> dict[str, int]:
    """Rewrite the files of a folder; return how many records were dropped, by kind.

    ``confirmed``: up to which record the daemon has everything, where it knows more than the
    journal. Raises ``OSError``.
    """
    users = [jid.partition("@")[0].encode() for jid in sorted(jids)]

    def names(record: Record) -> bool:
        return any(user in record.data for user in users)

    segments = [_read(store / name) for name in _SEGMENTS]
    ledger = Ledger([_stock(records) for records in segments], Bound(), origin=1)
    ledger.confirm(confirmed)  # a mark of another journal, of an earlier pairing, changes nothing
    up_to = ledger.confirmed
    dropped = [
        _rewrite(store / name, records, lambda r: _stays(r, up_to, names))
        for name, records in zip(_SEGMENTS, segments, strict=True)
    ]
    events = [r for gone in dropped for r in gone if r.code != CONFIRMED]
    return {
        "events": sum(map(names, events)),
        "not told yet": sum(r.sequence > up_to for r in events),
        "undecrypted": len(_without(store / _UNDECRYPTED, names)),
        "addresses": len(_without(store / _PEOPLE, lambda r: _pairs(r, jids))),
    }


def addresses(store: Path, jid: str) -> set[str]:
    """Return the addresses that the session knows as the same person's; safe while it runs."""
    try:
        records = _read(store / _PEOPLE)
    except OSError:
        return set()
    pairs = [set(record.data.decode(errors="replace").split("\n")) for record in records]
    return {each for pair in pairs if jid in pair for each in pair if each}


def _stock(records: Sequence[Record]) -> Segment:
    segment = Segment()
    for record in records:
        segment.add(record.sequence, record.code, len(record.data))
    return segment


def _stays(record: Record, up_to: int, names: Callable[[Record], bool]) -> bool:
    if record.code == CONFIRMED:
        return record.sequence == up_to
    return record.sequence > up_to and not names(record)


def _pairs(record: Record, jids: frozenset[str]) -> bool:
    return not jids.isdisjoint(record.data.decode(errors="replace").split("\n"))


def _without(path: Path, names: Callable[[Record], bool]) -> list[Record]:
    return _rewrite(path, _read(path), lambda record: not names(record))


def _read(path: Path) -> list[Record]:
    return list(journal.read(path.read_bytes())) if path.exists() else []


def _rewrite(
    path: Path, records: Sequence[Record], stays: Callable[[Record], bool]
) -> list[Record]:
    """Keep the records that stay; return the others. The file is whole or as before."""
    gone = [record for record in records if not stays(record)]
    if not gone:
        return []
    kept = (record for record in records if stays(record))
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        for record in kept:
            stream.write(journal.head(*record) + record.data)
    fresh.replace(path)
    return gone
