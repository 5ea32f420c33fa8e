"""How messages come: from the past, damaged, marked, twice, many at once; none is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from tests.acceptance.whatsapp import Scene, chat_of, talking
from tests.loopback.history import HistoryChunk, PastChat, PastText, SyncType
from tests.support.stream import Event

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A paired session and a contact."""
    async with talking(tmp_path_factory.mktemp("messages")) as made:
        yield made


async def test_history_comes_in_chunks(scene: Scene) -> None:
    """Names, chats with their messages in order, progress to its end; nothing is announced as new."""
    fred = scene.rig.contact(16, "Fred")
    pn, lid = str(fred.pn_jid), str(fred.lid_jid)

    def chunk(order: int, day: int, progress: int) -> HistoryChunk:
        past = PastText(f"PAST{day}", f"day {day}", datetime(2026, 1, day, tzinfo=UTC), day == 2)
        chat = PastChat(lid, (past,), name="Fred at work", pn_jid=pn)
        return HistoryChunk((chat,), order=order, progress=progress)

    names = HistoryChunk(
        push_names=((pn, "Fred"),), lids=((pn, lid),), sync_type=SyncType.PUSH_NAME
    )
    async with scene.user.stream() as stream:
        await scene.phone.send_history(names, chunk(1, 2, 50), chunk(2, 1, 100))
        steps = [(await stream.next("history_progress")).data["percent"] for _ in range(2)]
    assert steps == [50, 100]
    assert chat_of(fred) in {e.data["id"] for e in stream.seen if e.type == "chat_updated"}
    assert not [event for event in stream.seen if event.type == "new_message"]
    chat = await scene.user.get(f"/v1/chats/{chat_of(fred)}")
    assert (chat["name"], chat["lid"], chat["unread"]) == ("Fred at work", lid, 0)
    page = await scene.user.get(f"/v1/chats/{chat_of(fred)}/messages")
    found = sorted((item["wa_id"], item["from_me"], item["source"]) for item in page["items"])
    assert found == [("PAST1", False, "history"), ("PAST2", True, "history")]


async def test_what_cannot_be_decrypted_is_asked_for_again(scene: Scene) -> None:
    """A retry receipt; the phone sends it anew, and it is told once, in its place."""
    gina = scene.rig.contact(17, "Gina")
    async with scene.user.stream(types="new_message") as stream:
        for text in ("first contact", "in between"):  # a pkmsg, then another chain
            wa_id = await gina.send_damaged(scene.phone, text)
            told = await stream.next(
                "new_message", lambda event: event.data["chat"] == chat_of(gina)
            )
            assert (told.data["wa_id"], told.data["text"]) == (wa_id, text)
        await gina.send_text(scene.phone, "after")
        await stream.next("new_message", lambda event: event.data["text"] == "after")
    retried = [r for r in scene.phone.receipts if r.kind == "retry"]
    assert len(retried) == 2
    assert len([event for event in stream.seen if event.id]) == 3


@pytest.mark.parametrize("mark", ["addressing_mode", "edit", "type", "category"])
async def test_a_mark_that_nobody_knows_costs_no_message(scene: Scene, mark: str) -> None:
    """A word that came after this version, where the stanza has one of a few."""
    async with scene.user.stream(types="new_message,connection_status") as stream:
        wa_id = await scene.alice.send_marked(scene.phone, "marked", **{mark: "unheard-of"})
        told = (await stream.next("new_message")).data
    assert (told["wa_id"], told["text"], told["type"]) == (wa_id, "marked", "text")
    assert [e for e in stream.seen if e.id and e.type == "connection_status"] == []


@pytest.mark.parametrize("word", ["hide", "unheard-of"])
async def test_how_to_fail_is_not_why(scene: Scene, word: str) -> None:
    """What may be hidden when it cannot be read is asked for again all the same."""
    async with scene.user.stream(types="new_message,connection_status") as stream:
        mark = {"decrypt-fail": word}
        wa_id = await scene.alice.send_damaged(scene.phone, "damaged", **mark)
        told = (await stream.next("new_message")).data
    assert (told["wa_id"], told["text"]) == (wa_id, "damaged")
    assert [e for e in stream.seen if e.id and e.type == "connection_status"] == []


async def test_a_message_that_comes_twice_is_told_once(scene: Scene) -> None:
    """The server sends again what it believes unacknowledged."""
    nodes = scene.alice.encrypt_texts(scene.phone, ["twice"])
    async with scene.user.stream(types="new_message") as stream:
        await scene.phone.deliver(nodes)
        await stream.next("new_message")
        await scene.phone.deliver(nodes)
        await scene.alice.send_text(scene.phone, "the end")
        await stream.next("new_message", lambda event: event.data["text"] == "the end")
    told = [_text(event) for event in stream.seen if event.id]
    assert told == ["twice", "the end"]


async def test_many_chats_at_once_keep_their_order(scene: Scene) -> None:
    """Five people write at once: each chat is in order."""
    people = [scene.rig.contact(20 + n, f"P{n}") for n in range(5)]
    async with scene.user.stream(types="new_message") as stream:
        for batch in range(10):
            await asyncio.gather(*(p.send_text(scene.phone, f"{p.name} {batch}") for p in people))
        for _ in range(50):
            await stream.next("new_message")
    for person in people:
        told = [_text(e) for e in stream.seen if e.id and e.data["chat"] == chat_of(person)]
        assert told == [f"{person.name} {batch}" for batch in range(10)]


def _text(event: Event) -> str:
    return str(event.data["text"])
