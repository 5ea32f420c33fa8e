"""A daemon that has a past: a data directory with sessions and a history full of conversations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from daemon.history.models import Record, StoredChat, StoredContact
from daemon.history.sqlite import SqliteHistory
from sessions.models import Contact
from tests.bench.past import Conversations
from tests.bench.rig import UNBOUND
from tests.bench.written import Written
from tests.support.daemon import Daemon
from tests.support.waiting import eventually

BATCH = 2048
#: The session that the past is of, and another whose events touch nothing of it.
SESSIONS = ("main", "desk")
BACK = "are back after"  # what the daemon logs when its memory is filled
LOGGER = "zapd.history"  # it stands before what is said
PATIENCE = 180.0  # seconds until then


class Remembered(NamedTuple):
    """The directory, a key to its API, and what was written there."""

    data: Path
    key: str
    written: Written

    @asynccontextmanager
    async def daemon(self, **settings: str) -> AsyncIterator[Daemon]:
        """Yield a daemon that lives on it, and has just become ready."""
        daemon = Daemon(self.data, settings=UNBOUND | settings)
        try:
            yield await daemon.start()
        finally:
            await daemon.end()


async def remember(data: Path, messages: int, chats: int) -> Remembered:
    """Make the sessions by a daemon of their own; then write the past."""
    made = Remembered(data, "", Written())
    async with made.daemon() as daemon, daemon.user() as user:
        for session in SESSIONS:
            await user.paired(session)
        made = made._replace(key=user.key)
    await write(data, Conversations(3, chats=chats), messages, made.written)
    return made


async def write(data: Path, past: Conversations, count: int, written: Written) -> None:
    """Write so many messages, with the chats' rows and contacts, as of a daemon that has ended."""
    store = await SqliteHistory.open(data)
    for start in range(0, count, BATCH):
        batch = list(past.messages(min(BATCH, count - start)))
        for message in batch:
            written.message(message)
        await store.write(batch)
    await store.write(list(_about(past, written)))
    await store.close()


def _about(past: Conversations, written: Written) -> Iterator[Record]:
    """Yield the rows and contacts of the chats in which something was said."""
    for number, ref in enumerate(past.chats):
        if not written.messages(ref.id):
            continue
        name, at = f"Person {number}", written.newest(ref.id)
        row = StoredChat(ref, ref.jid, None, name, None, number % 3, at, False, False, None)
        written.chat(row)
        yield row
        contact = Contact(
            session=ref.session,
            jid=ref.jid,
            pn=ref.jid,
            lid=None,
            name=name,
            push_name=None,
            picture_id=None,
            picture_url=None,
        )
        body = msgspec.json.encode(contact)
        stored = StoredContact(ref.workspace, ref.session, ref.jid, body)
        written.contact(stored)
        yield stored


def what_is_back(daemon: Daemon) -> str:
    """Return what the daemon says of its memory when that is filled; empty until then."""
    lines = (line for line in daemon.log if BACK in line)
    return next(lines, "").partition(LOGGER)[2].strip(" :")


async def filled(daemon: Daemon) -> None:
    """Wait until the daemon's memory is filled again."""

    async def look() -> bool:
        return bool(what_is_back(daemon))

    await eventually(look, PATIENCE)
