"""What ends, and what does not, when a process is killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.support.daemon import Daemon, User
from tests.support.freezing import freeze
from tests.support.waiting import eventually

CHAT = "main:5511999990000@s.whatsapp.net"


async def _gone(pids: list[int]) -> None:
    async def look() -> bool:
        return not any(Path(f"/proc/{pid}").exists() for pid in pids)

    await eventually(look)


async def test_a_killed_worker_costs_no_stream(daemon: Daemon, user: User) -> None:
    """Its sessions are back by themselves; `connection_status` says what happened."""
    await user.paired()
    async with user.stream(types="connection_status") as stream:
        for pid in daemon.workers():
            os.kill(pid, signal.SIGKILL)
        lost = await stream.next("connection_status", lambda e: e.data["code"] == "worker_crashed")
        assert lost.data["user_action"]
        await stream.next("connection_status", lambda e: e.envelope["connected"])
        assert not stream.closed.is_set()
    assert await user.receive("main", "still here")


async def test_a_killed_daemon_takes_its_workers_along(daemon: Daemon, user: User) -> None:
    """A worker whose parent is gone ends by itself: no two daemons fight for a number."""
    await user.paired()
    workers = daemon.workers()
    assert workers
    await daemon.end(signal.SIGKILL)
    await _gone(workers)


async def test_a_killed_daemon_comes_back_with_its_sessions(daemon: Daemon, user: User) -> None:
    """Sessions, keys and pairings survive; nothing is paired again."""
    await user.paired()
    phone = (await user.get("/v1/sessions/main"))["phone"]
    await daemon.end(signal.SIGKILL)
    await daemon.start()
    session = await user.in_state("main", "connected")
    assert session["phone"] == phone


async def test_what_was_never_tried_is_sent_and_what_was_is_told_unknown(
    daemon: Daemon, user: User
) -> None:
    """Accepted while the worker stands still, then the daemon is killed: nothing is lost or doubled."""
    await user.paired()
    body = {"type": "text", "text": "Bom dia"}
    (worker,) = daemon.workers()
    await freeze(worker)
    accepted = [
        await user.post(f"/v1/chats/{CHAT}/messages", body, {"Idempotency-Key": f"k{n}"})
        for n in range(5)
    ]
    await daemon.end(signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)  # it cannot end by itself while it stands still
    await daemon.start()
    await user.in_state("main", "connected")

    async def statuses() -> list[str] | None:
        found = [(await user.get(f"/v1/messages/{sent['id']}"))["status"] for sent in accepted]
        return found if set(found) == {"unknown", "read"} else None

    assert await eventually(statuses) == ["unknown", "read", "read", "read", "read"]
    again = [
        await user.post(f"/v1/chats/{CHAT}/messages", body, {"Idempotency-Key": f"k{n}"})
        for n in range(5)
    ]
    assert again == accepted
    assert len((await user.get(f"/v1/chats/{CHAT}/messages"))["items"]) == 5


async def test_a_chat_is_not_new_again_after_a_restart(daemon: Daemon, user: User) -> None:
    """`new_chat` comes once in a chat's life, and what was in the chat is in it."""
    await user.paired()
    await user.receive("main", "one")
    await daemon.end()
    await daemon.start()
    await user.in_state("main", "connected")
    async with user.stream(types="new_chat,new_message") as stream:
        await user.receive("main", "two")
        await stream.next("new_message")
        assert [event.type for event in stream.seen if event.id] == ["new_message"]
    chat = await user.get(f"/v1/chats/{CHAT}")
    assert (chat["unread"], chat["evicted_before"]) == (2, None)
