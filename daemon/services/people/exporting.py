"""Writes one export: a zip with a manifest, and a file for each kind of thing."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson

from daemon.metadata import exporting as metadata
from daemon.metadata.models import (
    AnyRow,
    Assignment,
    ChatTag,
    Member,
    Note,
    QuickReply,
    Setting,
    Tag,
)
from daemon.services.people.bundle import Bundle, table, writing
from daemon.services.people.formats import Format
from daemon.services.people.source import CHAT_COLUMNS, Source, Wanted
from daemon.storage.database import Database
from sessions.ids import ChatRef
from sessions.models import Contact, Message

#: What hangs on chats, and what a workspace has beside.
_OF_CHATS: tuple[tuple[str, type[AnyRow]], ...] = (
    ("assignments", Assignment),
    ("tags", Tag),
    ("chat_tags", ChatTag),
    ("notes", Note),
)
_OF_WORKSPACE: tuple[tuple[str, type[AnyRow]], ...] = (
    ("quick_replies", QuickReply),
    ("settings", Setting),
    ("members", Member),
)
#: Hundredths of the work that are done when the chats and contacts are written, and the messages.
_LISTED, _WRITTEN = 10, 90
NO_MEDIA = "zapd keeps no files of messages yet: each message tells what hung on it."

Told = Callable[[int], Awaitable[None]]
"""Takes how far it is, in hundredths; may raise, to end it."""


class Order(NamedTuple):
    """One export. ``about`` is what the manifest says of it beside what was written."""

    wanted: Wanted
    format: Format
    about: dict[str, Any]


class _Chats:
    """The chats whose messages are to follow, in an unnamed file: there may be millions."""

    def __init__(self, spool: IO[bytes]) -> None:
        self._spool = spool
        self.count = 0

    def note(self, ref: ChatRef) -> None:
        self._spool.write(orjson.dumps(tuple(ref)) + b"\n")
        self.count += 1

    def __iter__(self) -> Any:  # noqa: ANN401 - an iterator of ChatRef
        self._spool.seek(0)
        return (ChatRef(*orjson.loads(line)) for line in self._spool)


async def export(
    order: Order, target: Path, source: Source, database: Database, told: Told
) -> dict[str, Any]:
    """Write the export to ``target``, whole or not at all; return its manifest.

    Memory is bounded by a page of rows and what RAM has of one chat. Raises ``HistoryFailed``,
    ``StorageError``, ``OSError``, and what ``told`` raises.
    """
    await source.settle()
    with tempfile.TemporaryFile(dir=target.parent) as spool:
        chats = _Chats(spool)
        async with writing(target) as bundle:
            await _lists(order, bundle, source, chats)
            await told(_LISTED)
            await _messages(order, bundle, source, chats, told)
            await told(_WRITTEN)
            await _metadata(order, bundle, database)
            manifest = {
                **order.about,
                "format": order.format,
                "read_from": source.parts,
                "files": bundle.counts,
                "media": {"files": 0, "note": NO_MEDIA},
            }
            bundle.note("manifest.json", manifest)
    return {"rows": bundle.counts, "bytes": bundle.size}


async def _lists(order: Order, bundle: Bundle, source: Source, chats: _Chats) -> None:
    wanted = order.wanted

    async def listed() -> AsyncIterator[Sequence[bytes]]:
        async for page in source.chats(wanted):
            for ref, _ in page:
                chats.note(ref)
            yield [body for ref, body in page if wanted.has_chat(ref)]

    await bundle.write(table("chats", CHAT_COLUMNS, order.format), listed())
    columns = Contact.__struct_fields__
    await bundle.write(table("contacts", columns, order.format), source.contacts(wanted))


async def _messages(
    order: Order, bundle: Bundle, source: Source, chats: _Chats, told: Told
) -> None:
    async def written() -> AsyncIterator[Sequence[bytes]]:
        for done, ref in enumerate(chats):
            await told(_LISTED + (_WRITTEN - _LISTED) * done // max(1, chats.count))
            async for page in source.messages(ref, order.wanted):
                yield page

    columns = Message.__struct_fields__
    await bundle.write(table("messages", columns, order.format), written())


async def _metadata(order: Order, bundle: Bundle, database: Database) -> None:
    wanted = order.wanted
    chats = None
    if wanted.jids is not None:
        chats = [(session, jid) for session in wanted.sessions for jid in sorted(wanted.jids)]
    of = metadata.Of(wanted.workspace, chats)
    kinds = _OF_CHATS if chats is not None else (*_OF_CHATS, *_OF_WORKSPACE)
    for name, shape in kinds:
        into = table(name, metadata.columns_of(shape), order.format)
        await bundle.write(into, metadata.rows(database, shape, of))
    into = table("activity", metadata.ACTIVITY_COLUMNS, order.format)
    await bundle.write(into, metadata.activity(database, of))
