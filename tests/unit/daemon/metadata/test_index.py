from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from daemon.metadata import index as module
from daemon.metadata.index import MetadataIndex
from daemon.metadata.models import Assignment, ChatTag, Member, Note, QuickReply, Setting, Tag
from sessions.ids import ChatRef

_SCRIPT = Path(__file__).parents[3] / "support" / "measure_sizes.py"


def ref(number: int = 1, workspace: str = "w", server: str = "s.whatsapp.net") -> ChatRef:
    """Return the name of a chat."""
    return ChatRef(workspace, "s1", f"5511{number:09d}@{server}")


def assignment(chat: ChatRef, assignee: str | None = "ana") -> Assignment:
    """Return a stored assignment."""
    return Assignment(
        workspace=chat.workspace, session=chat.session, jid=chat.jid, assignee=assignee, version=1
    )


def tagged(chat: ChatRef, tag: str = "t1") -> ChatTag:
    """Return a tag on a chat."""
    return ChatTag(workspace=chat.workspace, session=chat.session, jid=chat.jid, tag=tag)


def tag(id: str = "t1", name: str = "vip", position: int = 0) -> Tag:
    """Return a tag."""
    return Tag(workspace="w", id=id, name=name, position=position)


def test_a_user_is_found_in_all_their_workspaces() -> None:
    """Until the last membership is deleted; one that is not active is still one."""
    index = MetadataIndex(1 << 20)
    rows = [Member(workspace=name, user="ana") for name in ("v", "w")]
    index.apply([*rows, Member(workspace="w", user="bob"), replace(rows[0], active=False)])
    assert index.workspaces_of("ana") == ["v", "w"]
    assert index.workspaces_of("bob") == ["w"]
    index.apply([replace(rows[0], deleted_at=1)])
    assert index.workspaces_of("ana") == ["w"]
    index.apply([replace(rows[1], deleted_at=1), replace(rows[1], deleted_at=2)])
    assert index.workspaces_of("ana") == []


def test_rows_are_found_by_their_names_and_leave_when_deleted() -> None:
    """Of each kind, within their workspace only."""
    index = MetadataIndex(1 << 20)
    member = Member(workspace="w", user="ana")
    reply = QuickReply(workspace="w", id="q1", shortcut="hi", body="x")
    setting = Setting(workspace="w", scope="workspace", name="theme", value="dark")
    rows = (member, tag(), reply, setting, assignment(ref()), tagged(ref()))
    index.apply(rows)
    assert (index.member("w", "ana"), index.member("v", "ana")) == (member, None)
    assert (index.tag("w", "t1"), index.tag("v", "t1")) == (tag(), None)
    assert (index.quick_reply("w", "q1"), index.quick_replies("v")) == (reply, [])
    assert index.setting("w", "workspace", "theme") == setting
    assert (index.settings("w", "workspace"), index.settings("w", "user:x")) == ([setting], [])
    assert (index.assignment(ref()), index.tags_of(ref())) == (assignment(ref()), ("t1",))
    assert index.assignment(ref(workspace="v")) is None
    index.apply([replace(row, deleted_at=1) for row in rows])
    assert [*index.members("w"), *index.tags("w"), *index.quick_replies("w")] == []
    assert (index.assignment(ref()), index.tags_of(ref())) == (None, ())
    assert (index.usage().used_bytes, index.usage().entries) == (0, 0)


def test_tags_are_in_their_order() -> None:
    """By position, then by name."""
    index = MetadataIndex(1 << 20)
    index.apply([tag("1", "b"), tag("2", "a"), tag("3", "z", -1)])
    assert [found.id for found in index.tags("w")] == ["3", "2", "1"]


def test_a_tag_that_is_gone_is_on_no_chat_and_comes_back_with_itself() -> None:
    """The chats' own rows stay."""
    index = MetadataIndex(1 << 20)
    index.apply([tag(), tagged(ref()), tagged(ref(), "t0")])
    assert index.tags_of(ref()) == ("t1",)
    index.apply([replace(tag(), deleted_at=1)])
    assert index.tags_of(ref()) == ()
    index.apply([tag()])
    assert index.tags_of(ref()) == ("t1",)
    assert index.chats_with("w", "t1") == [ref()]
    assert index.chats_with("v", "t1") == []


def test_a_workspace_whose_chats_do_not_fit_is_not_whole() -> None:
    """Of chats that left it says that it does not know; what is used stays."""
    index = MetadataIndex(40_000)
    index.apply([assignment(ref(workspace="v"))])
    assert index.is_whole("w")
    for number in range(100):
        index.apply([assignment(ref(number))])
        index.assignment(ref(workspace="v"))
    assert not index.is_whole("w")
    for number in range(60, 100):
        index.learn(ref(number), [assignment(ref(number))])
    known = [number for number in range(100) if index.is_known(ref(number))]
    assert known == list(range(100 - len(known), 100))
    assert 0 < len(known) < 40
    assert not index.is_whole("v")
    assert index.usage().used_bytes <= 40_000 == index.usage().max_bytes


def test_what_is_read_of_a_chat_that_left_is_kept_also_if_it_is_nothing() -> None:
    """A row for a chat that is not known is not taken for all there is."""
    index = MetadataIndex(1 << 20)
    index.tear("w")
    index.apply([tag(), tagged(ref())])
    assert not index.is_known(ref())
    index.learn(ref(), [assignment(ref()), tagged(ref())])
    index.learn(ref(2), [])
    assert (index.assignment(ref()), index.tags_of(ref())) == (assignment(ref()), ("t1",))
    assert index.is_known(ref())
    assert index.is_known(ref(2))
    assert index.assignment(ref(2)) is None


def test_lids_that_something_hangs_on_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A note too; over the bound, any LID may have something."""
    monkeypatch.setattr(module, "MAX_LIDS", 2)
    index = MetadataIndex(1 << 20)
    lid = ref(1, server="lid")
    note = Note(workspace="w", session="s1", jid=lid.jid, id="n", author="a", body="x")
    index.apply([note, assignment(ref(3))])
    assert index.may_have_rows(lid)
    assert not index.may_have_rows(ref(2, server="lid"))
    index.note_lids([ref(4, server="lid"), ref(5, server="lid")])
    assert index.may_have_rows(ref(6, server="lid"))


def test_one_workspace_does_not_take_the_room_of_all() -> None:
    """It may fill a quarter of what is there for the kinds that never leave."""
    index = MetadataIndex(100_000)
    count = 0
    while index.has_room("w"):
        index.apply([tag(str(count), "x" * 100)])
        count += 1
    assert 5 < count < 100_000 * 25 // 100 * 25 // 100 // 100
    assert index.has_room("v")
    for number in range(100):
        index.apply([replace(tag(str(number), "x" * 100), workspace=f"v{number}")])
    assert not index.has_room("v")


@pytest.mark.parametrize("kind", ["metadata", "replies"])
def test_estimates_are_near_what_is_measured(kind: str) -> None:
    """50,000 of a kind grow a process by what the books say, within a quarter."""
    command = [sys.executable, "-I", str(_SCRIPT), kind, "50000"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    estimated, resident, traced = (int(number) for number in answer.stdout.split())
    assert estimated == pytest.approx(resident, rel=0.25)
    assert estimated == pytest.approx(traced, rel=0.25)
