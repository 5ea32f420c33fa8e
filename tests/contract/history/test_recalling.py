"""What left the RAM is asked for by its name, and listed in the RAM's own order."""

from __future__ import annotations

from daemon.history.models import StoredChat, StoredContact
from daemon.history.port import HistoryStore
from sessions.ids import ChatRef, SessionKey
from sessions.models import MessageTail, Reaction, encode_tail, rewrite_head
from tests.contract.history.asking import GROUP, OTHER, ids
from tests.unit.daemon.history.samples import ANNA, BOB, CHAT, NOON, chat, contact, message

KEY = SessionKey("acme", "main")
SECOND = SessionKey("acme", "second")
REFS = [
    ChatRef("acme", session, jid)
    for session in ("main", "main-2", "main_2", "second")
    for jid in (ANNA, BOB, GROUP.jid, "5511999990001@lid")
]


async def test_messages_by_our_ids(store: HistoryStore) -> None:
    """Of one workspace, in no order; those that are not there are left out."""
    rows = [message(f"m{n}", at=NOON + n) for n in range(5)]
    await store.write([*rows, message("m1", "theirs", chat=OTHER)])
    found = await store.find("acme", ["m3", "m1", "nobody"])
    assert sorted(found) == [
        (await store.place("acme", "m1"), rows[1]),
        (await store.place("acme", "m3"), rows[3]),
    ]
    assert await store.find("acme", []) == []
    assert await store.find("nobody", ["m1"]) == []


async def test_own_messages_by_whatsapps_ids(store: HistoryStore) -> None:
    """Of one session, and only what it sent itself."""
    second = ChatRef(*SECOND, ANNA)
    mine = message("m1", from_me=True)
    await store.write(
        [
            *(mine, message("m2")),
            message("m3", from_me=True, chat=second)._replace(wa_id="Wm1"),
            message("m4", from_me=True, chat=OTHER)._replace(wa_id="Wm1"),
            message("m5", from_me=True)._replace(wa_id=None),
        ]
    )
    assert [found for _, found in await store.sent(KEY, ["Wm1", "Wm2", "Wm5"])] == [mine]
    assert [found.id for _, found in await store.sent(SECOND, ["Wm1"])] == ["m3"]
    assert await store.sent(KEY, []) == []


async def test_the_newest_of_each_chat(store: HistoryStore) -> None:
    """Of those that have one, across sessions and workspaces."""
    for n, ref in enumerate([*REFS, OTHER]):
        await store.write([message(f"a{n}", chat=ref), message(f"b{n}", chat=ref, at=NOON + 1)])
    found = await store.last([REFS[3], REFS[0], OTHER, ChatRef(*KEY, "1@lid")])
    assert sorted(each.id for _, each in found) == ["b0", "b16", "b3"]
    assert {each.chat for _, each in found} == {REFS[3], REFS[0], OTHER}
    assert await store.last([]) == []


async def test_chats_by_their_names(store: HistoryStore) -> None:
    """Those that there are."""
    rows = [chat(ref, at=NOON + n) for n, ref in enumerate([*REFS, OTHER])]
    await store.write(rows)
    found = await store.chats_of([REFS[2], OTHER, ChatRef(*KEY, "1@lid")])
    assert sorted(found) == sorted([rows[2], rows[-1]])
    assert await store.chats_of([]) == []


async def test_chats_are_listed_page_by_page(store: HistoryStore) -> None:
    """Newest activity first, of one time by their ids, byte by byte."""
    rows = [chat(ref, at=NOON + n % 3) for n, ref in enumerate(REFS)]
    await store.write([*rows, chat(OTHER)])

    def place(row: StoredChat) -> tuple[int, str]:
        return (-row.updated_at, row.ref.id)

    async def pages(sessions: list[str] | None) -> list[StoredChat]:
        after, found = None, []
        while page := await store.listed("acme", sessions, after, 3):
            found += page
            after = place(page[-1])
        return found

    ordered = sorted(rows, key=place)
    assert await pages(None) == ordered
    some = [row for row in ordered if row.ref.session in {"main", "second"}]
    assert await pages(["main", "second"]) == some
    assert await pages([]) == []
    assert await store.listed("nobody", None, None, 10) == []


async def test_contacts_are_listed_page_by_page(store: HistoryStore) -> None:
    """By session and address, byte by byte."""
    rows = [contact(ref.jid)._replace(session=ref.session) for ref in REFS]
    await store.write([*reversed(rows), contact(workspace="rival")])

    async def pages(sessions: list[str] | None) -> list[StoredContact]:
        after, found = None, []
        while page := await store.contacts_page("acme", sessions, after, 3):
            found += page
            after = (page[-1].session, page[-1].jid)
        return found

    ordered = sorted(rows)
    assert await pages(None) == ordered
    assert await pages(["second"]) == [row for row in ordered if row.session == "second"]
    assert await pages([]) == []
    of_session = await store.contacts_of(KEY, [BOB, ANNA, "1@lid"])
    assert sorted(of_session) == sorted([contact(), contact(BOB)])
    assert await store.contacts_of(KEY, []) == []


async def test_an_erased_contact_is_not_quoted(store: HistoryStore) -> None:
    """In what others wrote, quotations of them and their reactions go; what they said of others stays."""
    other = ChatRef(*KEY, BOB)
    said = message("q1", "I agree", chat=GROUP, sender=BOB)
    quote = {"id": None, "wa_id": "W1", "sender": ANNA, "text": "my secret"}
    quoting = said._replace(head=rewrite_head(said.head, reply_to=quote))
    plain = message("q2", f"call {ANNA.partition('@')[0]}", chat=other)

    def tail(*people: str) -> bytes:
        made = [Reaction(emoji="x", sender=who, from_me=False, at="now") for who in people]
        return encode_tail(MessageTail(wa_id="Wq3", status="read", ack=3, reactions=tuple(made)))

    liked = message("q3", "liked", chat=other)._replace(tail=tail(ANNA, BOB))
    await store.write([chat(), chat(GROUP), chat(other), quoting, plain, liked, message("a1")])
    counts = await store.erase_contact(KEY, frozenset({ANNA}))
    assert counts == {"messages": 1, "chats": 1, "contacts": 0, "quotations": 2}
    assert await ids(store, CHAT) == []
    bare = said._replace(head=rewrite_head(quoting.head, reply_to=None))
    assert await store.message("acme", "q1") == bare
    assert await store.message("acme", "q2") == plain
    assert await store.message("acme", "q3") == liked._replace(tail=tail(BOB))
