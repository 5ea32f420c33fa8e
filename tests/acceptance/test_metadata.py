"""What people add to chats, over HTTP and the stream of a real daemon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest_asyncio

from daemon.transports.rest import metadata_shapes as shapes
from sessions.models import from_iso, iso
from tests.support.daemon import Daemon, User
from tests.support.waiting import eventually

CHAT = "main:5511999990000@s.whatsapp.net"
ROW = f"/v1/chats/{CHAT}"


@pytest_asyncio.fixture
async def chat(user: User) -> AsyncIterator[str]:
    """Yield the path of a chat that somebody wrote in."""
    await user.paired()
    await user.receive("main", "hello")
    yield ROW


async def shown(user: User) -> Any:  # noqa: ANN401 - JSON
    """Return the chat as the list has it."""
    (item,) = (await user.get("/v1/chats"))["items"]
    assert item == await user.get(ROW)
    msgspec.convert(item, shapes.AnnotatedChat)
    return item


async def test_a_chat_is_assigned_and_released(user: User, chat: str) -> None:
    """Each step is answered, told in the stream, shown in the chat and noted in the log."""
    untouched = await user.get(f"{chat}/assignment")
    assert (untouched["version"], untouched["status"], untouched["assignee"]) == (0, "open", None)
    assert (await shown(user))["assignment"] is None
    async with user.stream() as stream:
        steps: list[tuple[str, Any, str]] = [
            ("assign", {"assignee": "ana", "priority": 5}, "ana"),
            ("status", {"status": "pending"}, "ana"),
            ("release", {"assignee": None}, ""),
        ]
        for version, (_, body, assignee) in enumerate(steps, 1):
            answer = await user.http.patch(f"{chat}/assignment", json=body)
            row = msgspec.convert(answer.json(), shapes.AssignmentView)
            assert (row.version, row.assignee or "") == (version, assignee)
            assert answer.headers["etag"] == f'"{version}"'
            event = await stream.next("assignment_updated")
            assert event.data == answer.json() == (await shown(user))["assignment"]
            assert (event.envelope["chat"], event.envelope["source"]) == (CHAT, "api")
    log = (await user.get("/v1/activity", chat=CHAT))["items"]
    assert [line["action"] for line in log] == [action for action, _, _ in reversed(steps)]
    assert log[2]["data"] == {"assignee": [None, "ana"], "priority": [0, 5]}


async def test_a_change_of_nothing_changes_nothing(user: User, chat: str) -> None:
    """No version, no line in the log, no event."""
    first = await user.patch(f"{chat}/assignment", {"status": "closed"})
    head = (await user.get("/v1/chats"))["as_of"]
    assert first == await user.patch(f"{chat}/assignment", {"status": "closed"})
    assert first == await user.patch(f"{chat}/assignment", {})
    assert head == (await user.get("/v1/chats"))["as_of"]
    assert len((await user.get("/v1/activity"))["items"]) == 1


async def test_a_change_may_depend_on_a_version(user: User, chat: str) -> None:
    """If-Match of another version is 412 with the version that is there; 0 means none."""
    path = f"{chat}/assignment"
    first = await user.http.patch(path, json={"priority": 1}, headers={"If-Match": '"0"'})
    assert first.status_code == 200
    for given in ('"0"', '"2"'):
        problem = await user.refused("PATCH", path, {"priority": 2}, {"If-Match": given})
        assert (problem["code"], problem["current_version"]) == ("version_conflict", 1)
    problem = await user.refused("PATCH", path, {"priority": 2}, {"If-Match": "1"})
    assert problem["code"] == "invalid_parameter"
    again = await user.http.patch(path, json={"priority": 2}, headers={"If-Match": '"1"'})
    assert again.headers["etag"] == '"2"'


async def test_of_fifty_who_claim_one_gets_the_chat(daemon: Daemon, user: User, chat: str) -> None:
    """49 get 409 with the winner's name; the chat has one assignee, at version 1."""
    names = [f"agent-{number}" for number in range(50)]
    async with daemon.agents(*names) as agents:
        answers = await asyncio.gather(*(a.http.post(f"{chat}/claim", json={}) for a in agents))
    won = [name for name, answer in zip(names, answers, strict=True) if answer.is_success]
    lost = [answer.json() for answer in answers if not answer.is_success]
    assert (len(won), len(lost)) == (1, 49)
    assert {(p["status"], p["code"], p["assignee"], p["assignee_name"]) for p in lost} == {
        (409, "already_claimed", won[0], won[0])
    }
    row = await user.get(f"{chat}/assignment")
    assert (row["assignee"], row["version"]) == (won[0], 1)
    log = (await user.get("/v1/activity", action="claim"))["items"]
    assert [line["actor"]["id"] for line in log] == won


async def test_a_claimed_chat_is_open_and_may_be_stolen(
    daemon: Daemon, user: User, chat: str
) -> None:
    """By who may transfer; the name in the refusal is the member's."""
    async with daemon.user(scopes="admin") as admin:
        await admin.put("/v1/members/ana", {"role": "agent", "name": "Ana Lima"})
        await admin.put("/v1/members/eva", {"role": "supervisor"})
    await user.patch(f"{chat}/assignment", {"status": "closed"})
    async with daemon.agents("ana", "bob", "eva") as (ana, bob, eva):
        mine = await ana.post(f"{chat}/claim")
        assert (mine["status"], mine["assigned_by"]) == ("open", "ana")
        assert mine == await ana.post(f"{chat}/claim")
        problem = await bob.refused("POST", f"{chat}/claim", {})
        assert problem["assignee_name"] == "Ana Lima"
        problem = await bob.refused("POST", f"{chat}/claim", {"steal": True})
        assert problem["code"] == "missing_ability"
        problem = await bob.refused("POST", f"{chat}/release", {})
        assert problem["code"] == "missing_ability"
        stolen = await eva.post(f"{chat}/claim", {"steal": True})
        assert (stolen["assignee"], stolen["version"]) == ("eva", mine["version"] + 1)
        assert (await eva.post(f"{chat}/release"))["assignee"] is None


async def test_a_snooze_ends_by_itself(user: User, chat: str) -> None:
    """When its time has come, by zapd; a time in the past or none is refused."""
    path = f"{chat}/assignment"
    for body in (
        {"status": "snoozed"},
        {"status": "snoozed", "snoozed_until": "2020-01-01T00:00:00Z"},
        {"status": "snoozed", "snoozed_until": "tomorrow"},
        {"snoozed_until": "2999-01-01T00:00:00Z"},
    ):
        assert (await user.refused("PATCH", path, body))["code"] == "invalid_value", body
    async with user.stream() as stream:
        later = await _soon(user)
        row = await user.patch(path, {"status": "snoozed", "snoozed_until": later})
        assert row["snoozed_until"] == later
        await stream.next("assignment_updated")
        woken = await stream.next("assignment_updated")
        assert (woken.data["status"], woken.data["snoozed_until"]) == ("open", None)
        assert woken.data["actor"]["kind"] == "system"
        assert woken.envelope["at"] >= later
    assert (await user.get("/v1/activity"))["items"][0]["action"] == "woken"


async def _soon(user: User) -> str:
    """Return a time 1.5 s from now, by the daemon's clock."""
    async with user.stream() as stream:
        hello = await stream.next("hello")
    return iso(from_iso(hello.envelope["at"]) + 1500)


async def test_a_message_opens_a_chat_that_was_put_aside(user: User, chat: str) -> None:
    """Unless the workspace says no; the session's word goes over the workspace's."""
    setting = "/v1/settings/workspace/reopen_on_message"
    async with user.stream(types="assignment_updated,new_message") as stream:
        await user.patch(f"{chat}/assignment", {"status": "closed"})
        await user.receive("main", "are you there?")
        opened = await stream.next("assignment_updated", lambda e: e.data["version"] == 2)
        assert (opened.data["status"], opened.envelope["source"]) == ("open", "live")
        await user.put(setting, {"value": False})
        await user.patch(f"{chat}/assignment", {"status": "closed"})
        await user.receive("main", "hello?")
        await stream.next("new_message", lambda e: e.data["text"] == "hello?")
        await user.put("/v1/settings/session:main/reopen_on_message", {"value": True})
        await user.receive("main", "please")
        opened = await stream.next("assignment_updated", lambda e: e.data["version"] == 4)
        assert opened.data["status"] == "open"
    assert (await user.refused("PUT", setting, {"value": "no"}))["code"] == "invalid_value"


async def test_tags_are_made_and_put_on_chats(user: User, chat: str) -> None:
    """The chat shows their ids; taking one away or deleting one takes it off."""
    async with user.stream() as stream:
        vip = await user.post("/v1/tags", {"name": "VIP", "color": "#ff0000", "position": 2})
        new = await user.post("/v1/tags", {"name": "new", "position": 1})
        assert [t["name"] for t in (await user.get("/v1/tags"))["items"]] == ["new", "VIP"]
        both = sorted([vip["id"], new["id"]])
        answer = await user.http.put(f"{chat}/tags", json={"tags": both})
        assert answer.json() == {"chat": CHAT, "tags": both}
        event = await stream.next("chat_tags_updated")
        assert (event.data["tags"], event.envelope["chat"]) == (both, CHAT)
        assert (await shown(user))["tags"] == both
        stale = {"If-Match": answer.headers["etag"]}
        assert (await user.delete(f"{chat}/tags/{new['id']}"))["tags"] == [vip["id"]]
        problem = await user.refused("PUT", f"{chat}/tags", {"tags": []}, stale)
        assert (problem["code"], problem["current_tags"]) == ("version_conflict", [vip["id"]])
        await user.put(f"{chat}/tags/{new['id']}")
        assert (await user.http.put(f"{chat}/tags", json={"tags": both}, headers=stale)).is_success
        renamed = await user.patch(f"/v1/tags/{new['id']}", {"name": "fresh"})
        assert (renamed["version"], renamed["color"]) == (2, "#888888")
        await user.delete(f"/v1/tags/{vip['id']}")
        gone = await stream.next("tag_updated", lambda e: bool(e.data["deleted_at"]))
        assert gone.data["id"] == vip["id"]
    assert (await shown(user))["tags"] == [new["id"]] == (await user.get(f"{chat}/tags"))["tags"]
    for path, body, code in (
        ("/v1/tags", {"name": "Fresh"}, "name_taken"),
        ("/v1/tags", {"name": " "}, "wrong_type"),
        ("/v1/tags", {"name": "x", "color": "red"}, "wrong_type"),
    ):
        assert (await user.refused("POST", path, body))["code"] == code, body
    assert (await user.refused("PUT", f"{chat}/tags", {"tags": [vip["id"]]}))[
        "code"
    ] == "unknown_tag"


async def test_notes_are_written_read_and_changed(user: User, chat: str) -> None:
    """Newest first, in pages; the log does not repeat their texts."""
    async with user.stream() as stream:
        made = [await user.post(f"{chat}/notes", {"body": f"note {n}"}) for n in range(3)]
        assert (await stream.next("note_updated")).data == made[0]
    first = await user.get(f"{chat}/notes", limit=2)
    rest = await user.get(f"{chat}/notes", limit=2, cursor=first["next_cursor"])
    assert [n["body"] for n in (*first["items"], *rest["items"])] == ["note 2", "note 1", "note 0"]
    changed = await user.patch(f"/v1/notes/{made[0]['id']}", {"body": "better"})
    assert (changed["body"], changed["version"], changed["chat"]) == ("better", 2, CHAT)
    await user.delete(f"/v1/notes/{made[1]['id']}")
    texts = [note["body"] for note in (await user.get(f"{chat}/notes"))["items"]]
    assert texts == ["note 2", "better"]
    assert (await user.refused("DELETE", f"/v1/notes/{made[1]['id']}"))["code"] == "note_not_found"
    log = await user.http.get("/v1/activity")
    assert "better" not in log.text
    assert [line["action"] for line in log.json()["items"]][:2] == ["note_deleted", "note_changed"]


async def test_quick_replies_and_settings(user: User) -> None:
    """Made, changed, listed, deleted; an own setting goes by the name `me` too."""
    reply = await user.post("/v1/quick-replies", {"shortcut": "hi", "body": "Hello!"})
    shared = {"shortcut": "bye", "body": "Goodbye!", "shared": True}
    assert (await user.post("/v1/quick-replies", shared))["owner"] is None
    await user.patch(f"/v1/quick-replies/{reply['id']}", {"body": "Hello there!"})
    listed = (await user.get("/v1/quick-replies"))["items"]
    assert [(r["shortcut"], r["body"]) for r in listed] == [
        ("bye", "Goodbye!"),
        ("hi", "Hello there!"),
    ]
    assert (await user.refused("POST", "/v1/quick-replies", shared))["code"] == "name_taken"
    await user.delete(f"/v1/quick-replies/{reply['id']}")
    assert len((await user.get("/v1/quick-replies"))["items"]) == 1

    value = {"sound": True, "columns": [1, 2]}
    mine = await user.put("/v1/settings/user:me/ui", {"value": value})
    assert mine["value"] == (await user.get("/v1/settings/user:me/ui"))["value"] == value
    assert [s["name"] for s in (await user.get("/v1/settings", scope=mine["scope"]))["items"]] == [
        "ui"
    ]
    assert (await user.get("/v1/settings"))["items"] == []
    await user.delete("/v1/settings/user:me/ui")
    assert (await user.refused("GET", "/v1/settings/user:me/ui"))["code"] == "setting_not_found"


NUMBERS = [f"+55119999900{number:02d}" for number in range(12)]
CHATS = [f"main:{number[1:]}@s.whatsapp.net" for number in NUMBERS]


async def _handled(user: User) -> str:
    """Make twelve chats: even ones Ana's, every third one of a status, the first six tagged."""
    await user.paired()
    tag: str = (await user.post("/v1/tags", {"name": "vip"}))["id"]
    for place, (number, chat) in enumerate(zip(NUMBERS, CHATS, strict=True)):
        await user.receive("main", "hello", number)
        status = ("open", "pending", "closed")[place % 3]
        assignee = ("ana", None)[place % 2]
        await user.patch(f"/v1/chats/{chat}/assignment", {"assignee": assignee, "status": status})
        if place < 6:
            await user.put(f"/v1/chats/{chat}/tags/{tag}")
    return tag


async def _listed(who: User, **filters: str) -> set[int]:
    """Return the chats that pass the filters, page by page, by their numbers."""
    found: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        page = await who.get("/v1/chats", limit=2, **filters, **cursor)
        found += [CHATS.index(item["id"]) for item in page["items"]]
        if page["next_cursor"] is None:
            assert len(found) == len(set(found))
            return set(found)
        cursor = {"cursor": page["next_cursor"]}


async def test_a_list_can_be_filtered_by_metadata(daemon: Daemon, user: User) -> None:
    """By assignee, tag and status, together and with other filters."""
    tag = await _handled(user)
    even = {0, 2, 4, 6, 8, 10}
    assert await _listed(user, assignee="ana") == even
    assert await _listed(user, assignee="none") == set(range(12)) - even
    assert await _listed(user, status="open") == {0, 3, 6, 9}
    assert await _listed(user, status="closed", tag=tag) == {2, 5}
    both = {"tag": tag, "assignee": "ana", "status": "open", "session": "main"}
    assert await _listed(user, **both) == {0}
    assert await _listed(user, tag="nothing") == await _listed(user, assignee="nobody") == set()
    assert await _listed(user, assignee="ana", unread="true", q="9900") == even
    async with daemon.agents("ana") as (ana,):
        assert await _listed(ana, assignee="me") == even
    assert (await user.refused("GET", "/v1/chats?status=done"))["code"] == "invalid_parameter"


async def test_presence_of_agents_is_told(daemon: Daemon, user: User, chat: str) -> None:
    """Who comes, types and leaves; saying the same again is no event."""
    async with daemon.agents("ana") as (ana,), user.stream(types="agent_presence") as stream:
        for state in ("viewing", "viewing", "typing"):
            await ana.put(f"{chat}/presence", {"state": state})
        (present,) = (await user.get(f"{chat}/presence"))["items"]
        assert (present["user"], present["state"], present["chat"]) == ("ana", "typing", CHAT)
        await ana.put(f"{chat}/presence", {"state": "away"})
        told = [await stream.next("agent_presence") for _ in range(3)]
        assert [e.data["state"] for e in told] == ["viewing", "typing", "away"]
        assert [e.data["version"] for e in told] == [1, 2, 3]
    assert (await user.get(f"{chat}/presence"))["items"] == []


async def test_metadata_outlives_a_restart(daemon: Daemon, user: User, chat: str) -> None:
    """Everything reads the same after it, the chat too as soon as it is in memory again."""
    tag = (await user.post("/v1/tags", {"name": "vip"}))["id"]
    await user.put(f"{chat}/tags/{tag}")
    await user.patch(f"{chat}/assignment", {"assignee": "ana", "status": "pending"})
    await user.post(f"{chat}/notes", {"body": "calls back on Monday"})
    await user.post("/v1/quick-replies", {"shortcut": "hi", "body": "Hello!", "shared": True})
    await user.put("/v1/settings/workspace/theme", {"value": "dark"})

    async def snapshot() -> list[Any]:
        paths = (
            *(f"{chat}/assignment", f"{chat}/tags", f"{chat}/notes", "/v1/activity"),
            *("/v1/tags", "/v1/quick-replies", "/v1/settings", "/v1/members"),
        )
        return [await user.get(path) for path in paths]

    before, row = await snapshot(), await shown(user)
    await daemon.end()
    await daemon.start()
    assert before == await snapshot()
    await user.in_state("main", "connected")
    await user.receive("main", "back again")

    async def again() -> Any:  # noqa: ANN401 - JSON
        return (await user.get("/v1/chats"))["items"]

    await eventually(again)
    fresh = await shown(user)
    assert (fresh["assignment"], fresh["tags"]) == (row["assignment"], row["tags"])
    assert [i["id"] for i in (await user.get("/v1/chats", assignee="ana"))["items"]] == [CHAT]
