from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import msgspec
from hypothesis import given, settings, strategies as st
from msgspec.structs import replace

from daemon.errors import ApiError
from daemon.metadata.index import MetadataIndex
from daemon.metadata.models import (
    Actor,
    Assignment,
    ChatTag,
    ConversationStatus,
    Note,
    Role,
    Tag,
    render,
)
from daemon.metadata.port import ActivityQuery
from daemon.services.metadata.assignments import AssignmentChange, untouched
from daemon.services.metadata.members import MemberChange
from daemon.services.metadata.tags import TagChange
from sessions import events as e
from sessions.ids import ChatRef, chat_id
from tests.support.recorders import Json
from tests.unit.daemon.services.metadata.scene import ADMIN, Scene, narrow, roomy, running
from tests.unit.sessions.manager.scene import ANA, GROUP, KEY, LID

JIDS = (ANA, LID, GROUP)
CRM = Actor(id="crm", name="CRM", kind="external")
PAGE = Path(__file__).parents[5] / "daemon" / "docs" / "metadata.md"
DOCUMENTED = set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.MULTILINE))
LISTS = {
    "tag_updated": "id",
    "quick_reply_updated": "id",
    "note_updated": "id",
    "member_updated": "user",
    "setting_updated": "name",
}


class Client:
    """A frontend: a snapshot, kept up by the documented rules."""

    def __init__(self, snapshot: dict[str, dict[str, Json]]) -> None:
        self.state = snapshot

    def apply(self, type: str, data: Json) -> None:
        """Apply one event."""
        chats = self.state["chats"]
        if type in ("new_chat", "chat_updated"):
            chats[data["id"]] = data
        elif type == "chat_merged":
            chats.pop(data["from"], None)
            chats[data["to"]] = data["chat"]
        elif type == "assignment_updated" and data["chat"] in chats:
            chats[data["chat"]]["assignment"] = None if data["deleted_at"] else data
        elif type == "chat_tags_updated" and data["chat"] in chats:
            chats[data["chat"]]["tags"] = data["tags"]
        elif type in LISTS:
            self._row(type, data)

    def _row(self, type: str, data: Json) -> None:
        rows, key = self.state[type], data[LISTS[type]]
        rows.pop(key, None)
        if not data["deleted_at"]:
            rows[key] = data
        elif type == "tag_updated":
            for chat in self.state["chats"].values():
                chat["tags"] = [tag for tag in chat["tags"] if tag != key]


async def snapshot(scene: Scene) -> dict[str, dict[str, Json]]:
    """Return all that clients can read, by the event that keeps it up."""
    metadata = scene.metadata
    notes = [
        n for c in JIDS for n in await metadata.notes.of_chat(ADMIN, chat_id("s1", c), 200, None)
    ]
    rows: Mapping[str, Json] = {
        "tag_updated": metadata.tags.all(ADMIN),
        "quick_reply_updated": metadata.quick_replies.all(ADMIN),
        "member_updated": metadata.members.all(ADMIN),
        "setting_updated": metadata.settings.all(ADMIN, "workspace"),
        "note_updated": notes,
    }
    shown = {
        type: {getattr(row, LISTS[type]): _json(row) for row in found}
        for type, found in rows.items()
    }
    return {**shown, "chats": {chat["id"]: _without_message(chat) for chat in scene.chats()}}


def _json(row: Json) -> Json:
    return msgspec.json.decode(msgspec.json.encode(render(row)))


def _without_message(chat: Json) -> Json:
    """Leave out what ``new_message`` keeps up: the engine's own test holds that."""
    apart = {"last_message", "updated_at", "unread", "evicted_before"}
    return {name: value for name, value in chat.items() if name not in apart}


Step = tuple[Callable[[Scene, str, int], Awaitable[None]], str, int]


async def _receive(scene: Scene, jid: str, number: int) -> None:
    scene.clock.forward(1)
    scene.receive(f"{scene.clock.now_ms()}", jid)


async def _merge(scene: Scene, jid: str, number: int) -> None:
    scene.take(e.LidLearned(lid=LID, pn=ANA))


async def _assign(scene: Scene, jid: str, number: int) -> None:
    status = (ConversationStatus.OPEN, ConversationStatus.CLOSED, ConversationStatus.PENDING)
    assignee = (None, "ana", "bob")
    wanted = AssignmentChange(assignee=assignee[number % 3], status=status[number // 3 % 3])
    await scene.metadata.assignments.change(ADMIN, chat_id("s1", jid), wanted, None)


async def _claim(scene: Scene, jid: str, number: int) -> None:
    await scene.metadata.assignments.claim(ADMIN, chat_id("s1", jid), steal=bool(number % 2))


async def _tag(scene: Scene, jid: str, number: int) -> None:
    await scene.metadata.tags.create(ADMIN, TagChange(name=f"tag {number}"))


async def _untag(scene: Scene, jid: str, number: int) -> None:
    tags = scene.metadata.tags.all(ADMIN)
    if tags:
        await scene.metadata.tags.delete(ADMIN, tags[number % len(tags)].id, None)


async def _tag_chat(scene: Scene, jid: str, number: int) -> None:
    ids = [
        tag.id for place, tag in enumerate(scene.metadata.tags.all(ADMIN)) if number >> place & 1
    ]
    await scene.metadata.tags.put(ADMIN, chat_id("s1", jid), ids)


async def _note(scene: Scene, jid: str, number: int) -> None:
    await scene.metadata.notes.write(ADMIN, chat_id("s1", jid), f"note {number}")


async def _unnote(scene: Scene, jid: str, number: int) -> None:
    notes = await scene.metadata.notes.of_chat(ADMIN, chat_id("s1", jid), 10, None)
    if notes:
        await scene.metadata.notes.delete(ADMIN, notes[number % len(notes)].id, None)


async def _reply(scene: Scene, jid: str, number: int) -> None:
    await scene.metadata.quick_replies.create(ADMIN, f"r{number}", "text", shared=True)


async def _setting(scene: Scene, jid: str, number: int) -> None:
    name = ("theme", "reopen_on_message")[number % 2]
    if number > 6:
        await scene.metadata.settings.delete(ADMIN, "workspace", name, None)
    else:
        await scene.metadata.settings.put(ADMIN, "workspace", name, number > 3, None)


async def _member(scene: Scene, jid: str, number: int) -> None:
    roles = list(Role)
    wanted = MemberChange(role=roles[number % len(roles)], active=bool(number % 2))
    await scene.metadata.members.put(ADMIN, f"u{number % 3}", wanted, None)


async def _elsewhere(scene: Scene, jid: str, number: int) -> None:
    """Let the CRM write to Supabase what is then read from there."""
    ref = ChatRef(*KEY, jid)
    changed_at = scene.clock.now_ms() + number
    tags = scene.metadata.tags.all(ADMIN)
    row: Assignment | Tag | ChatTag | Note = replace(untouched(ref), assignee="crm")
    if number % 4 == 1 and tags:
        row = replace(tags[0], name=f"crm {number}", deleted_at=changed_at if number > 4 else None)
    elif number % 4 == 2 and tags:
        row = ChatTag(workspace="w", session="s1", jid=jid, tag=tags[0].id)
    elif number % 4 == 3:
        row = Note(workspace="w", session="s1", jid=jid, id=f"n{number}", author="crm", body="x")
    row = replace(row, actor=CRM, changed_at=changed_at, op_id="", version=1)
    await scene.metadata.on_rows(await scene.store.merge([row]))


async def _settle(scene: Scene, jid: str, number: int) -> None:
    await scene.settled()


ACTS = [_receive, _receive, _merge, _assign, _claim, _tag, _untag, _tag_chat, _tag_chat, _note]
ACTS += [_unnote, _reply, _setting, _member, _elsewhere, _elsewhere, _settle]
STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(st.sampled_from(ACTS), st.sampled_from(JIDS), st.integers(0, 8)), max_size=25
)


async def _play(scene: Scene, steps: list[Step]) -> None:
    for act, jid, number in steps:
        try:
            await act(scene, jid, number)
        except ApiError as error:
            assert error.status < 500  # noqa: PT017 - a step may be refused


async def _hold(before: list[Step], after: list[Step], index: MetadataIndex) -> None:
    with tempfile.TemporaryDirectory() as place:
        async with running(Path(place) / "data", index) as scene:
            await _play(scene, before)
            client = Client(await snapshot(scene))
            scene.sink.clear()
            await _play(scene, after)
            await scene.settled()
            for event, data in zip(
                scene.sink.events, scene.sink.of(*scene.sink.types), strict=True
            ):
                shown = _without_message(data) if "last_message" in data else data
                client.apply(event.type, shown)
            for chat in client.state["chats"].values():
                chat.pop("last_message", None)
            fresh = await snapshot(scene)
            assert {k: _bare(v) for k, v in client.state["chats"].items()} == fresh["chats"]
            client.state["chats"] = fresh["chats"]
            assert client.state == fresh
            log = await scene.metadata.activity(ADMIN, ActivityQuery("w", limit=200))
            assert {line.action for line in log} <= DOCUMENTED


def _bare(chat: Json) -> Json:
    return _without_message(chat)


@settings(max_examples=100, deadline=None)
@given(STEPS, STEPS, st.sampled_from([roomy, narrow]))
def test_snapshot_and_events_are_a_fresh_snapshot(
    before: list[Step], after: list[Step], make: Callable[[], MetadataIndex]
) -> None:
    """Whatever is changed, by whom, with all chats in the index or few of them."""
    asyncio.run(_hold(before, after, make()))
