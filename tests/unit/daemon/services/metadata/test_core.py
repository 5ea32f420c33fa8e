from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec.structs import replace

from daemon.auth.scopes import Scope
from daemon.errors import ApiError
from daemon.metadata.models import Actor, AnyRow, Assignment, ConversationStatus, Role
from daemon.metadata.port import ActivityQuery, Change, Unreachable
from daemon.services.metadata.assignments import AssignmentChange, untouched
from daemon.services.metadata.members import MemberChange
from daemon.services.metadata.tags import TagChange
from sessions.errors import SessionNotFound
from sessions.ids import ChatRef
from sessions.models import ProviderName
from tests.unit.daemon.services.metadata.scene import ADMIN, CHAT, Scene, running, who
from tests.unit.sessions.manager.scene import ANA, KEY, LID

CRM = Actor(id="crm", name="CRM", kind="external")
CLOSED = AssignmentChange(status=ConversationStatus.CLOSED)


@pytest_asyncio.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """Yield the service, with a chat in memory."""
    async with running(tmp_path / "data") as scene:
        scene.receive("1")
        yield scene


def by_crm(scene: Scene, assignee: str) -> Assignment:
    """Return an assignment as the CRM writes it, a second from now."""
    scene.clock.forward(1)
    at = scene.clock.now_ms()
    return replace(untouched(CHAT), assignee=assignee, actor=CRM, changed_at=at, version=1)


def between(scene: Scene, monkeypatch: pytest.MonkeyPatch, times: int = 1) -> None:
    """Let the CRM's write arrive between reading and writing, so many times."""
    real, left = scene.store.write, times

    async def write(changes: Sequence[Change]) -> list[AnyRow]:
        nonlocal left
        if left:
            left -= 1
            await scene.store.merge([by_crm(scene, f"crm-{left}")])
        return await real(changes)

    monkeypatch.setattr(scene.store, "write", write)


async def test_a_change_that_was_overtaken_is_made_anew(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On top of what came between; nobody's change is lost."""
    between(scene, monkeypatch, 2)
    row = await scene.metadata.assignments.change(ADMIN, CHAT.id, CLOSED, None)
    assert (row.assignee, row.status) == ("crm-0", "closed")
    assert scene.chat()["assignment"]["assignee"] == "crm-0"


async def test_a_change_that_is_overtaken_for_ever_gives_up(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a refusal that says to try again."""
    between(scene, monkeypatch, 1000)
    with pytest.raises(ApiError) as refused:
        await scene.metadata.assignments.change(ADMIN, CHAT.id, CLOSED, None)
    assert refused.value.code == "storage_busy"


async def test_a_change_of_a_known_version_is_not_made_anew(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client is told what is there."""
    await scene.metadata.assignments.change(ADMIN, CHAT.id, CLOSED, 0)
    between(scene, monkeypatch)
    urgent = AssignmentChange(priority=3)
    with pytest.raises(ApiError) as refused:
        await scene.metadata.assignments.change(ADMIN, CHAT.id, urgent, 1)
    assert refused.value.code == "version_conflict"
    assert refused.value.body()["current_version"] > 1


async def test_rows_from_elsewhere_are_told_and_never_take_the_place_of_newer_ones(
    scene: Scene,
) -> None:
    """A batch that waited is read again: what was changed here since stays."""
    taken = await scene.store.merge([by_crm(scene, "crm")])
    scene.clock.forward(1)
    await scene.metadata.assignments.claim(ADMIN, CHAT.id, steal=True)
    await scene.metadata.on_rows(taken)
    assert scene.chat()["assignment"]["assignee"] == "root"
    await scene.metadata.on_rows(await scene.store.merge([by_crm(scene, "crm")]))
    last = scene.sink.events[-1]
    assert (last.type, last.source) == ("assignment_updated", "external")
    assert scene.chat()["assignment"]["assignee"] == "crm"


async def test_a_store_that_cannot_reach_supabase_is_told_so(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503, nothing changed, nothing told."""

    async def claim(*_: object, steal: bool) -> Assignment:
        raise Unreachable

    monkeypatch.setattr(scene.store, "claim", claim)
    scene.sink.clear()
    with pytest.raises(ApiError) as refused:
        await scene.metadata.assignments.claim(who(), CHAT.id, steal=False)
    assert (refused.value.status, refused.value.code) == (503, "supabase_unreachable")
    assert (scene.chat()["assignment"], scene.sink.types) == (None, [])


async def test_a_name_that_left_the_memory_is_learned_from_the_store(scene: Scene) -> None:
    """The chat's old id goes on working, beyond what is held of aliases."""
    old = ChatRef(*KEY, LID)
    await scene.metadata.assignments.claim(ADMIN, CHAT.id, steal=False)
    await scene.store.move_chat(old, CHAT)
    row = await scene.metadata.assignments.change(ADMIN, old.id, CLOSED, None)
    assert (row.jid, row.assignee, row.status) == (ANA, "root", "closed")
    assert scene.manager.memory.home(old) == CHAT


async def test_who_sees_one_session_sees_nothing_of_another(scene: Scene) -> None:
    """Neither chats nor notes by their ids, nor lines of the log."""
    await scene.manager.lifecycle.create("w", "s2", "", ProviderName.SANDBOX)
    note = await scene.metadata.notes.write(ADMIN, CHAT.id, "secret")
    one = who("ana", Scope.READ, Scope.METADATA, sessions=frozenset({"s2"}))
    with pytest.raises(SessionNotFound):
        await scene.metadata.assignments.get(one, CHAT.id)
    with pytest.raises(SessionNotFound):
        scene.metadata.settings.all(one, "session:s1")
    for refused in (
        scene.metadata.notes.change(one, note.id, "mine", None),
        scene.metadata.notes.delete(one, note.id, None),
    ):
        with pytest.raises(ApiError) as error:
            await refused
        assert error.value.code == "note_not_found"
    assert await scene.metadata.activity(one, ActivityQuery("w")) == []
    assert len(await scene.metadata.activity(ADMIN, ActivityQuery("w"))) == 1
    assert scene.metadata.visible(one) == frozenset({"s2"})


async def test_a_session_of_another_workspace_is_not_there(scene: Scene) -> None:
    """Whatever scopes one has in one's own."""
    other = who("root", Scope.ADMIN, workspace="v")
    with pytest.raises(SessionNotFound):
        await scene.metadata.tags.put(other, CHAT.id, [])
    with pytest.raises(SessionNotFound):
        scene.metadata.set_presence(other, CHAT.id, "viewing")


async def test_what_is_locked_is_forgotten_when_nobody_needs_it(scene: Scene) -> None:
    """Locks of two chats are taken in one order, whoever asks; none is left behind."""
    core = scene.metadata.background._core  # noqa: SLF001 - books
    done: list[int] = []

    async def work(number: int, *names: str) -> None:
        async with core.locked(*names):
            await asyncio.sleep(0)
            done.append(number)

    async with asyncio.timeout(5):
        await asyncio.gather(*(work(n, *("ab" if n % 2 else "ba")) for n in range(20)))
    assert sorted(done) == list(range(20))
    assert core._locks == {}  # noqa: SLF001 - books


async def test_kinds_that_stay_in_memory_are_limited(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By their number, and by the memory that there is."""
    monkeypatch.setattr("daemon.services.metadata.tags.MOST_TAGS", 2)
    for name in ("a", "b"):
        await scene.metadata.tags.create(ADMIN, TagChange(name=name))
    with pytest.raises(ApiError) as refused:
        await scene.metadata.tags.create(ADMIN, TagChange(name="c"))
    assert refused.value.code == "limit_reached"
    monkeypatch.setattr(scene.index, "has_room", lambda _: False)
    with pytest.raises(ApiError) as refused:
        await scene.metadata.settings.put(ADMIN, "workspace", "x", 1, None)
    assert refused.value.code == "limit_reached"


async def test_a_member_is_what_its_row_says(scene: Scene) -> None:
    """As soon as it is written, for a token of that subject."""
    assert scene.metadata.standing(who("eva")).role is Role.AGENT
    await scene.member("eva", Role.SUPERVISOR, name="Eva")
    found = scene.metadata.standing(who("eva"))
    assert (found.role, found.actor.name) == (Role.SUPERVISOR, "Eva")
    await scene.member("eva", Role.OWNER, active=False)
    with pytest.raises(ApiError) as refused:
        scene.metadata.standing(who("eva"))
    assert refused.value.code == "not_a_member"


async def test_nobody_makes_a_member_that_is_more_than_themselves(scene: Scene) -> None:
    """Neither by a role, nor by a permission, nor by what is visible; themselves included."""
    may_manage = {"manage_members": True}
    await scene.member("ana", Role.AGENT, permissions=may_manage, sessions=("s1",))
    ana = who("ana", sessions=frozenset({"s1"}))
    put, mine = scene.metadata.members.put, ("s1",)
    agent = await put(ana, "new", MemberChange(role=Role.AGENT, sessions=mine), None)
    assert agent.role is Role.AGENT
    for user, wanted in (
        ("new", MemberChange(role=Role.SUPERVISOR, sessions=mine)),
        ("ana", MemberChange(role=Role.ADMIN, sessions=mine)),
        ("ana", MemberChange(role=Role.AGENT, permissions=may_manage)),
        ("new", MemberChange(role=Role.AGENT, sessions=("s1", "s2"))),
        ("other", MemberChange(role=Role.VIEWER)),
        ("new", MemberChange(permissions={"sessions": {"s1": {"manage_tags": True}}})),
    ):
        with pytest.raises(ApiError) as refused:
            await put(ana, user, wanted, None)
        assert refused.value.code == "missing_ability", wanted
    await scene.metadata.members.change(ana, "new", MemberChange(active=False), None)
    assert [member.active for member in scene.metadata.members.all(ADMIN)] == [True, False]
