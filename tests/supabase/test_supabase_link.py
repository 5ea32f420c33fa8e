"""What holds of the link as a whole: what it loads, what it keeps to itself, what it survives."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from realtime import AsyncRealtimeClient, RealtimeSubscribeStates

from daemon.metadata import supabase_link
from daemon.metadata.models import AnyRow
from daemon.metadata.supabase_link import Project
from tests.contract.metadata.rows import put, tag
from tests.supabase.fakes.data_api import KEY, data_api
from tests.supabase.fakes.realtime import realtime
from tests.supabase.scene import FAST, NOWHERE, Side, of_table, side, workspace_of
from tests.support.waiting import eventually

_LOADED = """
import sys
import daemon.app, daemon.cli.command, daemon.metadata.supabase_link
found = sorted({name.partition(".")[0] for name in sys.modules} & {
    "supabase", "postgrest", "realtime", "httpx", "pydantic", "gotrue", "supabase_auth"
})
print(found)
"""


def test_nothing_of_the_client_is_loaded_without_supabase() -> None:
    """The whole daemon is imported, the link's own module too."""
    found = subprocess.run(
        [sys.executable, "-c", _LOADED], capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout.strip() == "[]"


async def test_it_opens_while_supabase_is_away(tmp_path: Path) -> None:
    """A daemon starts, writes and reads; what it wrote waits."""
    project = Project(NOWHERE, KEY)
    one = await Side(tmp_path, project).open()
    try:
        one.run()
        await put(one.link.store, tag(1, "kept"))
        await eventually(lambda: _is(one.link.health.alarms == ["supabase_unreachable"]))
        assert (await one.link.outbox.counts()).pending == 2
    finally:
        await one.close()


async def test_the_key_is_never_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not at debug level either, though Realtime's address holds it."""
    with caplog.at_level(logging.DEBUG):
        async with data_api() as served, realtime() as line:
            async with side(tmp_path, served.api, FAST, realtime_url=line.url) as one:
                one.run()
                await eventually(lambda: _is(one.link.health.realtime))
                await put(one.link.store, tag(1))
                await one.drained()
                await line.down()
                await eventually(lambda: _is(not one.link.health.realtime))
            assert any(KEY in path for path in line.paths)
    client = [record for record in caplog.records if "websockets.server" not in record.name]
    assert KEY not in "\n".join(record.getMessage() for record in client)
    assert KEY not in repr(Project(NOWHERE, KEY))


async def test_a_fault_of_ours_ends_no_part_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who gets the rows raises, against the rule: reading goes on."""
    monkeypatch.setattr(supabase_link, "AFTER_FAULT_SECONDS", 0.01)
    async with data_api() as served, side(tmp_path, served.api, FAST) as one:
        faults = 0

        async def fail(rows: list[AnyRow]) -> None:
            nonlocal faults
            faults += 1
            raise RuntimeError("a bug")

        one.link.deliver_to(fail)
        one.run()
        await eventually(lambda: _is(one.link.health.shown()["status"] == "ok"))
        key = {"workspace_id": workspace_of(served.api), "id": tag(1).id}
        served.api.tables.direct("tags", {**key, "name": "one", "color": "#112233", "position": 0})
        await eventually(lambda: _is(faults == 1))
        await put(one.link.store, tag(2, "two"))
        await eventually(lambda: _is(len(of_table(served.api, "tags")) == 2))


async def test_the_stand_in_speaks_as_the_librarys_client_understands() -> None:
    """Our own client of Realtime is tested on it: so it must be like the real one."""
    async with realtime() as line:
        client = AsyncRealtimeClient(f"{line.url}/realtime/v1", KEY)
        told: list[object] = []
        states: list[RealtimeSubscribeStates] = []
        systems: list[object] = []
        channel = client.channel("zapd").on_postgres_changes(
            "*",  # type: ignore[arg-type]  # the library's own examples pass the text
            schema="public",
            table="tags",
            callback=lambda payload: told.append(payload["data"].get("record")),
        )
        channel.on_system(systems.append)
        await client.connect()
        await channel.subscribe(lambda state, _error: states.append(state))
        await eventually(lambda: _is(states == [RealtimeSubscribeStates.SUBSCRIBED]))
        await eventually(lambda: _is(len(systems) == 1))
        await line.tell("tags", {"id": "1"})
        await eventually(lambda: _is(told == [{"id": "1"}]))
        assert line.joins[0]["topic"] == "realtime:zapd"
        await client.close()
        await asyncio.sleep(0)


async def _is(found: bool) -> bool:
    return found
