"""Messages, chats and contacts are kept and read as they were."""

from __future__ import annotations

import pytest

from daemon.history.models import Record, StoredMessage
from daemon.history.port import HistoryStore, RecordRefused
from sessions.ids import ChatRef
from sessions.models import rewrite_head
from tests.contract.history.asking import GROUP, OTHER, ids, search
from tests.unit.daemon.history.samples import CHAT, NOON, chat, contact, message

ODD_TEXTS = (
    'quotes " and \\ and \\u0000 and {"a":1}',
    "line\nbreak\ttab \u2028 \u200b \ufeff",
    "e\u0301 é ß İ 日本語 👩‍👩‍👧 \U0010ffff",
    "\x7f\x1b[0m",
    "",
    " ",
)


@pytest.mark.parametrize("text", ODD_TEXTS)
async def test_a_message_comes_back_byte_for_byte(store: HistoryStore, text: str) -> None:
    """By its id, and in its chat."""
    kept = message("m1", text)
    await store.write([kept])
    kept = kept._replace(text=text or None)
    assert await store.message("acme", "m1") == kept
    assert [found for _, found in await store.before(CHAT, None, 10)] == [kept]


async def test_what_is_no_text_stays_in_head_and_tail(store: HistoryStore) -> None:
    """A NUL is in their JSON as six letters; numbers keep their digits; null is null."""
    head = b'{"id":"m1","text":"a\\u0000b","n":12345678901234567890.10,"x":null  '
    kept = message("m1", None)._replace(head=head, tail=b',"y":[1.0,1e5]}', wa_id=None)
    await store.write([kept])
    assert await store.message("acme", "m1") == kept


async def test_pages_follow_each_other(store: HistoryStore) -> None:
    """Newest first, in order of time and then of arrival; each message on one page."""
    times = [NOON, NOON, NOON + 5, NOON - 5, NOON]
    await store.write([message(f"m{n}", at=at) for n, at in enumerate(times)])
    await store.write([message("m5", at=NOON)])
    whole = await ids(store)
    assert whole == ["m2", "m5", "m4", "m1", "m0", "m3"]
    place, paged = None, []
    while page := await store.before(CHAT, place, 2):
        paged += [found.id for _, found in page]
        place = page[-1][0]
    assert paged == whole
    start = await store.place("acme", "m3")
    assert start is not None
    assert [m.id for _, m in await store.after(CHAT, start, 3)] == ["m0", "m1", "m4"]
    assert await store.place("acme", "nobody") is None


async def test_years_are_in_order(store: HistoryStore) -> None:
    """Whatever month a message is of, and however odd its date."""
    days = [0, 1, 40, 400, 4000, 9000, 20_000, -10_000, -3_000_000]
    rows = [message(f"d{day}", at=NOON - day * 86_400_000) for day in days]
    await store.write(rows)
    assert await ids(store) == [f"d{day}" for day in sorted(days)]
    assert await search(store, "hello") == [f"d{day}" for day in sorted(days)]
    for row in rows:
        assert await store.message("acme", row.id) == row


async def test_more_than_one_read_gives(store: HistoryStore) -> None:
    """A page is as long as it is asked for, each message in it once."""
    await store.write([message(f"m{n}", at=NOON + n // 3) for n in range(2500)])
    newest_first = [f"m{n}" for n in reversed(range(2500))]
    assert await ids(store) == newest_first
    page = [found.id for _, found in await store.before(CHAT, None, 2100)]
    assert page == newest_first[:2100]
    start = await store.place("acme", "m0")
    assert start is not None
    assert [m.id for _, m in await store.after(CHAT, start, 2200)] == newest_first[-2:-2202:-1]


async def test_the_same_id_again_is_a_change(store: HistoryStore) -> None:
    """In its place, with its new words; within one batch too."""
    await store.write([message("m1", "before"), message("m2", at=NOON + 1)])
    place = await store.place("acme", "m1")
    await store.write([message("m1", "middle"), message("m1", "after")])
    assert await ids(store) == ["m2", "m1"]
    assert await store.message("acme", "m1") == message("m1", "after")
    assert await store.place("acme", "m1") == place
    assert await search(store, "after") == ["m1"]
    assert await search(store, "before") == []
    assert await search(store, "middle") == []


async def test_a_receipt_changes_the_tail_alone(store: HistoryStore) -> None:
    """As do reactions and deletions: the newest state is what is read."""
    await store.write([message("m1", status="sent")])
    await store.write([message("m1", status="read")])
    assert await store.message("acme", "m1") == message("m1", status="read")
    gone = message("m1", None)
    gone = gone._replace(head=rewrite_head(gone.head, text=None))
    await store.write([gone])
    assert await store.message("acme", "m1") == gone
    assert await search(store, "hello") == []


async def test_writing_all_again_changes_nothing(store: HistoryStore) -> None:
    """A flush whose answer was lost is repeated."""
    batch: list[Record] = [
        chat(),
        *(message(f"m{n}", f"word{n}", at=NOON + n // 2) for n in range(50)),
        contact(),
    ]
    await store.write(batch)
    before = await store.before(CHAT, None, 100)
    await store.write(batch)
    assert await store.before(CHAT, None, 100) == before
    assert await search(store, "word7") == ["m7"]


async def test_workspaces_do_not_meet(store: HistoryStore) -> None:
    """The same chat and id in another workspace is another message; no search crosses."""
    await store.write([message("m1", "ours"), message("m1", "theirs", chat=OTHER)])
    assert await search(store, "theirs") == []
    assert await search(store, "theirs", chats=(OTHER,)) == []
    assert await search(store, "ours") == ["m1"]
    theirs = await store.message("rival", "m1")
    assert theirs is not None
    assert theirs.text == "theirs"
    assert await store.message("nobody", "m1") is None
    assert await store.before(ChatRef("nobody", *CHAT[1:]), None, 10) == []


async def test_nobody_has_nothing(store: HistoryStore) -> None:
    """An empty store, and an empty batch."""
    await store.write([])
    assert await ids(store) == []
    assert await search(store, "hello") == []
    assert await store.chat(CHAT) is None
    assert [batch async for batch in store.chats()] == []
    assert [batch async for batch in store.contacts()] == []
    assert await store.prune(NOON, 0) == 0


@pytest.mark.parametrize(
    "broken",
    [
        message("m2")._replace(text="half a \ud800 surrogate"),
        message("m2", at=0)._replace(at=2**70),
    ],
    ids=["surrogate", "time"],
)
async def test_what_can_never_be_stored(store: HistoryStore, broken: StoredMessage) -> None:
    """Is told apart, so that it can be left out; nothing of its batch is written."""
    await store.write([message("m0", chat=GROUP)])
    with pytest.raises(RecordRefused):
        await store.write([chat(), message("m1"), broken])
    assert await ids(store) == []
    assert await store.chat(CHAT) is None
    await store.write([chat(), message("m1")])
    assert await ids(store) == ["m1"]
    assert await ids(store, GROUP) == ["m0"]


async def test_chats_and_contacts_come_in_batches(store: HistoryStore) -> None:
    """All of them once; chats by activity."""
    refs = [ChatRef("acme", "main", f"55119999{n:05d}@s.whatsapp.net") for n in range(4500)]
    await store.write([chat(ref, at=NOON + n % 7) for n, ref in enumerate(refs)])
    await store.write([contact(ref.jid) for ref in refs])
    found = [each async for batch in store.chats() for each in batch]
    assert {each.ref for each in found} == set(refs)
    assert len(found) == len(refs)
    assert [each.updated_at for each in found] == sorted(
        (each.updated_at for each in found), reverse=True
    )
    people = [each async for batch in store.contacts() for each in batch]
    assert {each.jid for each in people} == {ref.jid for ref in refs}
    assert len(people) == len(refs)
    assert await store.chat(refs[3]) == chat(refs[3], at=NOON + 3)


async def test_a_chats_row_is_as_it_was_last(store: HistoryStore) -> None:
    """Every field of it, also where there is nothing; a contact likewise."""
    full = chat(name='Ana "\\" 👩')._replace(
        lid="1@lid", picture_id="p", unread=0, archived=True, muted_until=2**42
    )
    await store.write([chat(name=None), full, contact()])
    assert await store.chat(CHAT) == full
    bare = full._replace(pn=None, lid=None, name=None, picture_id=None, muted_until=None)
    odd = contact()._replace(body='{"name":"\\u0000 é"}'.encode())
    await store.write([bare, odd])
    assert await store.chat(CHAT) == bare
    assert [each async for batch in store.contacts() for each in batch] == [odd]
