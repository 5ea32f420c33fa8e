"""Every kind of bad input has its own stable code, as problem+json, and never a stack."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from tests.support.daemon import Daemon, User

CHAT = "/v1/chats/main:5511999990000@s.whatsapp.net"
TEXT = {"type": "text", "text": "x"}


class Case(NamedTuple):
    """A request, and how it is answered."""

    name: str
    status: int
    code: str
    method: str
    path: str
    content: bytes | None = None
    json: Any = None
    params: Mapping[str, str] = MappingProxyType({})


CASES = [
    Case("malformed JSON", 400, "malformed_json", "POST", f"{CHAT}/messages", b'{"type":'),
    Case("not UTF-8", 400, "malformed_json", "POST", f"{CHAT}/messages", b'{"type":"\xff"}'),
    Case("too deep", 400, "wrong_type", "POST", f"{CHAT}/messages", b"[" * 100_000),
    Case("wrong type", 400, "wrong_type", "POST", f"{CHAT}/messages", json=TEXT | {"text": 5}),
    Case("an array", 400, "wrong_type", "POST", f"{CHAT}/messages", json=[]),
    Case("missing field", 400, "wrong_type", "POST", f"{CHAT}/messages", json={"type": "text"}),
    Case("other kind", 400, "wrong_type", "POST", f"{CHAT}/messages", json=TEXT | {"type": "x"}),
    Case("unknown field", 400, "unknown_field", "POST", f"{CHAT}/messages", json=TEXT | {"x": 1}),
    Case("empty text", 400, "text_empty", "POST", f"{CHAT}/messages", json=TEXT | {"text": " "}),
    Case(
        "long text",
        400,
        "text_too_long",
        "POST",
        f"{CHAT}/messages",
        json=TEXT | {"text": "a" * 65_537},
    ),
    Case("not a JID", 400, "invalid_jid", "GET", "/v1/chats/main:hello"),
    Case("not a chat id", 400, "invalid_jid", "GET", "/v1/chats/hello"),
    Case("no session id", 400, "invalid_id", "GET", "/v1/sessions/UPPER"),
    Case("bad new id", 400, "wrong_type", "POST", "/v1/sessions", json={"id": "../x"}),
    Case("unknown parameter", 400, "unknown_parameter", "GET", "/v1/chats", params={"x": "1"}),
    Case("limit", 400, "invalid_parameter", "GET", "/v1/chats", params={"limit": "201"}),
    Case("no number", 400, "invalid_parameter", "GET", "/v1/chats", params={"limit": "ten"}),
    Case("overlong", 400, "invalid_parameter", "GET", "/v1/chats", params={"q": "a" * 201}),
    Case("no time", 400, "invalid_parameter", "GET", "/v1/chats", params={"updated_after": "x"}),
    Case("cursor", 400, "invalid_cursor", "GET", "/v1/chats", params={"cursor": "AAAA"}),
    Case("event type", 400, "unknown_event_type", "GET", "/v1/poll", params={"types": "x"}),
    Case("session", 404, "session_not_found", "GET", "/v1/sessions/none"),
    Case("session of a chat", 404, "session_not_found", "GET", "/v1/chats/none:5511999990000"),
    Case("chat", 404, "chat_not_found", "GET", "/v1/chats/main:5511000000000"),
    Case("message", 404, "message_not_found", "GET", "/v1/messages/mNone"),
    Case("route", 404, "route_not_found", "GET", "/v1/none"),
    Case("root route", 404, "route_not_found", "GET", "/none"),
    Case("method", 405, "method_not_allowed", "PUT", "/v1/sessions"),
    Case("twice", 409, "session_exists", "POST", "/v1/sessions", json={"id": "main"}),
    Case("not connected", 409, "session_not_connected", "POST", f"{CHAT}/messages", json=TEXT),
    Case("not pairing", 409, "not_pairing", "GET", "/v1/sessions/main/qr"),
    Case("not a sandbox", 404, "not_a_sandbox", "POST", "/v1/sessions/real/sandbox/scan"),
    Case("too large", 413, "body_too_large", "POST", f"{CHAT}/messages", b"x" * 1_100_000),
]


async def test_each_bad_request_has_its_code(user: User) -> None:
    """One row a kind: status, code, a sentence, the right media type."""
    await user.post("/v1/sessions", {"id": "main", "provider": "sandbox"})
    await user.post("/v1/sessions", {"id": "real", "provider": "whatsapp"})
    for case in CASES:
        response = await user.http.request(
            case.method, case.path, content=case.content, json=case.json, params=case.params
        )
        problem = response.json()
        assert (response.status_code, problem["code"]) == (case.status, case.code), case.name
        assert response.headers["content-type"] == "application/problem+json", case.name
        assert problem["detail"], case.name
        assert "Traceback" not in response.text, case.name


async def test_a_session_that_is_not_connected_says_what_to_do(user: User) -> None:
    """409 carries the action of the session's own state."""
    await user.post("/v1/sessions", {"id": "main", "provider": "sandbox"})
    response = await user.http.post(f"{CHAT}/messages", json=TEXT)
    assert response.json()["user_action"]


async def test_credentials_and_scopes_are_told_apart(daemon: Daemon) -> None:
    """No or a bad token is 401, a missing scope 403; both name no secret."""
    async with User(daemon.base, "") as nobody:
        assert (await nobody.http.get("/v1/chats")).json()["code"] == "unauthorized"
    async with User(daemon.base, "zk_aaaaaaaa_" + "b" * 43) as stranger:
        answer = await stranger.http.get("/v1/chats")
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert "bbbb" not in answer.text
    async with daemon.user(scopes="read") as reader:
        answer = await reader.http.post("/v1/sessions", json={"id": "x"})
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")


async def test_too_many_requests_are_told_when_to_come_back(tmp_path: Path) -> None:
    """Over the burst: 429 with `Retry-After`."""
    settings = {"ZAPD_RATE_LIMIT": "1", "ZAPD_RATE_BURST": "5"}
    daemon = await Daemon(tmp_path / "data", settings=settings).start()
    async with daemon.user() as user:
        answers = [await user.http.get("/v1/me") for _ in range(12)]
    await daemon.end()
    limited = [answer for answer in answers if answer.status_code == 429]
    assert limited
    assert {answer.json()["code"] for answer in limited} == {"rate_limited"}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in limited)
