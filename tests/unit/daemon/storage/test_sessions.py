from __future__ import annotations

from daemon.storage.database import Database
from daemon.storage.known_chats import SqliteKnownChats
from daemon.storage.sends import SqliteSendJournal
from daemon.storage.sessions import SqliteSessionStore
from daemon.storage.workspaces import WorkspaceStore
from sessions.ids import SessionKey
from sessions.models import ProviderName
from sessions.ports import SessionRecord, SessionStore
from tests.unit.daemon.manual_clock import ManualClock
from tests.unit.daemon.storage.rows import send

RECORD = SessionRecord(
    workspace="acme", id="s1", label="Front desk", provider=ProviderName.SANDBOX, created_at=5
)


async def test_a_record_comes_back_as_it_was(
    database: Database, workspaces: WorkspaceStore
) -> None:
    """Every field survives, with its type."""
    store: SessionStore = SqliteSessionStore(database)
    full = SessionRecord(
        workspace="beta",
        id="s1",
        label="",
        provider=ProviderName.WHATSAPP,
        created_at=6,
        wanted=True,
        paired=True,
        synced=True,
        jid="5511999990000@s.whatsapp.net",
        lid="123456@lid",
        state="connected",
        code="deaf",
        detail="quiet",
    )
    await store.save(RECORD)
    await store.save(full)
    assert await store.load() == [RECORD, full]
    assert [type(record.wanted) for record in await store.load()] == [bool, bool]


async def test_saving_again_replaces(database: Database, workspaces: WorkspaceStore) -> None:
    """A record is known by workspace and id."""
    store = SqliteSessionStore(database)
    changed = SessionRecord(
        workspace="acme", id="s1", label="Back desk", provider=ProviderName.SANDBOX, created_at=5
    )
    await store.save(RECORD)
    await store.save(changed)
    assert await store.load() == [changed]


async def test_deleting_forgets_sends_and_chats_of_that_session_alone(
    database: Database, workspaces: WorkspaceStore, clock: ManualClock
) -> None:
    """The session of the same name in another workspace keeps everything."""
    known = await SqliteKnownChats.load(database)
    store, journal = SqliteSessionStore(database, known), SqliteSendJournal(database, clock)
    for workspace in ("acme", "beta"):
        await store.save(
            SessionRecord(
                workspace=workspace,
                id="s1",
                label="",
                provider=ProviderName.SANDBOX,
                created_at=5,
            )
        )
        await journal.accept(send(workspace=workspace))
        assert known.add(workspace, "s1", "a@s.whatsapp.net")
    await store.delete(SessionKey("acme", "s1"))
    assert [record.workspace for record in await store.load()] == ["beta"]
    assert [row.workspace for row in await journal.unfinished()] == ["beta"]
    assert known.add("acme", "s1", "a@s.whatsapp.net")
    assert not known.add("beta", "s1", "a@s.whatsapp.net")
    await known.close()
    rows = await database.all("SELECT workspace FROM known_chats")
    assert [row["workspace"] for row in rows] == ["beta"]
