"""Sends and what is kept of them: answers to what left the RAM, and lives that end in between."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from sessions.errors import MessageNotFound, PastUnavailable
from sessions.ids import ChatRef
from sessions.manager import MemorySettings, TextToSend
from tests.support.engine import chat, running, until
from tests.support.keeping import MemoryKeeper
from tests.unit.sessions.manager.kept_scene import KeptScene
from tests.unit.sessions.manager.scene import ANA, KEY, message
from tests.unit.sessions.sending.rows import send as row

ONE_MESSAGE = MemorySettings(chat_messages=1)


async def test_a_message_that_left_can_be_answered(tmp_path: Path) -> None:
    """As long as it is kept and can be read."""
    keeper = MemoryKeeper()
    async with running(tmp_path, memory=ONE_MESSAGE, keeper=keeper) as engine:
        await engine.connected()
        asked = await engine.receive("a question")
        await engine.receive("another")
        assert engine.manager.memory.messages.get("w", asked) is None
        request = TextToSend(chat=chat(), text="an answer", reply_to=asked)
        answer = msgspec.json.decode(await engine.manager.send_text(request))
        assert answer["reply_to"]["text"] == "a question"
        keeper.is_broken = True
        with pytest.raises(PastUnavailable):
            await engine.manager.send_text(request)
        keeper.is_broken = False
        keeper.forgets_message("w", asked)
        with pytest.raises(MessageNotFound):
            await engine.manager.send_text(request)


async def test_a_chat_that_left_is_read_whole(tmp_path: Path) -> None:
    """WhatsApp is told of each unread message, wherever it is; then the chat counts none."""
    keeper = MemoryKeeper()
    async with running(tmp_path, memory=ONE_MESSAGE, keeper=keeper) as engine:
        await engine.connected()
        ids = [await engine.receive(f"text {n}") for n in range(5)]
        found = await engine.manager.reader.unread(await engine.manager.reader.chat(chat()))
        assert len(found) == len(ids)
        await engine.manager.mark_read(chat())
        assert (await engine.manager.reader.chat(chat())).unread == 0
        assert keeper.row(chat()).unread == 0


async def test_a_send_that_left_gets_its_fate(tmp_path: Path) -> None:
    """Told and kept, although the chat goes on meanwhile."""
    keeper = MemoryKeeper()
    async with running(tmp_path, memory=ONE_MESSAGE, keeper=keeper) as engine:
        await engine.connected()
        sent = msgspec.json.decode(
            await engine.manager.send_text(TextToSend(chat=chat(), text="hi"))
        )
        await engine.receive("and on")
        await until(lambda: keeper.kept("w", sent["id"]).tail.status == "read", "read")
        assert [ack["status"] for ack in engine.sink.of("message_ack")] == [
            "sent",
            "delivered",
            "read",
        ]


async def test_a_kill_after_a_send_leaves_it_as_it_ended(tmp_path: Path) -> None:
    """The journal of sends has the last word on what was not kept any more."""
    scene = KeptScene(tmp_path)
    scene.journal.rows = {
        one.id: one
        for one in (row("o1", state="sent"), row("o2", state="failed"), row("o3", state="trying"))
    }
    await scene.begin()
    tails = {id: scene.keeper.kept("w", id).tail.status for id in ("o1", "o2", "o3")}
    assert tails == {"o1": "sent", "o2": "failed", "o3": "unknown"}
    assert scene.keeper.row(ChatRef(*KEY, ANA)).unread == 0
    assert scene.sink.of("new_message") == []
    await scene.manager.close()


async def test_a_send_that_is_kept_is_not_made_again(tmp_path: Path) -> None:
    """With what came to it since: a reaction stays."""
    scene = KeptScene(tmp_path)
    scene.journal.rows = {"o1": row("o1", state="sent")}
    await scene.begin()
    await scene.take(message("1", 50))
    kept = scene.keeper.kept("w", "o1")
    await scene.restart()
    assert scene.keeper.kept("w", "o1") == kept
    assert (await scene.chat())["last_message"]["text"] == "hello"
    await scene.manager.close()
