"""The envelope that every transport carries, and the cursor that every transport resumes by.

An envelope is made once, at publish, around ``data`` that is JSON already. A cursor is
``<epoch>-<offset>``: an epoch is one life of the hub, an offset counts events in a workspace.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import orjson

from sessions.models import iso
from sessions.ports import Published

_CURSOR = re.compile(r"([A-Za-z0-9_]{1,32})-([0-9]{1,18})", re.ASCII)
_ID_STARTS = len('{"id":"')


class Cursor(NamedTuple):
    """A place between two events: after the one that has this offset (0: before the first)."""

    epoch: str
    offset: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.offset}"


def parse_cursor(text: str) -> Cursor:
    """Return the cursor; raise ``ValueError`` for what no hub ever gave."""
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:60]!r} is not <epoch>-<offset>")
    return Cursor(match[1], int(match[2]))


def encode(event: Published, cursor: Cursor | None) -> bytes:
    """Return the envelope's JSON, in a bytes object of exactly its size.

    ``cursor`` is None for a stream's own events: their ``id`` is null. ``event.data`` must be
    compact JSON (no line breaks: SSE ends a line there). Raises ``TypeError`` or ``ValueError``
    for texts that are no UTF-8 and times that are none.
    """
    head = {
        "id": str(cursor) if cursor else None,
        "type": event.type,
        "workspace": event.workspace,
        "session": event.session,
        "chat": event.chat,
        "at": iso(event.at),
        "source": event.source,
    }
    tail = b"}" if not event.extra else b"," + orjson.dumps(event.extra)[1:]
    return b"".join((memoryview(orjson.dumps(head))[:-1], b',"data":', event.data, tail))


def envelope_id(json: bytes) -> bytes:
    """Return the id of a numbered envelope that :func:`encode` made."""
    return json[_ID_STARTS : json.index(b'"', _ID_STARTS)]
