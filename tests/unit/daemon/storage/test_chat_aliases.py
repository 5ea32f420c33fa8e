from __future__ import annotations

from pathlib import Path

from daemon.config import Settings
from daemon.metadata.models import SYSTEM, Note
from daemon.metadata.port import Change
from daemon.metadata.sqlite import SqliteMetadata
from daemon.runtime import Runtime, Surroundings
from daemon.storage.chat_aliases import aliases, lids_with_metadata
from daemon.storage.database import Database
from daemon.storage.workspaces import WorkspaceStore
from sessions.ids import ChatRef
from tests.unit.daemon.manual_clock import ManualClock

LID = ChatRef("acme", "s1", "123456789012345@lid")
PN = ChatRef("acme", "s1", "5511999990000@s.whatsapp.net")


def note(chat: ChatRef) -> Change:
    """Return a note about a chat."""
    row = Note(
        workspace=chat.workspace,
        session=chat.session,
        jid=chat.jid,
        id=f"n-{chat.jid}",
        author="ana",
        body="x",
        actor=SYSTEM,
    )
    return Change(row, "note")


async def test_names_and_lids_are_read(database: Database, workspaces: WorkspaceStore) -> None:
    """A LID that something hangs on, until that has moved; then the name that it was."""
    store = SqliteMetadata(database, ManualClock())
    await store.write([note(LID), note(PN)])
    assert await lids_with_metadata(database, 9) == [LID]
    assert await aliases(database, 9) == []
    await store.move_chat(LID, PN)
    assert await lids_with_metadata(database, 9) == []
    assert await aliases(database, 9) == [(LID, PN)]
    assert await aliases(database, 0) == []


async def test_old_names_work_after_a_restart(tmp_path: Path) -> None:
    """The runtime loads them before anything can ask."""
    database = await Database.open(tmp_path)
    clock = ManualClock()
    await WorkspaceStore(database, clock).ensure("acme")
    store = SqliteMetadata(database, clock)
    await store.move_chat(LID, PN)
    other = LID._replace(jid="999999999999999@lid")
    await store.write([note(other)])
    await database.close()
    runtime = await Runtime.open(Settings(data_dir=tmp_path), Surroundings({}, ()))
    assert runtime.manager.memory.home(LID) == PN
    assert runtime.index.may_have_rows(other)
    await runtime.close()
