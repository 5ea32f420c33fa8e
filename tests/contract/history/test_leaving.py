"""What moves and what goes: merged chats, deleted sessions, erased contacts, old messages."""

from __future__ import annotations

from daemon.history.models import Dropped, Moved, Record
from daemon.history.port import HistoryStore
from sessions.ids import ChatRef, SessionKey
from sessions.models import rewrite_head
from tests.contract.history.asking import GROUP, LID, OTHER, ids, search
from tests.unit.daemon.history.samples import ANNA, BOB, CHAT, NOON, chat, contact, message

KEY = SessionKey("acme", "main")
MONTH = 31 * 86_400_000


async def test_merged_chats_are_one(store: HistoryStore) -> None:
    """Messages are found under the number, and say so themselves."""
    early, own = message("m1", "early", chat=LID), message("m3", "own", chat=LID, from_me=True)
    own = own._replace(sender=BOB, head=rewrite_head(own.head, sender=BOB))
    await store.write([chat(LID), early, own, message("m2", "late", at=NOON + 1)])
    place = await store.place("acme", "m1")
    await store.write([Moved(LID, CHAT), chat()])
    assert await ids(store) == ["m2", "m3", "m1"]
    assert await ids(store, LID) == []
    assert await store.place("acme", "m1") == place
    head = rewrite_head(early.head, chat=CHAT.id, sender=ANNA)
    assert await store.message("acme", "m1") == early._replace(chat=CHAT, sender=ANNA, head=head)
    head = rewrite_head(own.head, chat=CHAT.id)
    assert await store.message("acme", "m3") == own._replace(chat=CHAT, head=head)
    assert await search(store, "early", chats=(CHAT,)) == ["m1"]
    assert [found.ref async for batch in store.chats() for found in batch] == [CHAT]


async def test_a_long_chat_moves_whole(store: HistoryStore) -> None:
    """And doing it again, with what came before it, ends the same."""
    rows = [message(f"m{n}", chat=LID, at=NOON + n) for n in range(1700)]
    batch: list[Record] = [*rows, Moved(LID, CHAT), message("new", at=NOON + 5000)]
    await store.write(batch)
    before = await store.before(CHAT, None, 2000)
    assert [found.id for _, found in before] == ["new", *(row.id for row in reversed(rows))]
    await store.write(batch)
    assert await store.before(CHAT, None, 2000) == before
    assert await ids(store, LID) == []


async def test_a_chat_that_was_never_there_moves(store: HistoryStore) -> None:
    """Nothing happens."""
    await store.write([message("m1"), Moved(LID, CHAT)])
    assert await ids(store) == ["m1"]


async def test_a_deleted_session_leaves_nothing(store: HistoryStore) -> None:
    """Of that workspace alone."""
    second = ChatRef("acme", "second", ANNA)
    await store.write([message("m1"), chat(), contact(), message("m1", chat=OTHER)])
    await store.write([message("m2", chat=second), chat(second), contact(workspace="rival")])
    await store.write([Dropped("acme", "main")])
    assert await ids(store) == []
    assert await search(store, "hello") == ["m2"]
    assert await store.chat(CHAT) is None
    assert await store.chat(second) == chat(second)
    people = [each async for batch in store.contacts() for each in batch]
    assert people == [contact(workspace="rival")]
    assert await ids(store, OTHER) == ["m1"]
    await store.write([message("m1", "again")])
    assert await ids(store) == ["m1"]


async def test_what_comes_after_a_deletion_stays(store: HistoryStore) -> None:
    """Within one batch too."""
    await store.write(
        [message("m1"), contact(), Dropped(*KEY), message("m2"), Dropped("acme", "nobody")]
    )
    assert await ids(store) == ["m2"]
    assert [batch async for batch in store.contacts()] == []


async def test_an_erased_contact_is_gone(store: HistoryStore) -> None:
    """What they wrote, in groups too, and what was written to them; what others wrote stays."""
    other = ChatRef("acme", "main", BOB)
    await store.write(
        [
            *(message(f"a{n}", f"zebraphrase {n}", at=NOON + n) for n in range(300)),
            message("mine", "answer", from_me=True),
            message("g1", "xylophonephrase", chat=GROUP, sender=ANNA),
            message("g2", "staying", chat=GROUP, sender=BOB),
            message("b1", "staying too", chat=other),
            message("r1", "another tenant's", chat=OTHER),
            *(chat(), chat(GROUP), chat(other), chat(OTHER), contact(), contact(BOB)),
        ]
    )
    counts = await store.erase_contact(KEY, frozenset({ANNA, LID.jid}))
    assert counts == {"messages": 302, "chats": 1, "contacts": 1}
    assert await ids(store) == []
    assert await ids(store, GROUP) == ["g2"]
    assert await ids(store, other) == ["b1"]
    assert await ids(store, OTHER) == ["r1"]
    assert await search(store, "zebraphrase") == await search(store, "xylophonephrase") == []
    assert {found.ref async for batch in store.chats() for found in batch} == {
        *(GROUP, other, OTHER)
    }
    assert [found.jid async for batch in store.contacts() for found in batch] == [BOB]
    again = await store.erase_contact(KEY, frozenset({ANNA}))
    assert again == {"messages": 0, "chats": 0, "contacts": 0}


async def test_old_messages_leave(store: HistoryStore) -> None:
    """By age, to the millisecond; chats and contacts stay."""
    await store.write([message(f"m{n}", at=NOON + n) for n in range(100)])
    await store.write([message(f"o{n}", at=NOON - n * MONTH) for n in range(1, 20)])
    await store.write([chat(), contact()])
    assert await store.prune(None, 10**12) == 0
    assert await store.prune(NOON + 40, None) == 59
    assert await ids(store) == [f"m{n}" for n in reversed(range(40, 100))]
    assert await store.prune(NOON + 40, None) == 0
    assert await store.chat(CHAT) == chat()
    await store.write([message("back", at=NOON - MONTH)])
    assert (await ids(store))[-1] == "back"
