"""Messages are found by their words."""

from __future__ import annotations

import pytest

from daemon.history.models import Moved, SearchQuery
from daemon.history.port import HistoryStore
from sessions.ids import ChatRef
from tests.contract.history.asking import GROUP, LID, OTHER, search
from tests.unit.daemon.history.samples import ANNA, BOB, CHAT, NOON, message

MONTH = 31 * 86_400_000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Não esqueça a reunião", ("reuniao",)),
        ("Não esqueça a reunião", ("NAO", "esqueca")),
        ("Na\u0303o esquec\u0327a", ("não", "esqueça")),
        ("REUNIÃO ÀS 10", ("reunião", "as")),
        ("the meeting is tomorrow", ("meet",)),
        ('say "AND" OR near(this)', ("and", "or")),
        ("preço: 12,50", ("12", "50")),
        ("preço: 12,50", ("12,50",)),
        ("a*b", ("b",)),
        ("mail ana.silva@example.com now", ("silva",)),
        ("mail ana.silva@example.com now", ("ana.silva@example.com",)),
        ("see https://example.com/a/path?x=1", ("path",)),
        ("well-known foo_bar", ("known", "bar")),
        ("don't", ("don't",)),
        ("bom dia🥰", ("dia",)),
        ("5€ e ☎️123", ("5", "123")),
        ("Привет, МИР", ("привет", "мир")),
        ("bom dia🥰 👍🏽obrigada", ("dia", "obrigada")),
    ],
)
async def test_words_are_found(store: HistoryStore, text: str, words: tuple[str, ...]) -> None:
    """Accents and case aside, the last as a beginning; nothing in a word is an operator."""
    await store.write([message("m1", text), message("m2", "something else")])
    assert await search(store, *words) == ["m1"]


@pytest.mark.parametrize(
    "words",
    [("tomorrow", "hello"), ("meet", "tomorrow"), ("the", "is meeting"), ("meetings",)],
    ids=["one_is_not_there", "a_beginning_that_is_not_last", "in_another_order", "a_longer_one"],
)
async def test_what_is_not_found(store: HistoryStore, words: tuple[str, ...]) -> None:
    """All the words must be there, whole but for the last, those of one word side by side."""
    await store.write([message("m1", "the meeting is tomorrow")])
    assert await search(store, *words) == []


@pytest.mark.parametrize(
    "word", ['"', "*", "()", "scope:w1", "", "text : x", "NOT", "'", "\\", ":*", "!", "&|", "<->"]
)
async def test_odd_words_find_nothing_and_break_nothing(store: HistoryStore, word: str) -> None:
    """Whatever a person types."""
    await store.write([message("m1", "hello")])
    assert await search(store, word) == []
    assert await search(store, "hello", word) == []


async def test_what_narrows_a_search(store: HistoryStore) -> None:
    """Session, chat, sender, type, time and page."""
    second = ChatRef("acme", "second", BOB)
    await store.write(
        [
            message("m1", "sun", at=NOON),
            message("m2", "sun", at=NOON + 1000, chat=second),
            message("m3", "sun", at=NOON + 2000, sender=BOB),
        ]
    )
    assert await search(store, "sun") == ["m3", "m2", "m1"]
    assert await search(store, "sun", sessions=frozenset({"main"})) == ["m3", "m1"]
    assert await search(store, "sun", sessions=frozenset()) == []
    assert await search(store, "sun", chats=(second,)) == ["m2"]
    assert await search(store, "sun", chats=(second,), sessions=frozenset({"main"})) == []
    assert await search(store, "sun", senders=(ANNA,)) == ["m1"]
    assert await search(store, "sun", type="image") == []
    assert await search(store, "sun", since=NOON + 1000) == ["m3", "m2"]
    assert await search(store, "sun", until=NOON + 1000) == ["m2", "m1"]
    assert await search(store, "sun", since=NOON + 1, until=NOON + 1999) == ["m2"]
    page = await store.search(SearchQuery("acme", ("sun",), limit=1))
    assert await search(store, "sun", after=page.end) == ["m2", "m1"]


async def test_one_person_or_chat_under_several_addresses(store: HistoryStore) -> None:
    """Whatever is under any of them, once; what is under none is not found."""
    lid, stranger = "200000000000001@lid", "200000000000002@lid"
    await store.write(
        [
            message("m1", "sun", at=NOON),
            message("m2", "sun", at=NOON + 1, chat=GROUP, sender=lid),
            message("m3", "sun", at=NOON + 2, chat=GROUP, sender=stranger),
            message("m4", "sun", at=NOON + 3, chat=LID),
            message("m5", "sun", at=NOON + 4, chat=GROUP, sender=ANNA),
        ]
    )
    assert await search(store, "sun", senders=(ANNA, lid)) == ["m5", "m4", "m2", "m1"]
    assert await search(store, "sun", senders=(lid, BOB), chats=(GROUP,)) == ["m2"]
    assert await search(store, "sun", senders=(BOB,)) == []
    assert await search(store, "sun", senders=()) == []
    assert await search(store, "sun", chats=(LID, CHAT)) == ["m4", "m1"]
    assert await search(store, "sun", chats=(LID, CHAT), limit=1) == ["m4"]
    assert await search(store, "sun", chats=(LID, OTHER)) == ["m4"]
    assert await search(store, "sun", chats=()) == []
    assert await search(store, "sun", chats=(LID, CHAT), sessions=frozenset({"second"})) == []


async def test_what_narrows_follows_a_message(store: HistoryStore) -> None:
    """Its chat and sender are joined with others, its type and text change."""
    await store.write([message("m1", "sun", chat=LID), message("m2", "sun")])
    await store.write([Moved(LID, CHAT)])
    assert await search(store, "sun", senders=(LID.jid,)) == []
    assert await search(store, "sun", senders=(ANNA,), chats=(CHAT,)) == ["m2", "m1"]
    changed = message("m1", "sun and rain")._replace(type="image")
    await store.write([changed])
    assert await search(store, "sun", type="image") == ["m1"]
    assert await search(store, "sun", type="text") == ["m2"]
    await store.write([changed._replace(text=None, type="deleted")])
    assert await search(store, "sun", type="deleted") == []
    assert await search(store, "su") == ["m2"]


async def test_pages_of_a_search_go_through_months(store: HistoryStore) -> None:
    """Newest first; each message on one page, also of one millisecond."""
    rows = [message(f"m{n}", "sun", at=NOON - (n // 3) * MONTH) for n in range(30)]
    await store.write(rows)
    whole = await search(store, "sun")
    assert whole == [f"m{3 * month + n}" for month in range(10) for n in (2, 1, 0)]
    place, paged = None, []
    while True:
        page = await store.search(SearchQuery("acme", ("sun",), limit=4, after=place))
        paged += [found.message.id for found in page.found]
        place = page.end
        if place is None:
            break
        assert place == page.found[-1].place
    assert paged == whole
    assert await search(store, "sun", since=NOON - 2 * MONTH, until=NOON - MONTH) == whole[3:9]


async def test_a_snippet_marks_what_was_found(store: HistoryStore) -> None:
    """With marks that no text can bring along."""
    await store.write([message("m1", "one \x02two\x03 three")])
    (found,) = (await store.search(SearchQuery("acme", ("two",)))).found
    assert found.snippet == "one \x02two\x03 three"
    assert found.message.text == "one two three"


async def test_a_snippet_shows_the_text_as_it_was_written(store: HistoryStore) -> None:
    """The words found are marked with their accents, and only what is around them is shown."""
    filler = " ".join(f"w{n}" for n in range(60))
    await store.write([message("m1", f"{filler} Não esqueça a reunião! {filler}")])
    (found,) = (await store.search(SearchQuery("acme", ("nao", "reun")))).found
    assert "\x02Não\x03 esqueça a \x02reunião\x03!" in found.snippet
    assert found.snippet.startswith("…")
    assert found.snippet.endswith("…")
    assert len(found.snippet.split()) <= 24
