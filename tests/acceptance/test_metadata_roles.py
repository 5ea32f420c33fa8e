"""Roles over a real daemon: what each may, and what garbage it is given."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from daemon.services.abilities import ROLES, Ability
from tests.support.daemon import Daemon, User

CHAT = "/v1/chats/main:5511999990000@s.whatsapp.net"
#: One request an ability, that needs it and nothing else beyond what its role's betters have.
NEEDS: list[tuple[Ability, str, str, Any]] = [
    (Ability.VIEW, "GET", f"{CHAT}/assignment", None),
    (Ability.VIEW, "GET", f"{CHAT}/notes", None),
    (Ability.VIEW, "GET", "/v1/members", None),
    (Ability.VIEW, "PUT", f"{CHAT}/presence", {"state": "viewing"}),
    (Ability.ASSIGN_CHATS, "PATCH", f"{CHAT}/assignment", {"assignee": "{me}"}),
    (Ability.ASSIGN_CHATS, "POST", f"{CHAT}/claim", {}),
    (Ability.ASSIGN_CHATS, "POST", f"{CHAT}/release", {}),
    (Ability.SET_STATUS, "PATCH", f"{CHAT}/assignment", {"priority": 7}),
    (Ability.TAG_CHATS, "PUT", f"{CHAT}/tags", {"tags": ["{tag}"]}),
    (Ability.TAG_CHATS, "DELETE", f"{CHAT}/tags/{{tag}}", None),
    (Ability.WRITE_NOTES, "POST", f"{CHAT}/notes", {"body": "x"}),
    (Ability.OWN_QUICK_REPLIES, "POST", "/v1/quick-replies", {"shortcut": "{me}", "body": "x"}),
    (Ability.OWN_SETTINGS, "PUT", "/v1/settings/user:me/a", {"value": 1}),
    (Ability.DELETE_NOTES, "DELETE", "/v1/notes/{note}", None),
    (Ability.MANAGE_TAGS, "POST", "/v1/tags", {"name": "by {me}"}),
    (Ability.MANAGE_TAGS, "PATCH", "/v1/tags/{tag}", {"position": 4}),
    (
        Ability.MANAGE_QUICK_REPLIES,
        "POST",
        "/v1/quick-replies",
        {"shortcut": "all-{me}", "body": "x", "shared": True},
    ),
    (Ability.MANAGE_SETTINGS, "PUT", "/v1/settings/workspace/a", {"value": "{me}"}),
    (Ability.MANAGE_SETTINGS, "PUT", "/v1/settings/user:other/a", {"value": "{me}"}),
    (Ability.MANAGE_MEMBERS, "PUT", "/v1/members/new", {"role": "agent", "name": "by {me}"}),
    (Ability.MANAGE_MEMBERS, "DELETE", "/v1/members/new", None),
    (Ability.MANAGE_OWNERS, "PUT", "/v1/members/boss", {"role": "owner", "name": "by {me}"}),
    (Ability.MANAGE_OWNERS, "DELETE", "/v1/members/boss", None),
]


@pytest_asyncio.fixture
async def admin(daemon: Daemon) -> AsyncIterator[User]:
    """Yield the one with all rights, and a chat."""
    async with daemon.user(scopes="admin") as user:
        await user.paired()
        await user.receive("main", "hello")
        yield user


def _fill(value: Any, names: dict[str, str]) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, str):
        return value.format(**names)
    if isinstance(value, list):
        return [_fill(item, names) for item in value]
    if isinstance(value, dict):
        return {key: _fill(item, names) for key, item in value.items()}
    return value


async def test_each_role_may_what_the_table_says(daemon: Daemon, admin: User) -> None:
    """Every request by every role: done, or 403 `missing_ability`."""
    tag = (await admin.post("/v1/tags", {"name": "vip"}))["id"]
    for role, abilities in ROLES.items():
        await admin.put(f"/v1/members/{role}", {"role": role})
        async with daemon.agents(role) as (member,):
            assert (await member.get("/v1/me"))["abilities"] == sorted(abilities)
            for ability, method, path, body in NEEDS:
                note = (await admin.post(f"{CHAT}/notes", {"body": "x"}))["id"]
                await admin.put("/v1/members/new", {"role": "viewer"})
                await admin.put("/v1/members/boss", {"role": "owner"})
                await admin.patch(f"{CHAT}/assignment", {"assignee": None, "priority": 0})
                if path.endswith("/release"):
                    await admin.patch(f"{CHAT}/assignment", {"assignee": str(role)})
                names = {"me": str(role), "tag": tag, "note": note}
                answer = await member.http.request(
                    method, path.format(**names), json=_fill(body, names)
                )
                what = (role, ability, method, path, answer.text)
                if ability in abilities:
                    assert answer.is_success, what
                else:
                    assert (answer.status_code, answer.json()["code"]) == (
                        403,
                        "missing_ability",
                    ), what


async def test_a_note_is_changed_by_its_author_only(daemon: Daemon, admin: User) -> None:
    """A supervisor may delete it, not change it; another agent neither."""
    await admin.put("/v1/members/eva", {"role": "supervisor"})
    async with daemon.agents("ana", "bob", "eva") as (ana, bob, eva):
        path = f"/v1/notes/{(await ana.post(f'{CHAT}/notes', {'body': 'mine'}))['id']}"
        for other in (bob, eva):
            problem = await other.refused("PATCH", path, {"body": "theirs"})
            assert problem["code"] == "missing_ability"
        assert (await bob.refused("DELETE", path))["code"] == "missing_ability"
        await ana.patch(path, {"body": "still mine"})
        await eva.delete(path)


async def test_permissions_add_and_take_away_also_for_one_session(
    daemon: Daemon, admin: User
) -> None:
    """And nobody gives what they do not have."""
    await admin.put(
        "/v1/members/ana",
        {
            "role": "agent",
            "permissions": {"manage_tags": True, "sessions": {"main": {"write_notes": False}}},
        },
    )
    await admin.put("/v1/members/eva", {"role": "admin"})
    async with daemon.agents("ana", "eva") as (ana, eva):
        await ana.post("/v1/tags", {"name": "by an agent"})
        problem = await ana.refused("POST", f"{CHAT}/notes", {"body": "x"})
        assert problem["code"] == "missing_ability"
        for permissions, code in (
            ({"manage_owners": True}, "missing_ability"),
            ({"sessions": {"main": {"manage_owners": True}}}, "missing_ability"),
            ({"fly": True}, "invalid_value"),
            ({"manage_tags": 1}, "invalid_value"),
            ({"sessions": []}, "invalid_value"),
            ({"sessions": {"../x": {}}}, "invalid_id"),
        ):
            body: Any = {"permissions": permissions}
            assert (await eva.refused("PATCH", "/v1/members/ana", body))["code"] == code, body
        assert (await eva.refused("PATCH", "/v1/members/eva", {"role": "owner"}))["code"] == (
            "missing_ability"
        )


async def test_a_role_opens_nothing_that_the_scope_does_not(daemon: Daemon, admin: User) -> None:
    """An owner whose token may only read, reads; a key that may not even that, gets nothing."""
    await admin.put("/v1/members/eva", {"role": "owner"})
    async with daemon.agents("eva", scopes="read") as (eva,):
        assert (await eva.get("/v1/me"))["role"] == "owner"
        await eva.get(f"{CHAT}/assignment")
        assert (await eva.refused("POST", f"{CHAT}/claim", {}))["code"] == "missing_scope"
    async with daemon.user(scopes="send") as sender:
        assert (await sender.refused("GET", f"{CHAT}/assignment"))["code"] == "missing_scope"


async def test_who_is_no_longer_active_is_refused(daemon: Daemon, admin: User) -> None:
    """On every kind of request, and nobody can give them a chat."""
    await admin.put("/v1/members/ana", {"role": "admin", "active": False})
    await admin.put("/v1/members/bob", {"role": "agent", "sessions": ["other"]})
    async with daemon.agents("ana") as (ana,):
        for method, path, body in (
            ("GET", "/v1/me", None),
            ("GET", "/v1/tags", None),
            ("GET", f"{CHAT}/notes", None),
            ("POST", f"{CHAT}/claim", {}),
            ("PUT", "/v1/members/ana", {"role": "admin"}),
        ):
            problem = await ana.refused(method, path, body)
            assert (problem["status"], problem["code"]) == (403, "not_a_member"), path
    for user in ("ana", "bob"):
        problem = await admin.refused("PATCH", f"{CHAT}/assignment", {"assignee": user})
        assert (problem["status"], problem["code"]) == (422, "unknown_member")


GARBAGE: list[bytes] = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"x"',
    b'{"unknown":1}',
    b"\xff\xfe",
    b'{"assignee":5,"tags":"x","name":[],"body":{},"role":"king","state":"asleep","steal":"yes"}',
    b'{"value":' + b"[" * 5000,
]
#: Of an empty body or an unknown field these make sense: nothing is to be different, or needed.
_EMPTY_IS_FINE = {"claim", "release", "{tag}", "assignment"}


async def test_garbage_is_answered_with_its_code(daemon: Daemon, admin: User) -> None:
    """Every writing route, with every kind of it: a problem of the client's, never a 500."""
    document = await admin.get("/openapi.json")
    names = {"chat": CHAT.removeprefix("/v1/chats/"), "tag": "t", "note": "n", "id": "i"}
    names |= {"scope": "workspace", "name": "a", "user": "u", "session": "main", "message": "m"}
    tried = 0
    for path, methods in document["paths"].items():
        if not any(tag in path for tag in ("assignment", "claim", "release", "tags", "notes")) and (
            not path.startswith(("/v1/quick", "/v1/settings", "/v1/members", "/v1/chats/{chat}/p"))
        ):
            continue
        for method, operation in methods.items():
            if "requestBody" not in operation or path.endswith("pin"):
                continue
            for content in GARBAGE:
                answer = await admin.http.request(method, path.format(**names), content=content)
                tried += 1
                last = path.rpartition("/")[2]
                if content in (b"", b"{}") and last in _EMPTY_IS_FINE:
                    assert answer.status_code < 500, (method, path)
                    continue
                assert 400 <= answer.status_code < 500, (method, path, content, answer.text)
                assert answer.headers["content-type"] == "application/problem+json"
    assert tried > 100
    assert not [line for line in daemon.log if "Traceback" in line]
