from __future__ import annotations

import asyncio

import pytest

from daemon.metadata.models import Actor, Assignment, ConversationStatus, Member
from daemon.metadata.port import ActivityQuery, AlreadyClaimed, Change, MetadataStore
from tests.contract.metadata.rows import ANA, BEN, CHAT, assignment, find, members, put, uuid_of
from tests.unit.daemon.manual_clock import ManualClock


async def test_a_chat_of_nobody_is_given(store: MetadataStore) -> None:
    """The assignment names who has it, by whom, and is what is stored."""
    given = await store.claim(CHAT, BEN.id, ANA)
    assert (given.assignee, given.assigned_by, given.actor) == (BEN.id, ANA.id, ANA)
    assert (given.version, given.status) == (1, ConversationStatus.OPEN)
    assert await find(store, given) == given


async def test_of_fifty_claims_one_wins(store: MetadataStore) -> None:
    """Forty-nine are told who has it; nothing of theirs is stored or logged."""
    agents = [Actor(id=uuid_of(number), name=f"Agent {number}") for number in range(50)]
    people = [Member(workspace="acme", user=who.id, name=who.name) for who in agents]
    await store.write([Change(row, "member_updated") for row in people])
    results = await asyncio.gather(
        *(store.claim(CHAT, who.id, who) for who in agents), return_exceptions=True
    )
    (won,) = [result for result in results if isinstance(result, Assignment)]
    lost = [result.current for result in results if isinstance(result, AlreadyClaimed)]
    assert lost == [won] * 49
    assert await find(store, won) == won
    assert agents[results.index(won)].id == won.assignee
    lines = await store.activity(ActivityQuery("acme", chat=CHAT))
    assert [(line.action, line.actor.id) for line in lines] == [("claim", won.assignee)]


async def test_a_chat_can_be_taken_from_somebody(store: MetadataStore) -> None:
    """With ``steal`` it is given, and the log says whose it was."""
    await store.claim(CHAT, ANA.id, ANA)
    with pytest.raises(AlreadyClaimed) as caught:
        await store.claim(CHAT, BEN.id, BEN)
    assert caught.value.current.assignee == ANA.id
    taken = await store.claim(CHAT, BEN.id, BEN, steal=True)
    assert (taken.assignee, taken.version) == (BEN.id, 2)
    (line, _) = await store.activity(ActivityQuery("acme", chat=CHAT))
    assert line.data == {"assignee": BEN.id, "before": ANA.id}


async def test_claiming_ones_own_changes_nothing(store: MetadataStore) -> None:
    """The answer is the row as it is."""
    first = await store.claim(CHAT, ANA.id, ANA)
    assert await store.claim(CHAT, ANA.id, ANA) == first


@pytest.mark.parametrize(
    ("before", "after"),
    [("closed", "open"), ("snoozed", "open"), ("pending", "pending"), ("open", "open")],
)
@pytest.mark.parametrize("owner", [None, ANA.id])
async def test_what_is_claimed_is_worked_on(
    store: MetadataStore, clock: ManualClock, before: str, after: str, owner: str | None
) -> None:
    """A chat that was closed or snoozed is open again; its priority stays."""
    until = clock.now_ms() + 1000 if before == "snoozed" else None
    status = ConversationStatus(before)
    await put(store, assignment(assignee=owner, status=status, priority=5, snoozed_until=until))
    given = await store.claim(CHAT, ANA.id, ANA)
    assert (given.status, given.snoozed_until, given.priority) == (after, None, 5)
    assert await store.due(clock.now_ms() + 5000) == []


async def test_a_released_chat_can_be_claimed(store: MetadataStore) -> None:
    """Nobody's again, or deleted: the next one has it, with a higher version."""
    await store.claim(CHAT, ANA.id, ANA)
    await put(store, assignment(assignee=None))
    second = await store.claim(CHAT, BEN.id, BEN)
    await put(store, assignment(assignee=BEN.id, deleted_at=1))
    third = await store.claim(CHAT, ANA.id, ANA)
    assert (second.version, third.version, third.live) == (3, 5, True)


async def test_a_claim_is_of_one_workspace(store: MetadataStore) -> None:
    """The same chat of another workspace is another chat."""
    await store.write(members("beta"))
    await store.claim(CHAT, ANA.id, ANA)
    theirs = await store.claim(CHAT._replace(workspace="beta"), BEN.id, BEN)
    assert (theirs.assignee, theirs.version) == (BEN.id, 1)
