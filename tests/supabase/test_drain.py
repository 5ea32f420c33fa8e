"""The outbox drained to a Data API that fails in all the ways that were seen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec import structs

from daemon.metadata.models import Tag
from daemon.metadata.port import Change
from daemon.storage.sessions import SqliteSessionStore
from sessions.ids import SessionKey
from sessions.ports import SessionRecord
from tests.contract.metadata.rows import (
    ANA,
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
from tests.supabase.fakes import data_api as faults
from tests.supabase.fakes.data_api import KEY, DataApi, Fault, Served, data_api
from tests.supabase.fakes.rows import Refusal
from tests.supabase.scene import QUIET, Side, of_table, side, workspace_of
from tests.support.waiting import eventually


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    """Give a Data API that can go away."""
    async with data_api() as served:
        yield served


@pytest.fixture
def api(served: Served) -> DataApi:
    """Give its rows and faults."""
    return served.api


@pytest_asyncio.fixture
async def one(tmp_path: Path, api: DataApi) -> AsyncIterator[Side]:
    """Give a daemon's side with a session and two members, everything sent."""
    async with side(tmp_path, api, QUIET) as opened:
        await opened.add_people()
        await opened.link.drain.flush()
        yield opened


def names(api: DataApi) -> dict[str, str]:
    """Return the tags' names by id, as Supabase has them."""
    return {row["id"]: row["name"] for row in of_table(api, "tags")}


async def test_every_kind_arrives_as_the_schema_has_it(one: Side, api: DataApi) -> None:
    """Parents first: no foreign key is ever missed."""
    store = one.link.store
    await store.write(
        [
            Change(row, f"{row.kind}_updated")
            for row in (tag(), assignment(assignee=ANA.id), chat_tag(), note(2), setting("a", 1))
        ]
    )
    await put(store, reply(3, "hello"))

    await one.link.drain.flush()

    workspace = workspace_of(api)
    chat = {"workspace_id": workspace, "session_id": "s1", "chat_jid": assignment().jid}
    (assigned,) = of_table(api, "chat_assignments")
    assert {**assigned, **chat, "assignee_id": ANA.id, "status": "open"} == assigned
    (noted,) = of_table(api, "chat_notes")
    assert {**noted, **chat, "author_id": ANA.id, "body": "calls back"} == noted
    assert [row["tag_id"] for row in of_table(api, "chat_tags")] == [uuid_of(1)]
    assert [row["shortcut"] for row in of_table(api, "quick_replies")] == ["hello"]
    assert [(row["key"], row["value"]) for row in of_table(api, "settings")] == [("a", 1)]
    assert len(of_table(api, "workspace_members")) == 2
    assert sorted(row["action"] for row in of_table(api, "activity_log")) == sorted(
        f"{kind}_updated"
        for kind in (
            *("assignment", "chat_tag", "member", "member", "note"),
            *("quick_reply", "setting", "tag"),
        )
    )
    assert (await one.link.outbox.counts()).pending == 0


async def test_six_hundred_writes_survive_an_outage_and_a_restart(
    tmp_path: Path, served: Served
) -> None:
    """Supabase is away, the daemon ends in between: the last values arrive, in order, none lost."""
    api = served.api
    async with side(tmp_path, api, QUIET) as first:
        await first.add_people()
        first.run()
        await first.drained()
        await served.down()
        for number in range(400):
            await put(first.link.store, tag(number % 200, f"first {number}"))
    async with side(tmp_path, api, QUIET) as second:
        second.run()
        for number in range(200):
            await put(second.link.store, tag(number, f"last {number}"))
        counts = await second.link.outbox.counts()
        assert counts.pending == 200 + 600  # the tags' last values, each line of the log

        await served.up()
        await second.drained()

        assert names(api) == {uuid_of(number): f"last {number}" for number in range(200)}
        assert len(of_table(api, "activity_log")) == 602
        assert counts.dead == 0
        order = [written.row["id"] for written in api.tables.log if written.table == "tags"]
        assert order == [uuid_of(number) for number in range(200)]
        assert set(api.most_in_flight.values()) == {1}


async def test_a_wrong_key_loses_nothing_and_raises_the_alarm(
    one: Side, api: DataApi, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told what to do; once the key is right again, all goes out by itself."""
    api.key = "sb_secret_another"
    await put(one.link.store, tag(1, "kept"))
    with caplog.at_level(logging.ERROR, "zapd.supabase"):
        one.run()
        await eventually(lambda: _is(one.link.health.blocked is not None))

        shown = one.link.health.shown()
        assert shown["status"] == "blocked"
        assert shown["reason"] == "Supabase refuses the key."
        assert "ZAPD_SUPABASE_KEY" in shown["user_action"]
        assert one.link.health.alarms == ["supabase_blocked"]
        await eventually(lambda: _is(one.link.health.shown()["pending"] == 2))
        sending = [record for record in caplog.records if "sending" in record.getMessage()]
        assert [record.levelname for record in sending] == ["ERROR"]
        assert api.key not in caplog.text
        assert KEY not in caplog.text

    api.key = KEY
    await one.drained()
    assert names(api) == {uuid_of(1): "kept"}
    await eventually(lambda: _is(one.link.health.alarms == []))


@pytest.mark.parametrize(
    "fault",
    [
        faults.BAD_GATEWAY,
        faults.LOGIN_PAGE,
        faults.UNAVAILABLE,
        faults.LIMITED,
        faults.NO_SCHEMA_CACHE,
        faults.INVALID_KEY,
        faults.NO_GRANT,
        faults.NO_TABLE,
    ],
    ids=["502", "login page", "503", "429", "PGRST002", "key", "grant", "table"],
)
async def test_nothing_is_lost_or_buried_while_a_fault_lasts(
    one: Side, api: DataApi, fault: Fault
) -> None:
    """Whatever a server or a person must mend first: the rows wait."""
    api.fault = fault
    await put(one.link.store, tag(1, "kept"))
    one.run()
    await eventually(lambda: _is(one.link.health.alarms != []))
    counts = await one.link.outbox.counts()
    assert (counts.pending, counts.dead) == (2, 0)

    api.fault = None

    await one.drained()
    assert names(api) == {uuid_of(1): "kept"}


async def test_one_poison_row_of_fifty_is_isolated(one: Side, api: DataApi) -> None:
    """The other 49 are stored; the one can be seen, mended and sent again."""
    refusal = Refusal(400, "23514", 'new row violates check constraint "tags_color_check"')
    api.tables.refuse = lambda table, row: refusal if row.get("name") == "poison" else None
    rows = [tag(number, "poison" if number == 31 else f"tag {number}") for number in range(50)]
    await one.link.store.write([Change(row, "tag_updated") for row in rows])
    requests = len(api.seen)

    await one.link.drain.flush()

    assert len(names(api)) == 49
    (letter,) = await one.link.outbox.letters()
    assert (letter.kind, letter.code) == ("tag", "23514")
    assert "tags_color_check" in letter.reason
    assert one.link.health.alarms == ["supabase_dead_letters"]
    tags = [seen for seen in api.seen[requests:] if seen.table == "tags"]
    assert len(tags) <= 13  # 50 halved six times, both halves

    api.tables.refuse = lambda _table, _row: None
    assert await one.link.outbox.retry([letter.id]) == 1
    await one.link.drain.flush()
    assert names(api)[uuid_of(31)] == "poison"


async def test_a_row_waits_for_its_parent_and_is_buried_without_one(
    one: Side, api: DataApi
) -> None:
    """A few tries, further and further apart."""
    await put(one.link.store, tag(1))
    await put(one.link.store, tag(2, "gone"))
    await one.link.drain.flush()
    workspace = workspace_of(api)
    kept = api.tables.rows["tags"].pop((workspace, uuid_of(1)))
    del api.tables.rows["tags"][workspace, uuid_of(2)]
    await put(one.link.store, chat_tag(1))
    await put(one.link.store, chat_tag(2))
    await one.link.drain.flush()
    assert (await one.link.outbox.counts()).dead == 0

    api.tables.rows["tags"][workspace, uuid_of(1)] = kept  # somebody's restore is done
    one.run()
    await one.drained()

    assert [row["tag_id"] for row in of_table(api, "chat_tags")] == [uuid_of(1)]
    (letter,) = await one.link.outbox.letters()
    assert (letter.kind, letter.code, letter.tries) == ("chat_tag", "23503", 3)


async def test_what_the_crm_wrote_later_survives(one: Side, served: Served) -> None:
    """The last writer wins, and that was the CRM, while our write waited."""
    api = served.api
    await put(one.link.store, tag(1, "before"))
    await one.link.drain.flush()
    await put(one.link.store, tag(1, "ours, late"))
    key = {"workspace_id": workspace_of(api), "id": uuid_of(1)}
    await asyncio.sleep(0.005)  # the CRM's clock reads a later millisecond
    api.tables.direct("tags", {**key, "name": "the CRM's"})

    await one.link.drain.flush()
    assert names(api) == {uuid_of(1): "the CRM's"}

    await one.link.sync.read()
    assert (await find(one.link.store, tag(1))).name == "the CRM's"


async def test_an_answer_that_is_lost_changes_nothing_twice(one: Side, served: Served) -> None:
    """The line is cut after the row was stored: it is sent again, and its version stays."""
    api = served.api
    lost: list[asyncio.Task[None]] = []

    def cut() -> None:
        api.after_write = lambda: None
        api.answer_lost = True
        lost.append(asyncio.get_running_loop().create_task(served.down()))

    api.after_write = cut
    await put(one.link.store, tag(1, "once"))
    one.run()
    await eventually(lambda: _is(one.link.health.alarms == ["supabase_unreachable"]))
    await lost[0]
    assert names(api) == {uuid_of(1): "once"}

    api.answer_lost = False
    await served.up()
    await one.drained()

    (row,) = of_table(api, "tags")
    assert row["version"] == 1


async def test_what_was_written_while_it_was_sent_is_sent_again(one: Side, api: DataApi) -> None:
    """An acknowledgement is for the operation that was sent, not for the row."""

    def write_again() -> None:
        api.after_write = lambda: None
        newer.append(asyncio.get_running_loop().create_task(_put(one, "second")))

    newer: list[asyncio.Task[Tag]] = []
    await put(one.link.store, tag(1, "first"))
    api.after_write = write_again
    await one.link.drain.flush()
    await newer[0]
    await one.link.drain.flush()

    assert names(api) == {uuid_of(1): "second"}


async def test_a_project_that_was_made_anew_gets_everything(one: Side, api: DataApi) -> None:
    """Its workspace has another UUID: rows of before are sent again, none is buried."""
    await put(one.link.store, tag(1, "of old"))
    await put(one.link.store, assignment(assignee=ANA.id))
    await one.link.drain.flush()
    for rows in api.tables.rows.values():
        rows.clear()
    await put(one.link.store, chat_tag(1))

    one.run()
    await one.drained()

    assert names(api) == {uuid_of(1): "of old"}
    assert len(of_table(api, "chat_assignments")) == len(of_table(api, "chat_tags")) == 1
    assert (await one.link.outbox.counts()).dead == 0


async def test_what_was_there_before_supabase_is_sent(tmp_path: Path, api: DataApi) -> None:
    """A daemon that kept metadata by itself is given a project: all its rows go there."""
    from daemon.metadata.sqlite import SqliteMetadata  # noqa: PLC0415 - only this test needs it

    async with side(tmp_path, api, QUIET) as opened:
        alone = SqliteMetadata(opened.database, opened.clock)
        await put(alone, tag(1, "of old"))
        await put(alone, chat_tag(1))  # of a session that is gone by now
        assert (await opened.link.outbox.counts()).pending == 0

        await opened.link.sync.read()
        await opened.link.drain.flush()

    assert names(api) == {uuid_of(1): "of old"}
    (session,) = of_table(api, "whatsapp_sessions")
    assert (session["id"], session["deleted_at"] is not None) == ("s1", True)
    assert len(of_table(api, "chat_tags")) == 1


async def test_sessions_are_told_with_their_state(one: Side, api: DataApi) -> None:
    """A session that is deleted stays as deleted: its chats' rows refer to it."""
    sessions = one.link.sessions(SqliteSessionStore(one.database))
    (record,) = await sessions.load()
    await sessions.save(_changed(record, state="failed", code="start_failed"))
    await one.link.drain.flush()
    (row,) = of_table(api, "whatsapp_sessions")
    assert (row["status"], row["status_code"]) == ("failed", "start_failed")
    assert row["status_message"] == "The session could not be opened."

    await sessions.save(_changed(record, state="failed", code="start_failed", synced=True))
    assert (await one.link.outbox.counts()).pending == 0  # nothing that is told has changed

    await sessions.delete(SessionKey("acme", "s1"))
    await one.link.drain.flush()
    (row,) = of_table(api, "whatsapp_sessions")
    assert (row["label"], row["deleted_at"] is not None) == ("Shop", True)


async def _put(one: Side, name: str) -> Tag:
    return await put(one.link.store, tag(1, name))


def _changed(record: SessionRecord, **fields: object) -> SessionRecord:
    return structs.replace(record, **fields)


async def _is(found: bool) -> bool:
    return found
