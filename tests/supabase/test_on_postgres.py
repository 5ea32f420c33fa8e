"""The daemon's side against PostgreSQL itself: what it sends, what the CRM writes, who wins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from daemon.metadata.models import AnyRow, Assignment, Tag
from daemon.metadata.port import AlreadyClaimed, Change
from daemon.metadata.supabase_link import Project
from tests.contract.metadata.rows import (
    ANA,
    BEN,
    CHAT,
    assignment,
    chat_tag,
    find,
    note,
    put,
    reply,
    setting,
    tag,
    uuid_of,
)
from tests.supabase.rig import Rig
from tests.supabase.scene import NOWHERE, QUIET, Side
from tests.support.waiting import eventually


@pytest_asyncio.fixture
async def one(tmp_path: Path, own_rig: Rig) -> AsyncIterator[Side]:
    """Give a daemon's side with a session and two members, everything sent."""
    for who in (ANA, BEN):
        own_rig.sql(f"insert into auth.users (id) values ('{who.id}')")  # noqa: S608 - an id of ours
    opened = await Side(tmp_path, Project(own_rig.url, own_rig.secret_key, NOWHERE), QUIET).open()
    try:
        await opened.add_people()
        await opened.link.drain.flush()
        yield opened
    finally:
        await opened.close()


async def crm(rig: Rig, method: str, path: str, body: dict[str, Any], user: str) -> list[Any]:
    """Write as the CRM does, with a user's own token; return the rows."""
    headers = rig.headers(rig.user_token(user)) | {"Prefer": "return=representation"}
    async with httpx.AsyncClient(base_url=f"{rig.url}/rest/v1/", headers=headers) as client:
        answer = await client.request(method, path, json=body)
        answer.raise_for_status()
        rows: list[Any] = answer.json()
        return rows


async def test_every_kind_is_stored_and_read_back(one: Side, own_rig: Rig, tmp_path: Path) -> None:
    """What was sent, another daemon reads as it was: the next one, with an empty database."""
    rows: list[AnyRow] = [
        tag(color="#a1b2c3", position=3),
        assignment(assignee=ANA.id, assigned_by=BEN.id, status="snoozed", snoozed_until=10**13),
        chat_tag(),
        note(2, "ünïcode 😀"),
        reply(3, "hello", ANA.id),
        setting("theme", {"dark": [1, None, "x"]}, "session:s1"),
        setting("nothing", None),
    ]
    await one.link.store.write([Change(row, f"{row.kind}_updated") for row in rows])
    await put(one.link.store, tag(9, "gone", deleted_at=1))
    await one.link.drain.flush()
    counts = await one.link.outbox.counts()
    assert (counts.pending, counts.dead) == (0, 0)
    assert own_rig.rows("select count(*) as n from activity_log") == [{"n": 10}]

    place = Project(own_rig.url, own_rig.secret_key, NOWHERE)
    other = await Side(tmp_path / "other", place, QUIET).open()
    try:
        await other.link.sync.read()
        for row in rows:
            here, there = await find(one.link.store, row), await find(other.link.store, row)
            assert _content(there) == _content(here)
        gone = await find(other.link.store, tag(9))
        assert not gone.live
    finally:
        await other.close()


async def test_what_a_user_writes_there_arrives(one: Side, own_rig: Rig) -> None:
    """With a user's own token, through row-level security; our newer write then wins there."""
    await one.link.sync.read()
    (workspace,) = own_rig.rows("select id from workspaces")
    key = {"workspace_id": workspace["id"], "session_id": "s1", "chat_jid": CHAT.jid}
    await crm(own_rig, "POST", "chat_assignments", {**key, "assignee_id": BEN.id}, BEN.id)

    await one.link.sync.read()

    stored = await find(one.link.store, assignment())
    assert (stored.assignee, stored.actor.kind) == (BEN.id, "external")
    assert [row.kind for row in one.rows] == ["assignment"]
    await put(one.link.store, assignment(assignee=BEN.id, status="closed"))
    await one.link.drain.flush()
    (there,) = own_rig.rows("select status, version from chat_assignments")
    assert there == {"status": "closed", "version": 2}


async def test_the_crms_newer_write_survives_ours(one: Side, own_rig: Rig) -> None:
    """It was made while ours waited; a repeated delivery changes nothing either."""
    await put(one.link.store, tag(1, "ours"))
    await one.link.drain.flush()
    await put(one.link.store, tag(1, "ours, late"))
    (item,) = await one.link.outbox.take("tag", 10)
    await asyncio.sleep(0.005)
    own_rig.sql("update tags set name = 'the CRM''s'")
    await one.link.drain.send_now("tag", item)
    await one.link.drain.send_now("tag", item)
    assert own_rig.rows("select name, version from tags") == [{"name": "the CRM's", "version": 2}]
    await one.link.drain.flush()
    await one.link.sync.read()
    assert (await find(one.link.store, tag(1))).name == "the CRM's"


async def test_a_name_that_is_taken_there_is_a_dead_letter(one: Side, own_rig: Rig) -> None:
    """PostgreSQL's own refusal: all others of the batch are stored."""
    (workspace,) = own_rig.rows("select id from workspaces")
    own_rig.sql(
        f"insert into tags (workspace_id, name) values ('{workspace['id']}', 'vip')"  # noqa: S608 - our own
    )
    rows = [tag(number, "VIP" if number == 7 else f"tag {number}") for number in range(50)]
    await one.link.store.write([Change(row, "tag_updated") for row in rows])
    await one.link.drain.flush()
    (letter,) = await one.link.outbox.letters()
    assert (letter.code, letter.key) == ("23505", f'["{uuid_of(7)}"]')
    assert own_rig.rows("select count(*) as n from tags") == [{"n": 50}]


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        (
            "revoke insert, update on tags from service_role",
            "grant insert, update on tags to service_role",
        ),
        ("alter table tags rename to away", "alter table away rename to tags"),
        ("alter table tags rename color to colour", "alter table tags rename colour to color"),
    ],
    ids=["grant", "table", "column"],
)
async def test_a_schema_that_does_not_fit_blocks_and_loses_nothing(
    one: Side, own_rig: Rig, broken: str, mended: str
) -> None:
    """As `zapd supabase check` would say; mended, all is sent."""
    own_rig.sql(broken)
    await put(one.link.store, tag(1, "kept"))
    one.run()
    await eventually(lambda: _is(one.link.health.alarms == ["supabase_blocked"]))
    counts = await one.link.outbox.counts()
    assert (counts.pending, counts.dead) == (2, 0)

    own_rig.sql(mended)

    async def is_sent() -> bool:
        # told while it reads its schema, the stand-in would keep what it read before
        own_rig.sql("notify pgrst, 'reload schema'")
        return (await one.link.outbox.counts()).pending == 0

    await eventually(is_sent)
    assert own_rig.rows("select name from tags") == [{"name": "kept"}]


async def test_two_daemons_and_the_crm_claim_and_one_wins(
    one: Side, own_rig: Rig, tmp_path: Path
) -> None:
    """The decision is PostgreSQL's: whoever asks, all name the same one."""
    place = Project(own_rig.url, own_rig.secret_key, NOWHERE)
    other = await Side(tmp_path / "other", place, QUIET).open()
    try:
        await other.link.sync.read()
        found = await asyncio.gather(
            *(
                (one if n % 2 else other).link.store.claim(CHAT, who.id, who)
                for n in range(24)
                for who in ((ANA, BEN)[n // 2 % 2],)
            ),
            return_exceptions=True,
        )
    finally:
        await other.close()
    (there,) = own_rig.rows("select assignee_id, version from chat_assignments")
    assert there["version"] == 1
    told = {
        row.assignee if isinstance(row, Assignment) else row.current.assignee
        for row in found
        if isinstance(row, Assignment | AlreadyClaimed)
    }
    assert told == {there["assignee_id"]}
    assert len([row for row in found if isinstance(row, Assignment | AlreadyClaimed)]) == 24


async def test_more_than_a_page_is_read(one: Side, own_rig: Rig) -> None:
    """2,500 rows of one statement: pages of what the server gives at once."""
    (workspace,) = own_rig.rows("select id from workspaces")
    own_rig.sql(
        "insert into tags (workspace_id, name) "  # noqa: S608 - our own
        f"select '{workspace['id']}', 'tag ' || n from generate_series(1, 2500) n"
    )
    await one.link.sync.read()
    assert len(await one.link.store.rows(Tag)) == 2500


def _content(row: AnyRow) -> dict[str, Any]:
    """Return what both sides must agree on."""
    names = set(row.__struct_fields__) - {"actor", "version", "updated_at", "created_at"}
    return {name: getattr(row, name) for name in names}


async def _is(found: bool) -> bool:
    return found
