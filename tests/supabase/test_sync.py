"""What others write in Supabase is learned: by asking, hinted by Realtime, whatever its line does."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from daemon.clock import SystemClock
from daemon.metadata import sync
from daemon.metadata.models import Member, Note, Tag
from daemon.metadata.port import ActivityQuery
from daemon.metadata.supabase_link import Project
from tests.contract.metadata.rows import KEY as GATEWAY, find, note, put, tag, uuid_of
from tests.supabase.fakes.data_api import KEY, DataApi, Served, data_api
from tests.supabase.fakes.realtime import Realtime, realtime
from tests.supabase.scene import FAST, NOWHERE, QUIET, UNIT, Side, side, workspace_of
from tests.support.waiting import eventually

POLL = 10 * UNIT  # FAST's interval while Realtime stands


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
async def line() -> AsyncIterator[Realtime]:
    """Give a Realtime server."""
    async with realtime() as server:
        yield server


@pytest_asyncio.fixture
async def one(tmp_path: Path, api: DataApi) -> AsyncIterator[Side]:
    """Give a daemon's side that reads when it is told to."""
    async with side(tmp_path, api, QUIET) as opened:
        yield opened


def crm_tag(api: DataApi, number: int, name: str, **more: object) -> dict[str, Any]:
    """Write a tag as the CRM does."""
    key = {"workspace_id": workspace_of(api), "id": uuid_of(number)}
    return api.tables.direct(
        "tags", {**key, "name": name, "color": "#112233", "position": 0, **more}
    )


def known(one: Side) -> dict[str, str]:
    """Return what was delivered of tags, by id."""
    return {row.id: row.name for row in one.rows if isinstance(row, Tag)}


async def test_the_first_reading_takes_all_and_logs_none(one: Side, api: DataApi) -> None:
    """What was there before is no news: it is stored and delivered, the log stays empty."""
    for number in range(2500):
        crm_tag(api, number, f"tag {number}")

    await one.link.sync.read()

    assert len(known(one)) == 2500
    assert len(await one.link.store.rows(Tag)) == 2500
    assert await one.link.store.activity(ActivityQuery("acme")) == []
    assert (await one.link.outbox.counts()).pending == 0


async def test_many_rows_of_one_moment_are_read_whole(one: Side, api: DataApi) -> None:
    """An import gives thousands of rows one `updated_at`, more than a page holds."""
    at = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    for number in range(2100):
        crm_tag(api, number, f"tag {number}")["updated_at"] = at
    await one.link.sync.read()
    assert len(await one.link.store.rows(Tag)) == 2100


async def test_changes_are_delivered_and_logged_once(one: Side, api: DataApi) -> None:
    """Who reads again meets the same rows: nothing changes by that."""
    await one.link.sync.read()
    crm_tag(api, 1, "new")
    for _ in range(3):
        await one.link.sync.read()

    assert [(row.kind, row.actor.kind) for row in one.rows] == [("tag", "external")]
    (logged,) = await one.link.store.activity(ActivityQuery("acme"))
    assert (logged.action, logged.actor.name) == (sync.CHANGED_ELSEWHERE, "Supabase")

    crm_tag(api, 1, "changed")
    crm_tag(api, 2, "gone", deleted_at=datetime.now(UTC).isoformat())
    await one.link.sync.read()
    assert known(one) == {uuid_of(1): "changed", uuid_of(2): "gone"}
    living = await one.link.store.rows(Tag)
    assert [row.name for row in living if isinstance(row, Tag)] == ["changed"]


async def test_what_is_committed_late_is_not_missed(one: Side, api: DataApi) -> None:
    """A row gets its time before its transaction ends: it may appear behind the mark."""
    early = (datetime.now(UTC) - timedelta(seconds=10)).isoformat()
    crm_tag(api, 1, "first")
    await one.link.sync.read()
    crm_tag(api, 2, "late")["updated_at"] = early

    await one.link.sync.read()

    assert known(one) == {uuid_of(1): "first", uuid_of(2): "late"}


async def test_the_mark_outlives_the_daemon(tmp_path: Path, api: DataApi) -> None:
    """The next life reads on from there, with the overlap."""
    async with side(tmp_path, api, QUIET) as first:
        old = crm_tag(api, 1, "old")
        old["updated_at"] = "2026-01-01T00:00:00.123456+00:00"
        crm_tag(api, 2, "new")["updated_at"] = "2026-02-01T00:00:00.123456+00:00"
        await first.link.sync.read()
    async with side(tmp_path, api, QUIET) as second:
        api.seen.clear()
        await second.link.sync.read()
        asked = next(seen for seen in api.seen if seen.table == "tags")
        assert asked.query["updated_at"] == "gte.2026-01-31T23:59:30.123456+00:00"
        assert second.rows == []


async def test_our_own_writes_come_back_as_nothing(one: Side, api: DataApi) -> None:
    """They are known by the id of their operation."""
    await put(one.link.store, tag(1, "ours"))
    await one.link.drain.flush()
    await one.link.sync.read()
    assert one.rows == []
    assert (await find(one.link.store, tag(1))).actor.name == "Ana"


async def test_a_note_of_a_gateway_keeps_its_author(one: Side, api: DataApi) -> None:
    """Supabase has no name for an API key: what is known here stays."""
    await one.add_people()
    await put(one.link.store, note(1, actor=GATEWAY, author=GATEWAY.id))
    await one.link.drain.flush()
    key = {"workspace_id": workspace_of(api), "id": uuid_of(1)}
    await asyncio.sleep(0.005)
    api.tables.direct("chat_notes", {**key, "body": "mended by the CRM"})

    await one.link.sync.read()

    (changed,) = [row for row in one.rows if isinstance(row, Note)]
    assert (changed.body, changed.author) == ("mended by the CRM", GATEWAY.id)


async def test_a_row_that_cannot_be_one_is_left_out(
    one: Side, api: DataApi, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told of once; all others arrive."""
    crm_tag(api, 1, "good")
    crm_tag(api, 2, "bad", position="a place")
    await one.link.sync.read()
    await one.link.sync.read()
    assert known(one) == {uuid_of(1): "good"}
    assert caplog.text.count("cannot be read") == 1


class _Ahead(SystemClock):
    """A machine's clock that is a minute ahead."""

    def now_ms(self) -> int:
        return super().now_ms() + 60_000


async def test_a_clock_that_is_ahead_hides_no_change(tmp_path: Path, api: DataApi) -> None:
    """Our write is not later than the CRM's by that; the clock is told of."""
    one = await Side(tmp_path, Project(api.url, KEY, NOWHERE), QUIET, _Ahead()).open()
    try:
        await one.link.sync.read()
        assert one.link.health.alarms == ["supabase_clock"]
        await put(one.link.store, tag(1, "ours"))
        await one.link.drain.flush()
        await asyncio.sleep(1.0)  # answers tell whole seconds: what is made up is half of one off
        crm_tag(api, 1, "the CRM's")
        await one.link.sync.read()
        assert known(one) == {uuid_of(1): "the CRM's"}
    finally:
        await one.close()


async def test_another_tenants_rows_are_not_asked_for(one: Side, api: DataApi) -> None:
    """A project may hold workspaces of other daemons."""
    other = workspace_of(api, "not-ours")
    key = {"workspace_id": other, "id": uuid_of(7)}
    api.tables.direct("tags", {**key, "name": "theirs", "color": "#112233", "position": 0})
    await one.link.sync.read()
    assert one.rows == []


async def test_a_member_that_was_added_there_is_known_here(one: Side, api: DataApi) -> None:
    """Without Realtime, within the interval."""
    await one.link.sync.read()
    user = str(uuid.uuid4())
    api.tables.direct(
        "workspace_members",
        {
            "workspace_id": workspace_of(api),
            "user_id": user,
            "role": "supervisor",
            "display_name": "Cleo",
            "permissions": {},
            "session_ids": ["s1"],
            "active": True,
        },
    )
    await one.link.sync.read()
    (member,) = one.rows
    assert isinstance(member, Member)
    assert (member.user, member.role, member.sessions) == (user, "supervisor", ("s1",))


async def _cut_going_away(line: Realtime) -> None:
    await line.close_lines(1001)


async def _cut_after_a_day(line: Realtime) -> None:
    await line.close_lines(1000)


async def _cut_by_reset(line: Realtime) -> None:
    line.reset_lines()


async def _fall_silent(line: Realtime) -> None:
    line.mute = True


async def _go_away(line: Realtime) -> None:
    await line.down()


async def _refuse(line: Realtime) -> None:
    line.refuse = "Unauthorized"
    await line.close_lines(1001)


@pytest.mark.parametrize(
    "cut",
    [_cut_going_away, _cut_after_a_day, _cut_by_reset, _fall_silent, _go_away, _refuse],
    ids=["1001", "24 hours", "RST", "silence", "down", "refused"],
)
async def test_changes_arrive_within_the_interval_while_realtime_is_cut(
    tmp_path: Path, api: DataApi, line: Realtime, cut: Callable[[Realtime], Awaitable[None]]
) -> None:
    """Nobody tells of them; they are read all the same. Afterwards the line stands again."""
    async with side(tmp_path, api, FAST, realtime_url=line.url) as one:
        one.run()
        await eventually(lambda: _is(one.link.health.realtime))
        await cut(line)
        crm_tag(api, 1, "meanwhile")

        await eventually(lambda: _is(known(one) == {uuid_of(1): "meanwhile"}), 10 * POLL)

        line.mute, line.refuse = False, None
        if not line.lines:
            await line.down()
            await line.up()
        await eventually(lambda: _is(one.link.health.realtime and line.subscribed == 1))
        crm_tag(api, 2, "afterwards")
        await line.tell("tags", {"workspace_id": workspace_of(api)})
        await eventually(lambda: _is(uuid_of(2) in known(one)))


async def test_a_hint_is_read_at_once(tmp_path: Path, api: DataApi, line: Realtime) -> None:
    """Long before the interval, which is an hour here; a stranger's hint asks nothing."""
    async with side(tmp_path, api, QUIET, realtime_url=line.url) as one:
        one.run()
        await eventually(lambda: _is(line.subscribed == 1 and one.link.health.realtime))
        await eventually(
            lambda: _is(_asked(api, "settings") == 2)
        )  # at the start, then as it stood
        tags = _asked(api, "tags")
        crm_tag(api, 1, "told")
        assert await line.tell("tags", {"workspace_id": str(uuid.uuid4())}) == 1
        assert await line.tell("tags", {"workspace_id": workspace_of(api)}) == 1
        await eventually(lambda: _is(uuid_of(1) in known(one)))
        assert _asked(api, "settings") == 2  # only the table that was named
        assert _asked(api, "tags") <= tags + 2  # the page, and the empty one after it


async def test_everything_is_read_when_the_line_stands_again(
    tmp_path: Path, api: DataApi, line: Realtime
) -> None:
    """Nothing is told of what happened before: the interval is an hour here."""
    async with side(tmp_path, api, QUIET, realtime_url=line.url) as one:
        one.run()
        await eventually(lambda: _is(line.subscribed == 1 and one.link.health.realtime))
        await line.down()
        await eventually(lambda: _is(not one.link.health.realtime))
        crm_tag(api, 1, "in the gap")
        await line.up()
        await eventually(lambda: _is(uuid_of(1) in known(one)))


async def test_the_end_of_a_gap_is_the_system_message(
    tmp_path: Path, api: DataApi, line: Realtime
) -> None:
    """Between the join's answer and the subscription changes are told to nobody."""
    line.may_subscribe.clear()
    async with side(tmp_path, api, QUIET, realtime_url=line.url) as one:
        one.run()
        await eventually(lambda: _is(len(line.joins) == 1))
        await eventually(lambda: _is(_asked(api, "settings") >= 1))
        crm_tag(api, 1, "between")
        assert await line.tell("tags", {"workspace_id": workspace_of(api)}) == 0
        assert not one.link.health.realtime
        line.may_subscribe.set()
        await eventually(lambda: _is(uuid_of(1) in known(one)))
        assert one.link.health.realtime


async def test_a_subscription_that_never_comes_is_tried_again(
    tmp_path: Path, api: DataApi, line: Realtime
) -> None:
    """A line that only looks alive is given up."""
    line.may_subscribe.clear()
    async with side(tmp_path, api, QUIET, realtime_url=line.url) as one:
        one.run()
        await eventually(lambda: _is(len(line.joins) >= 3))
        line.may_subscribe.set()
        await eventually(lambda: _is(one.link.health.realtime))


async def test_a_blocked_reading_is_told_and_mends_itself(
    tmp_path: Path, api: DataApi, line: Realtime
) -> None:
    """Also where nothing waits to be sent."""
    key, api.key = api.key, "sb_secret_another"
    async with side(tmp_path, api, FAST, realtime_url=line.url) as one:
        one.run()
        await eventually(lambda: _is(one.link.health.alarms == ["supabase_blocked"]))
        api.key = key
        crm_tag(api, 1, "learned")
        await eventually(lambda: _is(uuid_of(1) in known(one) and not one.link.health.alarms))


def _asked(api: DataApi, table: str) -> int:
    return sum(1 for seen in api.seen if (seen.method, seen.table) == ("GET", table))


async def _is(found: bool) -> bool:
    return found
