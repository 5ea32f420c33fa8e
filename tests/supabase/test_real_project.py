"""The same against a real project, for who has one. Collected only where it is named (conftest).

Set ``ZAPD_TEST_SUPABASE_URL`` and ``ZAPD_TEST_SUPABASE_KEY`` (a secret key of a project that has
zapd's migrations, see ``zapd supabase check``) and, for claims, ``ZAPD_TEST_SUPABASE_USER``: the
UUID of one of its users. A workspace with a slug of its own is made, and marked as deleted at
the end.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from daemon.metadata.models import Assignment, Member, Role
from daemon.metadata.port import Change
from daemon.metadata.supabase import SupabaseApi
from daemon.metadata.supabase_link import Pace, Project, SupabaseLink
from daemon.storage.sessions import SqliteSessionStore
from sessions.ids import ChatRef
from sessions.models import ProviderName
from sessions.ports import SessionRecord
from tests.contract.metadata.rows import ANA, chat_tag, find, put, setting, tag
from tests.supabase.scene import Side
from tests.support.waiting import eventually

URL = os.environ["ZAPD_TEST_SUPABASE_URL"]
KEY = os.environ["ZAPD_TEST_SUPABASE_KEY"]
USER = os.environ.get("ZAPD_TEST_SUPABASE_USER")
PATIENCE = 45.0  # seconds: the interval, the way there, and a project that just woke up
CHAT = ChatRef("acme", "s1", "5511999990000@s.whatsapp.net")


@pytest.fixture
def slug() -> str:
    """Return a workspace's name that no other run has."""
    return f"zapd-test-{uuid.uuid4().hex[:12]}"


@pytest_asyncio.fixture
async def api() -> AsyncIterator[SupabaseApi]:
    """Give the project's tables, as the CRM's server would have them."""
    client = SupabaseApi(URL, KEY)
    yield client
    await client.close()


@pytest_asyncio.fixture
async def link(tmp_path: Path, slug: str, api: SupabaseApi) -> AsyncIterator[SupabaseLink]:
    """Give a link with one workspace that runs; what it made is marked as deleted at the end."""
    one = await Side(tmp_path, Project(URL, KEY), Pace()).open(slug)
    record = SessionRecord(
        workspace=slug,
        id=CHAT.session,
        label="Shop",
        provider=ProviderName.SANDBOX,
        created_at=one.clock.now_ms(),
    )
    await one.link.sessions(SqliteSessionStore(one.database)).save(record)
    one.run()
    yield one.link
    await one.drained(PATIENCE)
    await one.close()
    gone = {"deleted_at": datetime.now(UTC).isoformat()}
    await api.update("workspaces", {"slug": slug}, gone)


async def test_what_is_written_here_is_there(
    link: SupabaseLink, slug: str, api: SupabaseApi
) -> None:
    """Rows, their parents, and a JSON null, which PostgREST might take for none."""
    await link.store.write(
        [
            Change(row, f"{row.kind}_updated")
            for row in (
                tag(workspace=slug),
                chat_tag(chat=CHAT._replace(workspace=slug)),
                setting("nothing", None, workspace=slug),
            )
        ]
    )

    async def done() -> bool:
        counts = await link.outbox.counts()
        assert counts.dead == 0, await link.outbox.letters()
        return counts.pending == 0

    await eventually(done, PATIENCE)
    there = await api.update(
        "tags", {"workspace_id": link.workspaces.id_of(slug)}, {"name": "named there"}
    )
    assert len(there) == 1

    async def learned() -> bool:
        return (await find(link.store, tag(workspace=slug))).name == "named there"

    await eventually(learned, PATIENCE)


async def test_realtime_stands_and_hints(link: SupabaseLink, slug: str, api: SupabaseApi) -> None:
    """A change is here long before the interval is over."""
    await put(link.store, tag(workspace=slug))

    async def stands() -> bool:
        return link.health.realtime and (await link.outbox.counts()).pending == 0

    await eventually(stands, PATIENCE)
    await asyncio.sleep(2)  # the reading that the line's coming up caused
    await api.update("tags", {"workspace_id": link.workspaces.id_of(slug)}, {"name": "hinted"})

    async def learned() -> bool:
        return (await find(link.store, tag(workspace=slug))).name == "hinted"

    await eventually(learned, 10.0)


if USER is not None:

    async def test_one_of_many_claims_wins(link: SupabaseLink, slug: str) -> None:
        """All of the one user: the first writes, the others find it theirs."""
        assert USER is not None
        member = Member(workspace=slug, user=USER, role=Role.AGENT, name="Test", actor=ANA)
        await put(link.store, member)
        chat = CHAT._replace(workspace=slug)
        rows = await asyncio.gather(*(link.store.claim(chat, USER, ANA) for _ in range(10)))
        assert {row.op_id for row in rows} == {rows[0].op_id}
        stored = await link.store.row(Assignment, slug, rows[0].key)
        assert stored is not None
