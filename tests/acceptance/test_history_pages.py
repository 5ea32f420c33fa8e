"""With little memory every page reads as with much: what is not in RAM is read through."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from daemon.history.models import Record, StoredChat, StoredContact, StoredMessage
from daemon.history.sqlite import SqliteHistory
from sessions.ids import ChatRef, chat_id, inbound_message_id
from sessions.models import (
    Contact,
    MessageHead,
    MessageTail,
    encode_head,
    encode_tail,
    iso,
)
from tests.support.daemon import Daemon, User

CHATS, EACH = 80, 130
TEXT = 300  # characters: all messages together are more than what the small budget gives them
START = 1_790_000_000_000
SMALL = {"ZAPD_MEMORY_BUDGET": "1MiB"}
SEEKS = 60


def jid(number: int) -> str:
    """Return the address of a person."""
    return f"5511{number:09d}@s.whatsapp.net"


def message(chat: int, number: int, at: int) -> StoredMessage:
    """Return a message of a chat."""
    ref = ChatRef("default", "main", jid(chat))
    id = inbound_message_id("main", ref.jid, ref.jid, f"{chat}-{number}")
    text = f"{chat}/{number} ".ljust(TEXT, "x")
    head = MessageHead(
        id=id,
        session="main",
        chat=chat_id("main", ref.jid),
        sender=ref.jid,
        from_me=False,
        at=iso(at),
        type="text",
        text=text,
        source="live",
    )
    tail = MessageTail(wa_id=f"{chat}-{number}", status="delivered", ack=2)
    return StoredMessage(
        ref, id, at, False, ref.jid, "text", text, tail.wa_id, encode_head(head), encode_tail(tail)
    )


def records() -> Iterator[Record]:
    """Yield what happened in all chats: seconds that several messages share, and late ones."""
    dice = random.Random(5)  # noqa: S311 - a scene that is the same each time
    for chat in range(CHATS):
        newest = 0
        for number in range(EACH):
            at = START + 1000 * (number // 3 + dice.choice((0, 0, 0, -40)) + chat)
            newest = max(newest, at)
            yield message(chat, number, at)
        ref = ChatRef("default", "main", jid(chat))
        row = (ref.jid, None, f"Chat {chat}", None, chat % 3, newest, False, False, None)
        yield StoredChat(ref, *row)
        contact = Contact(
            session="main",
            jid=ref.jid,
            pn=ref.jid,
            lid=None,
            name=f"Chat {chat}",
            push_name=None,
            picture_id=None,
            picture_url=None,
        )
        yield StoredContact("default", "main", ref.jid, msgspec.json.encode(contact))


async def seed(data_dir: Path) -> None:
    """Write all of it into the history of a daemon that does not run."""
    store = await SqliteHistory.open(data_dir)
    everything = list(records())
    for start in range(0, len(everything), 2000):
        await store.write(everything[start : start + 2000])
    await store.close()


async def everything_read(user: User) -> dict[str, Any]:
    """Return every page of the chats, of each chat, and pages that hang on messages and times."""
    found: dict[str, Any] = {"chats": await _pages(user, "/v1/chats", 7)}
    for chat in range(CHATS):
        path = f"/v1/chats/main:{jid(chat)}/messages"
        found[path] = await _pages(user, path, 50)
    dice = random.Random(7)  # noqa: S311 - the same pages in both lives
    for _ in range(SEEKS):
        chat = dice.randrange(CHATS)
        path = f"/v1/chats/main:{jid(chat)}/messages"
        item = dice.choice(dice.choice(found[path])["items"])
        anchor = item["id"] if dice.random() < 0.5 else item["at"]
        query = {dice.choice(("before", "after", "around")): anchor, "limit": dice.randint(1, 30)}
        response = await user.http.get(path, params=query)
        found[f"{path}{sorted(query.items())}"] = (response.headers["etag"], response.json())
        alone = f"/v1/messages/{item['id']}"
        found[alone] = await user.get(alone)
    found["contacts"] = await _pages(user, "/v1/contacts", 9)
    return found


async def _pages(user: User, path: str, limit: int) -> list[dict[str, Any]]:
    pages: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while not pages or pages[-1]["next_cursor"]:
        page = await user.get(path, limit=limit, **cursor)
        page.pop("as_of", None)  # another life, another epoch
        pages.append(page)
        cursor = {"cursor": page["next_cursor"]}
    return pages


@pytest.mark.timeout(180)
async def test_a_small_memory_reads_as_a_large_one(tmp_path: Path) -> None:
    """Every page of every chat, by cursor, message and time; single messages; lists; ETags."""
    large = Daemon(tmp_path / "data")
    small = Daemon(tmp_path / "data", settings=SMALL)
    await large.start()
    async with large.user() as user:
        await user.session("main")
        await large.end()
        await seed(tmp_path / "data")
        await large.start()
        with_much = await everything_read(user)
        await large.end()
        await small.start()
        user.http.base_url = small.base
        with_little = await everything_read(user)
        await small.end()
    assert set(with_much) == set(with_little)
    for path, page in with_much.items():
        assert page == with_little[path], path
    third = with_much[f"/v1/chats/main:{jid(3)}/messages"]
    assert len({item["id"] for page in third for item in page["items"]}) == EACH
    assert {page["evicted_before"] for page in third} == {None}
