"""A contact is forgotten in PostgreSQL too: a dump of all of it does not name them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from daemon.metadata.erasing import erase
from daemon.metadata.models import AnyRow
from daemon.metadata.port import Change
from daemon.metadata.supabase_link import Project
from daemon.metadata.trouble import Kind, Trouble
from daemon.services.jobs import TryLater
from daemon.services.people.elsewhere import in_project
from sessions.ids import SessionKey
from tests.contract.metadata.rows import ANA, BEN, CHAT, assignment, chat_tag, note, tag
from tests.supabase.rig import Rig
from tests.supabase.scene import NOWHERE, QUIET, Side

KEY = SessionKey("acme", "s1")
HERS = frozenset({CHAT.jid})
_TEXT = (
    "select string_agg(t::text, '') as all from (select a::text from chat_assignments a "
    "union all select t::text from chat_tags t union all select n::text from chat_notes n "
    "union all select l::text from activity_log l) t"
)


@pytest_asyncio.fixture
async def one(tmp_path: Path, own_rig: Rig) -> AsyncIterator[Side]:
    """Give a daemon's side with a chat that has everything, sent; and another chat."""
    for who in (ANA, BEN):
        own_rig.sql(f"insert into auth.users (id) values ('{who.id}')")  # noqa: S608 - an id of ours
    place = Project(own_rig.url, own_rig.secret_key, NOWHERE)
    opened = await Side(tmp_path, place, QUIET).open()
    try:
        await opened.add_people()
        rows: list[AnyRow] = [
            tag(),
            assignment(assignee=ANA.id),
            chat_tag(),
            note(2, "plughphrase of hers"),
        ]
        await opened.link.store.write([Change(row, f"{row.kind}_updated") for row in rows])
        await opened.link.drain.flush()
        yield opened
    finally:
        await opened.close()


async def test_nothing_there_names_the_person(one: Side, own_rig: Rig) -> None:
    """Rows are there as deleted ones that say nothing; what waited to be sent is not sent after."""
    assert CHAT.jid in own_rig.rows(_TEXT)[0]["all"]
    await one.link.store.write([Change(note(3, "waits to be sent"), "note_updated")])
    await erase(one.database, KEY, HERS)
    counts = await in_project(one.link)(KEY, HERS)
    assert counts == {"assignments": 1, "chat_tags": 1, "notes": 1, "activity": 3}
    left = own_rig.rows(_TEXT)[0]["all"]
    assert CHAT.jid.partition("@")[0] not in left
    assert "plughphrase" not in left
    assert "waits to be sent" not in left
    assert own_rig.rows("select count(*) as n from chat_notes where deleted_at is null") == [
        {"n": 0}
    ]
    again = await in_project(one.link)(KEY, HERS)
    assert set(again.values()) == {0}


async def test_it_does_not_come_back(one: Side, own_rig: Rig) -> None:
    """What is read from there afterwards names nobody either."""
    await erase(one.database, KEY, HERS)
    await in_project(one.link)(KEY, HERS)
    await one.link.sync.read()
    for table in ("assignments", "chat_tags", "notes"):
        rows = await one.database.all(f"SELECT jid FROM {table} WHERE deleted_at IS NULL")  # noqa: S608 - our own names
        assert rows == []
        rows = await one.database.all(f"SELECT jid FROM {table} WHERE jid = ?", (CHAT.jid,))  # noqa: S608 - our own names
        assert rows == []


async def test_another_session_and_workspace_are_left_alone(one: Side, own_rig: Rig) -> None:
    """The function changes what it is asked for, and the secret key alone may call it."""
    assert set((await in_project(one.link)(SessionKey("acme", "s2"), HERS)).values()) == {0}
    assert CHAT.jid in own_rig.rows(_TEXT)[0]["all"]
    for role in ("anon", "authenticated"):
        may = own_rig.rows(
            f"select has_function_privilege('{role}', "
            "'public.zapd_erase_contact(uuid, text, text[])', 'execute') as may"
        )
        assert may == [{"may": False}]


async def test_a_project_that_does_not_answer_is_asked_later(tmp_path: Path) -> None:
    """With a sentence for whoever waits for the report."""
    side = await Side(tmp_path, Project(NOWHERE, "sb_secret_x", NOWHERE), QUIET).open()
    try:
        with pytest.raises(TryLater, match="Supabase: ") as refused:
            await in_project(side.link)(KEY, HERS)
        assert isinstance(refused.value.__cause__, Trouble)
        assert refused.value.__cause__.kind is Kind.TRANSIENT
    finally:
        await side.close()
