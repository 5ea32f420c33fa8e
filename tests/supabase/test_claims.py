"""Claims that are decided in Supabase: who is second, what is lost on the way, what is in doubt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from daemon.metadata.models import Assignment
from daemon.metadata.port import ActivityQuery, AlreadyClaimed, Refused, Unreachable
from tests.contract.metadata.rows import ANA, BEN, CHAT, assignment, find, put
from tests.supabase.fakes import data_api as faults
from tests.supabase.fakes.data_api import DataApi, Fault, Served, data_api
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


def crm_assigns(api: DataApi, **columns: object) -> None:
    """Write the assignment of the chat as the CRM does."""
    key = {"workspace_id": workspace_of(api), "session_id": CHAT.session, "chat_jid": CHAT.jid}
    fresh = {} if of_table(api, "chat_assignments") else {"status": "open", "priority": 0}
    given = {"assignee_id": None, "assigned_by": None, "snoozed_until": None, **fresh, **columns}
    api.tables.direct("chat_assignments", {**key, **given})


async def here(one: Side) -> Assignment | None:
    """Return what the embedded database has."""
    found = await one.link.store.row(Assignment, "acme", assignment().key)
    return found if isinstance(found, Assignment) else None


async def test_a_claim_is_in_both_places(one: Side, api: DataApi) -> None:
    """With its line in the log; nothing of the row is left to send."""
    won = await one.link.store.claim(CHAT, ANA.id, ANA)

    assert (won.assignee, won.status, won.actor) == (ANA.id, "open", ANA)
    assert await here(one) == won
    (there,) = of_table(api, "chat_assignments")
    assert (there["assignee_id"], there["op_id"]) == (ANA.id, won.op_id)
    assert await one.link.outbox.kinds() == {"activity"}
    (line,) = await one.link.store.activity(ActivityQuery("acme", CHAT))
    assert (line.action, line.data) == ("claim", {"assignee": ANA.id, "before": None})


async def test_who_claims_again_has_it_already(one: Side, api: DataApi) -> None:
    """Nothing is written for that."""
    won = await one.link.store.claim(CHAT, ANA.id, ANA)
    again = await one.link.store.claim(CHAT, ANA.id, ANA)
    assert (again.assignee, again.op_id) == (won.assignee, won.op_id)
    (there,) = of_table(api, "chat_assignments")
    assert there["version"] == 1
    assert len(await one.link.store.activity(ActivityQuery("acme", CHAT))) == 1


async def test_the_crm_was_faster(one: Side, api: DataApi) -> None:
    """The daemon has not read it yet: Supabase says who has the chat."""
    crm_assigns(api, assignee_id=BEN.id)
    with pytest.raises(AlreadyClaimed) as lost:
        await one.link.store.claim(CHAT, ANA.id, ANA)
    assert lost.value.current.assignee == BEN.id
    assert await here(one) is None

    stolen = await one.link.store.claim(CHAT, ANA.id, ANA, steal=True)
    assert stolen.assignee == ANA.id
    (line,) = await one.link.store.activity(ActivityQuery("acme", CHAT))
    assert line.data == {"assignee": ANA.id, "before": BEN.id}


async def test_a_closed_chat_is_open_again(one: Side, api: DataApi) -> None:
    """As in the embedded store."""
    crm_assigns(api, status="closed")
    won = await one.link.store.claim(CHAT, ANA.id, ANA)
    assert won.status == "open"
    (there,) = of_table(api, "chat_assignments")
    assert there["status"] == "open"


async def test_what_waits_of_the_chat_goes_first(one: Side, api: DataApi) -> None:
    """Ben gave it back here a moment ago; Supabase does not know yet."""
    crm_assigns(api, assignee_id=BEN.id)
    await one.link.sync.read()
    await put(one.link.store, assignment(assignee=None, priority=7))

    won = await one.link.store.claim(CHAT, ANA.id, ANA)

    assert (won.assignee, won.priority) == (ANA.id, 7)


async def test_a_session_that_supabase_does_not_know_yet_is_sent_first(
    tmp_path: Path, api: DataApi
) -> None:
    """The session and the member wait in the outbox: the claim takes them along."""
    async with side(tmp_path, api, QUIET) as opened:
        await opened.add_people()
        won = await opened.link.store.claim(CHAT, ANA.id, ANA)
        assert won.assignee == ANA.id
        assert len(of_table(api, "whatsapp_sessions")) == 1


async def test_fifty_at_once_and_one_wins(one: Side) -> None:
    """49 are told who has it, and that is the one who was told that it is theirs."""
    agents = [ANA, BEN]
    found = await asyncio.gather(
        *(one.link.store.claim(CHAT, agents[n % 2].id, agents[n % 2]) for n in range(50)),
        return_exceptions=True,
    )
    won = {row.assignee for row in found if isinstance(row, Assignment)}
    lost = [error.current.assignee for error in found if isinstance(error, AlreadyClaimed)]
    assert len(won) == 1
    assert set(lost) == won
    assert len(lost) == 25  # the other agent's; the winner's own were theirs already


@pytest.mark.parametrize(
    "fault",
    [faults.UNAVAILABLE, faults.BAD_GATEWAY, faults.INVALID_KEY, faults.NO_GRANT],
    ids=["503", "502", "key", "grant"],
)
async def test_nothing_is_claimed_while_supabase_refuses(
    one: Side, api: DataApi, fault: Fault
) -> None:
    """Neither here nor there."""
    api.fault = fault
    with pytest.raises(Unreachable):
        await one.link.store.claim(CHAT, ANA.id, ANA)
    assert await here(one) is None
    assert of_table(api, "chat_assignments") == []
    assert one.link.health.alarms != []

    api.fault = None
    assert (await one.link.store.claim(CHAT, ANA.id, ANA)).assignee == ANA.id
    assert one.link.health.alarms == []


async def test_nothing_is_claimed_while_supabase_is_away(one: Side, served: Served) -> None:
    """It is refused at once, not after the deadline."""
    await served.down()
    async with asyncio.timeout(2.0):
        with pytest.raises(Unreachable):
            await one.link.store.claim(CHAT, ANA.id, ANA)
    assert await here(one) is None


async def test_an_answer_that_is_lost_is_read_back(one: Side, api: DataApi) -> None:
    """The row is there with the operation's id: the chat is theirs, once."""
    api.answer_lost = True
    api.after_write = lambda: _later(api)
    won = await one.link.store.claim(CHAT, ANA.id, ANA)
    assert won.assignee == ANA.id
    (there,) = of_table(api, "chat_assignments")
    assert (there["op_id"], there["version"]) == (won.op_id, 1)
    (line,) = await one.link.store.activity(ActivityQuery("acme", CHAT))
    assert line.action == "claim"


async def test_a_request_that_was_lost_on_the_way_is_made_again(one: Side, api: DataApi) -> None:
    """The row is not there: the claim goes on with the same operation."""
    api.next_faults.extend([None, faults.BAD_GATEWAY])  # the reading, the writing
    won = await one.link.store.claim(CHAT, ANA.id, ANA)
    (there,) = of_table(api, "chat_assignments")
    assert (there["assignee_id"], there["op_id"]) == (ANA.id, won.op_id)


async def test_a_claim_in_doubt_is_not_stored_and_shows_later(one: Side, api: DataApi) -> None:
    """No answer until the deadline: nobody was told yes. What proves to be there is read."""
    await one.link.sync.read()
    api.answer_lost = True
    api.after_write = lambda: setattr(api, "fault", faults.UNAVAILABLE)
    with pytest.raises(Unreachable):
        await one.link.store.claim(CHAT, ANA.id, ANA)
    assert await here(one) is None

    api.answer_lost, api.fault = False, None
    await one.link.sync.read()
    shown = await find(one.link.store, assignment())
    assert shown.assignee == ANA.id
    assert (await one.link.store.claim(CHAT, ANA.id, ANA)).op_id == shown.op_id


async def test_who_is_no_user_of_supabase_cannot_claim(one: Side) -> None:
    """An API key has no UUID: the column would hold null, and the chat nobody's."""
    with pytest.raises(Refused) as refused:
        await one.link.store.claim(CHAT, "key:3f", ANA)
    assert refused.value.code == "unknown_member"


async def test_what_reading_finds_of_a_running_claim_is_left_to_it(one: Side, api: DataApi) -> None:
    """The claim's own line in the log is the only one."""
    await one.link.sync.read()
    reading: list[asyncio.Task[None]] = []

    def read() -> None:
        _later(api)
        reading.append(asyncio.get_running_loop().create_task(one.link.sync.read()))

    api.answer_lost, api.after_write = True, read
    await one.link.store.claim(CHAT, ANA.id, ANA)
    await reading[0]
    await one.link.sync.read()
    (line,) = await one.link.store.activity(ActivityQuery("acme", CHAT))
    assert line.action == "claim"
    assert one.rows == []


async def test_a_lost_claim_makes_the_daemon_look(one: Side, api: DataApi) -> None:
    """What Supabase knew better is read at once."""
    one.run()
    await eventually(lambda: _is(one.link.health.shown()["status"] == "ok"))
    crm_assigns(api, assignee_id=BEN.id)
    with pytest.raises(AlreadyClaimed):
        await one.link.store.claim(CHAT, ANA.id, ANA)
    await eventually(lambda: _is(len(one.rows) == 1))
    stored = await here(one)
    assert stored is not None
    assert stored.assignee == BEN.id


def _later(api: DataApi) -> None:
    """Lose this answer only."""
    asyncio.get_running_loop().call_soon(setattr, api, "answer_lost", False)


async def _is(found: bool) -> bool:
    return found
