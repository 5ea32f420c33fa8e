"""A restart forgets nothing: what was read before it is read after it."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemon import Daemon, User
from tests.support.waiting import eventually

ANA = "main:5511999990000@s.whatsapp.net"
BOB = "main:5511888880000@s.whatsapp.net"
PAGE = 7


async def pages(user: User, path: str, limit: int = PAGE) -> list[list[Any]]:
    """Return all pages of a list."""
    found: list[list[Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = await user.get(path, limit=limit, **cursor)
        found.append(page["items"])
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


async def snapshot(user: User) -> dict[str, Any]:
    """Return all that can be read of chats, messages and contacts, page by page."""
    chats = await pages(user, "/v1/chats")
    names = [chat["id"] for page in chats for chat in page]
    return {
        "chats": chats,
        "messages": {name: await pages(user, f"/v1/chats/{name}/messages") for name in names},
        "contacts": await pages(user, "/v1/contacts"),
    }


async def read_by_phone(user: User, id: str) -> None:
    """Wait until the sandbox's phone has read what was sent."""

    async def look() -> bool:
        return bool((await user.get(f"/v1/messages/{id}"))["status"] == "read")

    await eventually(look)


async def scene(user: User) -> None:
    """Let things happen in two chats: received, sent, tagged, and one of them read."""
    await user.paired()
    for number in range(20):
        await user.receive("main", f"message {number}")
    await user.receive("main", "read soon", "+5511888880000")
    body = {"type": "text", "text": "ours", "client_ref": "r1"}
    sent = await user.post(f"/v1/chats/{ANA}/messages", body)
    await read_by_phone(user, sent["id"])
    tag = await user.post("/v1/tags", {"name": "VIP", "color": "#336699"})
    await user.put(f"/v1/chats/{ANA}/tags/{tag['id']}")
    await user.post(f"/v1/chats/{BOB}/read")  # answered when it is kept


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_what_was_read_before_a_restart_is_read_after_it(
    daemon: Daemon, user: User, number: signal.Signals
) -> None:
    """Chats, messages, ticks, unread counts, contacts and metadata; killed or not."""
    await scene(user)
    before = await snapshot(user)
    assert [chat["unread"] for page in before["chats"] for chat in page] == [20, 0]
    await daemon.end(number)
    await daemon.start()
    assert before == await snapshot(user)
    await user.in_state("main", "connected")
    assert before == await snapshot(user)
    await daemon.end(number)
    await daemon.start()
    assert before == await snapshot(user)


async def test_what_comes_after_a_restart_joins_what_was(daemon: Daemon, user: User) -> None:
    """No chat is new again, the unread add up, and an old message can be answered and read."""
    await scene(user)
    chats = await pages(user, "/v1/chats")
    old = (await user.get(f"/v1/chats/{ANA}/messages", limit=100))["items"][-2]
    await daemon.end()
    await daemon.start()
    await user.in_state("main", "connected")
    async with user.stream(types="new_chat,new_message,chat_updated") as stream:
        await stream.next("hello")
        id = await user.receive("main", "after the restart")
        told = await stream.next("new_message")
        assert told.data["id"] == id
        assert not [event for event in stream.seen if event.type == "new_chat"]
    assert (await user.get(f"/v1/chats/{ANA}"))["unread"] == 21
    answer = {"type": "text", "text": "an answer", "reply_to": old["id"]}
    sent = await user.post(f"/v1/chats/{ANA}/messages", answer)
    assert sent["reply_to"]["text"] == old["text"] == "message 1"
    assert len(await pages(user, "/v1/chats")) == len(chats)


async def test_without_a_history_the_memory_starts_empty(tmp_path: Path) -> None:
    """As ever: no file is made, a chat that was seen is not new, and says that its past is gone."""
    daemon = await Daemon(tmp_path / "data", settings={"ZAPD_HISTORY": "off"}).start()
    async with daemon.user() as user:
        await user.paired()
        await user.receive("main", "one")
        await daemon.end()
        assert not list((tmp_path / "data").glob("history*"))
        await daemon.start()
        await user.in_state("main", "connected")
        assert (await user.get("/v1/chats"))["items"] == []
        async with user.stream(types="new_chat,new_message") as stream:
            await user.receive("main", "two")
            await stream.next("new_message")
            assert [event.type for event in stream.seen if event.id] == ["new_message"]
        chat = await user.get(f"/v1/chats/{ANA}")
        assert chat["unread"] == 1
        assert chat["evicted_before"] is not None
    assert await daemon.end() == 0
