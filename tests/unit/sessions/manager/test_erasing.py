from __future__ import annotations

import json
from typing import Any

import msgspec

from sessions.cache.chats import ChatRow
from sessions.cache.messages import Entry
from sessions.ids import ChatRef, SessionKey
from sessions.manager.erasing import Eraser
from sessions.manager.memory import Memory, MemorySettings
from sessions.models import (
    Contact,
    MessageHead,
    MessageTail,
    Reaction,
    ReplyTo,
    encode_head,
    encode_tail,
    without_quote,
    without_reactions,
)

KEY = SessionKey("acme", "main")
ANA, BOB = "5511999990000@s.whatsapp.net", "5521988887777@s.whatsapp.net"
LID = "123456789012345@lid"
TEAM = ChatRef(*KEY, "120363000000000001@g.us")
HERS = frozenset({ANA, LID})


def entry(
    id: str,
    sender: str,
    at: int,
    *,
    where: ChatRef = TEAM,
    quotes: str | None = None,
    reactions: tuple[str, ...] = (),
) -> Entry:
    """Return a message, which may quote somebody and have reactions."""
    reply = ReplyTo(id="m0", wa_id="W0", sender=quotes, text="her words", type="text")
    head = MessageHead(
        id=id,
        session="main",
        chat=where.id,
        sender=sender,
        from_me=False,
        at="2027-01-15T08:00:00.000Z",
        type="text",
        text=f"text of {id}",
        reply_to=reply if quotes else None,
        source="live",
    )
    made = tuple(Reaction(emoji="+", sender=by, from_me=False, at="") for by in reactions)
    tail = MessageTail(status="delivered", ack=2, reactions=made)
    return Entry(where, id, at, from_me=False, head=encode_head(head), tail=tail)


def memory(*entries: Entry) -> Memory:
    """Return caches with these messages, oldest first, and their chats."""
    made = Memory(MemorySettings(budget=1 << 26))
    for each in entries:
        row = made.chats.look(each.chat)
        if row is None:
            row = ChatRow(each.chat)
            made.chats.add(row)
        made.messages.add(each, each.at)
        row.last = each
        made.chats.weigh(row)
    return made


def shown(caches: Memory, where: ChatRef = TEAM) -> list[Any]:
    """Return the messages of a chat as clients read them."""
    return [json.loads(each.render()) for each in caches.messages.held(where)]


async def test_the_chat_goes_with_all_that_it_had() -> None:
    """Row, messages, contact and the other name; those of others stay."""
    ana, bob = ChatRef(*KEY, ANA), ChatRef(*KEY, BOB)
    caches = memory(entry("a", ANA, 1, where=ana), entry("b", BOB, 2, where=bob))
    caches.alias(ChatRef(*KEY, LID), ana)
    for jid in (ANA, BOB):
        contact = Contact(
            session="main",
            jid=jid,
            pn=None,
            lid=None,
            name="x",
            push_name=None,
            picture_id=None,
            picture_url=None,
        )
        caches.contacts.learn(KEY, contact)
    counts = await Eraser(caches, KEY, HERS).run()
    assert counts["messages"] == counts["chats"] == counts["contacts"] == 1
    assert caches.messages.get("acme", "a") is None
    assert caches.home(ChatRef(*KEY, LID)).jid == LID
    assert [ref.jid for ref in caches.chats.of_session(*KEY)] == [BOB]
    assert [contact.jid for contact in caches.contacts.of_session(KEY)] == [BOB]
    assert len(shown(caches, bob)) == 1


async def test_in_a_group_only_their_own_words_go() -> None:
    """What others wrote stays, without the quotation and the reaction; lists show what is left."""
    caches = memory(
        entry("his", BOB, 1, reactions=(ANA, BOB)),
        entry("quoting", BOB, 2, quotes=LID),
        entry("hers", LID, 3),
    )
    counts = await Eraser(caches, KEY, HERS).run()
    assert (counts["messages"], counts["quotations"], counts["chats"]) == (1, 2, 0)
    his, quoting = shown(caches)
    assert [reaction["sender"] for reaction in his["reactions"]] == [BOB]
    assert quoting["reply_to"] is None
    assert quoting["text"] == "text of quoting"
    row = caches.chats.look(TEAM)
    assert row is not None
    assert row.last is not None
    assert row.last.id == "quoting"
    assert "her words" not in str(shown(caches))
    assert ANA not in str(shown(caches))


async def test_a_last_message_that_outlived_its_window_goes_too() -> None:
    """It is in the chat's row alone."""
    caches = memory(entry("hers", ANA, 3))
    caches.messages.drop_chat(TEAM)
    assert (await Eraser(caches, KEY, HERS).run())["messages"] == 1
    row = caches.chats.look(TEAM)
    assert row is not None
    assert row.last is None


async def test_the_books_are_right_afterwards() -> None:
    """What the caches weigh is what they hold."""
    caches = memory(entry("his", BOB, 1, reactions=(ANA,)), entry("hers", ANA, 3))
    await Eraser(caches, KEY, HERS).run()
    fresh = memory(entry("his", BOB, 1))
    assert caches.messages.usage().used_bytes == fresh.messages.usage().used_bytes
    assert caches.chats.usage().used_bytes == fresh.chats.usage().used_bytes


async def test_another_session_is_left_alone() -> None:
    """The same address elsewhere is somebody else's business."""
    shop = ChatRef("acme", "shop", ANA)
    caches = memory(entry("a", ANA, 1, where=shop))
    assert await Eraser(caches, KEY, HERS).run() == {"messages": 0, "chats": 0, "contacts": 0}
    assert len(shown(caches, shop)) == 1


def test_halves_without_the_person() -> None:
    """None where there is nothing of theirs: then nothing need be written."""
    quoting, plain = entry("q", BOB, 1, quotes=ANA, reactions=(LID, BOB)), entry("p", BOB, 1)
    head = without_quote(quoting.head, HERS)
    assert head is not None
    assert msgspec.json.decode(head + b"}")["reply_to"] is None
    tail = without_reactions(encode_tail(quoting.tail), HERS)
    assert tail is not None
    assert [r["sender"] for r in msgspec.json.decode(b"{" + tail[1:])["reactions"]] == [BOB]
    assert without_quote(plain.head, HERS) is None
    assert without_quote(quoting.head, frozenset({BOB})) is None
    assert without_reactions(encode_tail(plain.tail), HERS) is None
