"""Search over a real daemon: after a restart, for whom, and against what people type."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.daemon import Daemon, User
from tests.support.waiting import eventually

ANA, BIA = "+5511999990000", "+5511888880000"
CHAT = "main:5511999990000@s.whatsapp.net"


@pytest_asyncio.fixture(params=["sqlite", "off"])
async def daemon(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Daemon]:
    """Yield a daemon with history, and one without."""
    settings = {"ZAPD_HISTORY": request.param, "ZAPD_TOKEN_SCOPES": "admin"}
    daemon = await Daemon(tmp_path / "data", settings=settings).start()
    yield daemon
    await daemon.end()


@pytest_asyncio.fixture
async def user(daemon: Daemon) -> AsyncIterator[User]:
    """Yield who has all rights and two sessions."""
    async with daemon.user(scopes="admin") as user:
        for session in ("main", "shop"):
            await user.paired(session)
        yield user


async def _found(user: User, q: str, **more: str | int) -> list[str]:
    page = await user.get("/v1/search", q=q, **more)
    assert not page["partial"]
    return [item["message"]["text"] for item in page["items"]]


async def _say(user: User, *texts: str, session: str = "main", sender: str = ANA) -> None:
    """Receive messages, and wait until they are there."""
    for text in texts:
        id_ = await user.receive(session, text, sender)

        async def arrived(id_: str = id_) -> bool:
            response = await user.http.get(f"/v1/messages/{id_}")
            return response.is_success

        await eventually(arrived)


async def test_messages_are_found_by_their_words(user: User) -> None:
    """All of them, case and accents aside, the last as a beginning; newest first, and marked."""
    await _say(
        user, "A reunião é amanhã", "The meeting is tomorrow", "🥰 reunião\nàs 10h🥰, amanhã?"
    )
    items = (await user.get("/v1/search", q="REUNIAO aman"))["items"]
    assert [item["message"]["text"] for item in items] == [
        "🥰 reunião\nàs 10h🥰, amanhã?",
        "A reunião é amanhã",
    ]
    assert items[0]["snippet"] == {
        "text": "🥰 reunião\nàs 10h🥰, amanhã?",
        "marks": [[3, 10], [21, 27]],
    }
    assert items[0]["chat"] == {"id": CHAT, "name": "Ana"}
    assert items[1]["message"] == await user.get(f"/v1/messages/{items[1]['message']['id']}")
    assert await _found(user, "as 10") == ["🥰 reunião\nàs 10h🥰, amanhã?"]
    assert await _found(user, "meet") == ["The meeting is tomorrow"]
    assert await _found(user, "meet is") == []


async def test_what_narrows_a_search(user: User) -> None:
    """Session, chat, sender, type and times."""
    await _say(user, "sol 1")
    between = (await user.get("/v1/search", q="sol"))["items"][0]["message"]["at"]
    await _say(user, "sol 2", session="shop", sender=BIA)
    await user.post(f"/v1/chats/{CHAT}/messages", {"type": "text", "text": "sol 3"})
    assert await _found(user, "sol") == ["sol 3", "sol 2", "sol 1"]
    assert await _found(user, "sol", session="shop") == ["sol 2"]
    assert await _found(user, "sol", session="none") == []
    assert await _found(user, "sol", chat="main:+55 11 99999-0000") == ["sol 3", "sol 1"]
    assert await _found(user, "sol", sender=BIA) == ["sol 2"]
    assert await _found(user, "sol", sender="5511999990000@c.us") == ["sol 1"]
    assert await _found(user, "sol", type="image") == []
    assert await _found(user, "sol", type="text", to=between) == ["sol 1"]
    assert "sol 1" in await _found(user, "sol", **{"from": between})
    assert await _found(user, "sol", **{"from": "2100-01-01T00:00:00Z"}) == []
    assert await _found(user, "sol", to="1999-12-31") == []


async def test_pages_go_on(user: User) -> None:
    """Each message once; an answer that is known is not sent again."""
    await _say(user, *(f"sol {n}" for n in range(7)))
    found: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = await user.get("/v1/search", q="sol", limit=3, **cursor)
        found += [item["message"]["text"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == [f"sol {n}" for n in reversed(range(7))]
    first = await user.http.get("/v1/search", params={"q": "sol"})
    headers = {"If-None-Match": first.headers["etag"]}
    again = await user.http.get("/v1/search", params={"q": "sol"}, headers=headers)
    assert again.status_code == 304


async def test_another_workspace_finds_nothing_of_it(daemon: Daemon, user: User) -> None:
    """Whatever it names."""
    await _say(user, "segredo")
    async with daemon.user("rival", "admin") as rival:
        await rival.paired("main")
        await _say(rival, "outro segredo")
        assert await _found(rival, "segredo") == ["outro segredo"]
        assert await _found(rival, "segredo", session="shop") == []
        assert await _found(rival, "segredo", chat=CHAT) == ["outro segredo"]
        refused = await rival.refused("GET", "/v1/search?q=segredo&workspace=default")
        assert refused["code"] == "not_a_member"
    assert await _found(user, "segredo") == ["segredo"]


async def test_a_member_finds_what_is_of_its_sessions(daemon: Daemon, user: User) -> None:
    """The others' are not there for it, whatever it names."""
    await _say(user, "segredo")
    await _say(user, "da loja: segredo", session="shop", sender=BIA)
    await user.put("/v1/members/ana", {"role": "admin", "sessions": ["shop"]})
    async with daemon.agents("ana", scopes="read") as (ana,):
        assert await _found(ana, "segredo") == ["da loja: segredo"]
        assert await _found(ana, "segredo", session="main") == []
        assert await _found(ana, "segredo", sender=ANA) == []
        refused = await ana.refused("GET", f"/v1/search?q=segredo&chat={CHAT}")
        assert refused["code"] == "session_not_found"
    async with daemon.user(scopes="stream") as streams:
        assert (await streams.refused("GET", "/v1/search?q=x"))["code"] == "missing_scope"


REFUSED: list[tuple[dict[str, str], str]] = [
    ({}, "invalid_parameter"),
    ({"q": ""}, "query_empty"),
    ({"q": " ?! 🥰 \x00"}, "query_empty"),
    ({"q": "x" * 201}, "invalid_parameter"),
    ({"q": "x " * 17}, "invalid_parameter"),
    ({"q": "x", "type": "sms"}, "invalid_parameter"),
    ({"q": "x", "from": "yesterday"}, "invalid_parameter"),
    ({"q": "x", "to": ""}, "invalid_parameter"),
    ({"q": "x", "limit": "0"}, "invalid_parameter"),
    ({"q": "x", "session": "../x"}, "invalid_parameter"),
    ({"q": "x", "chat": "main"}, "invalid_jid"),
    ({"q": "x", "chat": "none:5511999990000"}, "session_not_found"),
    ({"q": "x", "sender": "Ana"}, "invalid_jid"),
    ({"q": "x", "cursor": "AAAA"}, "invalid_cursor"),
    ({"q": "x", "cursor": "Wy0xLDBd"}, "invalid_cursor"),  # [-1,0]
    ({"q": "x", "cursor": "WzkwMDcxOTkyNTQ3NDA5OTIsMF0"}, "invalid_cursor"),  # the year 287396
    ({"q": "x", "sessions": "main"}, "unknown_parameter"),
    ({"q": "x", "scope": "w1"}, "unknown_parameter"),
]
TYPED = [
    *('"', "x AND", "AND", "NOT x", "x OR", "NEAR(x)", "scope:w1", "text : x", "-x", "x*"),
    *("^x", "{x}", "(x", "x'; DROP TABLE messages; --", "%x%", "x\\", "\ud7ff", "\u202ex"),
    *("x\x02y\x03", "\ufffe x", "w1", "c1", "w1 x", "[[", "😀x"),
]


async def test_each_thing_that_cannot_be_has_its_code(user: User) -> None:
    """And a sentence, never a stack."""
    for params, code in REFUSED:
        response = await user.http.get("/v1/search", params=params)
        assert response.status_code in {400, 404}, params
        assert response.json()["code"] == code, params


async def test_whatever_is_typed_is_words(user: User) -> None:
    """No operator, no other tenant's place, no error but that there is no word."""
    await _say(user, "something else")
    for q in TYPED:
        response = await user.http.get("/v1/search", params={"q": q})
        if response.status_code == 400:
            assert response.json()["code"] == "query_empty", q
        else:
            assert response.json()["items"] == [], q


async def test_operators_of_the_index_are_words(user: User) -> None:
    """They are found where somebody wrote them."""
    await _say(user, "salt AND pepper", "salt, pepper", "NEAR (the sea)", "scope: w1")
    assert await _found(user, "salt and pepper") == ["salt AND pepper"]
    assert await _found(user, "near(the") == ["NEAR (the sea)"]
    assert await _found(user, "scope:w1") == ["scope: w1"]


async def test_the_past_is_found_after_a_restart(tmp_path: Path) -> None:
    """What was said in another life, from a memory that holds next to nothing."""
    daemon = await Daemon(tmp_path / "data").start()
    async with daemon.user(scopes="admin") as user:
        await user.paired("main")
        await _say(user, "uma agulha", *(f"palha {n}" for n in range(40)))
        await daemon.end()
        await daemon.start()
        assert await _found(user, "agulha") == ["uma agulha"]
        await user.in_state("main", "connected")
        await _say(user, "outra agulha")
        assert await _found(user, "AGUL") == ["outra agulha", "uma agulha"]
        assert len(await _found(user, "palha", limit=200)) == 40
    await daemon.end()


async def test_what_history_cannot_tell_now_is_missing_and_told(tmp_path: Path) -> None:
    """The file is away: what the memory holds is found. It is back: so is everything."""
    settings = {"ZAPD_MEMORY_BUDGET": "1MiB", "ZAPD_CHAT_MAX_MESSAGES": "20"}
    daemon = await Daemon(tmp_path / "data", settings=settings).start()
    async with daemon.user(scopes="admin") as user:
        await user.paired("main")
        await _say(user, "uma agulha", *(f"palha {n}" for n in range(30)))
        assert await _found(user, "agulha") == ["uma agulha"]
        file = tmp_path / "data" / "history.db"
        file.rename(tmp_path / "away.db")
        file.mkdir()  # nothing can be read or made in its place
        for q, count in (("agulha", 0), ("palha 2", 10), ("pal", 20)):
            page = await user.get("/v1/search", q=q)
            assert page["partial"]
            assert page["next_cursor"] is None
            assert len(page["items"]) == count
        file.rmdir()
        (tmp_path / "away.db").rename(file)
        assert await _found(user, "agulha") == ["uma agulha"]
        assert len(await _found(user, "palha")) == 30
    await daemon.end()
