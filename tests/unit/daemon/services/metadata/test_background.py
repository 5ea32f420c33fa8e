from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from daemon.metadata.models import Assignment, ConversationStatus
from daemon.services.metadata import background
from daemon.services.metadata.assignments import AssignmentChange
from daemon.services.metadata.tags import TagChange
from daemon.storage.failures import StorageBusy
from sessions import events as e
from sessions.ids import ChatRef, chat_id
from sessions.models import Source
from tests.support.engine import until
from tests.support.recorders import Json
from tests.unit.daemon.manual_clock import ManualClock
from tests.unit.daemon.services.metadata.scene import ADMIN, CHAT, Scene, narrow, running, who
from tests.unit.sessions.manager.scene import ANA, KEY, LID, NOW, message

LEARNED = e.LidLearned(lid=LID, pn=ANA)
OLD = ChatRef(*KEY, LID)


@pytest_asyncio.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """Yield the service."""
    async with running(tmp_path / "data") as scene:
        yield scene


async def set_status(scene: Scene, status: ConversationStatus, **more: Json) -> Assignment:
    """Set the chat's status."""
    wanted = AssignmentChange(status=status, **more)
    return await scene.metadata.assignments.change(ADMIN, CHAT.id, wanted, None)


async def annotate(scene: Scene, chat: str) -> str:
    """Give a chat an assignee, a tag and a note; return the tag."""
    tag = await scene.metadata.tags.create(ADMIN, TagChange(name="vip"))
    await scene.metadata.tags.put(ADMIN, chat, [tag.id])
    await scene.metadata.assignments.claim(who(), chat, steal=False)
    await scene.metadata.notes.write(who(), chat, "calls back")
    return tag.id


async def notes(scene: Scene, chat: str) -> list[str]:
    """Return the texts of a chat's notes."""
    return [note.body for note in await scene.metadata.notes.of_chat(ADMIN, chat, 50, None)]


async def test_metadata_moves_with_a_merged_chat(scene: Scene) -> None:
    """`chat_merged` first, then what moved; both names lead to it."""
    scene.receive("1", LID)
    tag = await annotate(scene, OLD.id)
    scene.metadata.set_presence(who(), OLD.id, "typing")
    scene.sink.clear()
    scene.take(LEARNED)
    await scene.settled()
    told = scene.sink.types
    assert told[0] == "chat_merged"
    assert set(told[1:]) == {
        "agent_presence",
        "assignment_updated",
        "chat_tags_updated",
        "note_updated",
    }
    for name in (CHAT.id, OLD.id):
        assert (await scene.metadata.assignments.get(ADMIN, name)).assignee == "ana"
        assert (await scene.metadata.tags.of_chat(ADMIN, name))["tags"] == [tag]
        assert await notes(scene, name) == ["calls back"]
        assert [p.state for p in scene.metadata.present(ADMIN, name)] == ["typing"]
    chat = scene.chat()
    assert (chat["assignment"]["assignee"], chat["tags"]) == ("ana", [tag])


async def test_a_move_that_the_disk_refuses_is_made_later(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost meanwhile, and changes of the chat go on."""
    scene.receive("1", LID)
    await annotate(scene, OLD.id)
    real, refused = scene.store.move_chat, asyncio.Event()

    async def busy(old: ChatRef, new: ChatRef) -> list[Json]:
        refused.set()
        raise StorageBusy("held")

    monkeypatch.setattr(scene.store, "move_chat", busy)
    scene.take(LEARNED)
    await asyncio.wait_for(refused.wait(), 5)
    assert scene.chat()["assignment"] is None
    await scene.metadata.notes.write(ADMIN, OLD.id, "meanwhile")
    monkeypatch.setattr(scene.store, "move_chat", real)
    await scene.settled()
    assert scene.chat()["assignment"]["assignee"] == "ana"
    assert sorted(await notes(scene, CHAT.id)) == ["calls back", "meanwhile"]


async def test_what_an_earlier_life_left_under_a_lid_is_moved(tmp_path: Path) -> None:
    """It was killed between the merge and the move: a note is enough to know of it."""
    async with running(tmp_path / "data") as scene:
        await scene.metadata.notes.write(ADMIN, OLD.id, "left behind")
    async with running(tmp_path / "data") as scene:
        scene.index.note_lids([OLD])  # as the runtime does at its start
        scene.take(LEARNED)
        await scene.settled()
        assert await notes(scene, CHAT.id) == ["left behind"]
        assert await notes(scene, OLD.id) == ["left behind"]


async def test_people_of_whom_nothing_is_known_cost_nothing(scene: Scene) -> None:
    """Members of groups are many: no chore, no row."""
    for number in range(100):
        scene.take(
            e.LidLearned(lid=f"1234{number:05d}@lid", pn=f"55119{number:08d}@s.whatsapp.net")
        )
    assert len(scene.chores) == 0


async def test_a_write_that_waited_for_a_merge_goes_to_the_new_name(scene: Scene) -> None:
    """Whoever resolved the old name before the merge, and writes after it."""
    scene.receive("1", LID)
    async with scene.metadata.background._core.locked(OLD):  # noqa: SLF001 - holds up the race
        waiting = [
            asyncio.ensure_future(coroutine)
            for coroutine in (
                set_status_of(scene, OLD.id),
                scene.metadata.assignments.claim(who(), OLD.id, steal=False),
            )
        ]
        await asyncio.sleep(0)
        scene.take(LEARNED)
    await asyncio.gather(*waiting)
    await scene.settled()
    row = await scene.store.row(Assignment, "w", ("s1", ANA))
    assert isinstance(row, Assignment)
    assert (row.assignee, row.status, row.version) == ("ana", "pending", 2)
    assert scene.chat()["assignment"]["version"] == 2


async def set_status_of(scene: Scene, chat: str) -> Assignment:
    """Set a chat's status to pending."""
    wanted = AssignmentChange(status=ConversationStatus.PENDING)
    return await scene.metadata.assignments.change(ADMIN, chat, wanted, None)


@pytest.mark.parametrize("status", [ConversationStatus.CLOSED, ConversationStatus.SNOOZED])
async def test_a_message_opens_a_chat_that_was_put_aside(
    scene: Scene, status: ConversationStatus
) -> None:
    """Once, by zapd; what was pending stays."""
    scene.receive("1")
    until_ms = NOW * 2 if status is ConversationStatus.SNOOZED else None
    more = {} if until_ms is None else {"snoozed_until": until_ms}
    await set_status(scene, status, **more)
    scene.receive("2")
    scene.receive("3")
    await scene.settled()
    row = scene.chat()["assignment"]
    assert (row["status"], row["snoozed_until"], row["version"]) == ("open", None, 2)
    assert row["actor"]["kind"] == "system"
    await set_status(scene, ConversationStatus.PENDING)
    scene.receive("4")
    await scene.settled()
    assert scene.chat()["assignment"]["status"] == "pending"


@pytest.mark.parametrize("source", ["history", "phone"])
async def test_what_nobody_wrote_now_opens_nothing(scene: Scene, source: Source) -> None:
    """The past of a sync, and what the account itself sent from the phone."""
    scene.receive("1")
    await set_status(scene, ConversationStatus.CLOSED)
    scene.take(message("2", NOW, source=source, counts=False))
    assert len(scene.chores) == 0


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({"workspace": False}, "closed"),
        ({"workspace": False, "session:s1": True}, "open"),
        ({"session:s1": False}, "closed"),
        ({"session:s1": False, "workspace": True}, "closed"),
    ],
)
async def test_reopening_can_be_switched_off(
    scene: Scene, settings: dict[str, bool], status: str
) -> None:
    """For the workspace; the session's word goes over it."""
    scene.receive("1")
    for scope, value in settings.items():
        await scene.metadata.settings.put(ADMIN, scope, "reopen_on_message", value, None)
    await set_status(scene, ConversationStatus.CLOSED)
    scene.receive("2")
    await scene.settled()
    assert scene.chat()["assignment"]["status"] == status


async def test_a_snooze_ends_when_its_time_has_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before; also when it came while the daemon was down."""
    monkeypatch.setattr(background, "TICK_SECONDS", 0.01)
    clock = ManualClock()
    async with running(tmp_path / "data", clock=clock) as scene:
        scene.receive("1")
        later = clock.now_ms() + 60_000
        await set_status(scene, ConversationStatus.SNOOZED, snoozed_until=later)
        clock.forward(59)
        await asyncio.sleep(0.05)
        assert scene.chat()["assignment"]["status"] == "snoozed"
    clock.forward(1)
    async with running(tmp_path / "data", clock=clock) as scene:
        scene.receive("1")
        await until(lambda: scene.chat()["assignment"]["status"] == "open", "awake")
        assert scene.sink.of("assignment_updated")[-1]["actor"]["kind"] == "system"


async def test_a_disk_that_is_busy_delays_a_snooze_and_nothing_else(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is looked at again."""
    monkeypatch.setattr(background, "TICK_SECONDS", 0.01)
    asked = 0

    async def due(now: int, limit: int = 100) -> list[Assignment]:
        nonlocal asked
        asked += 1
        raise StorageBusy("held")

    monkeypatch.setattr(scene.store, "due", due)
    await until(lambda: asked > 2, "asked again")
    assert "wait a little longer" in caplog.text


async def test_a_chat_that_left_the_index_is_read_again(tmp_path: Path) -> None:
    """Its row shows it as soon as it is back in memory, and an event tells it."""
    async with running(tmp_path / "data", narrow()) as scene:
        tag = await annotate(scene, CHAT.id)
        others = [chat_id("s1", f"55118888000{n:02d}@s.whatsapp.net") for n in range(9)]
        for other in others:
            await scene.metadata.assignments.claim(who("bob"), other, steal=False)
        assert not scene.index.is_known(CHAT)
        scene.receive("1")
        assert scene.sink.of("new_chat")[-1]["assignment"] is None
        await scene.settled()
        chat = scene.chat()
        assert (chat["assignment"]["assignee"], chat["tags"]) == ("ana", [tag])
        assert chat["tags"] == scene.sink.of("chat_updated")[-1]["tags"]
        assert (await scene.metadata.assignments.get(ADMIN, others[0])).assignee == "bob"
