"""Messages are found by their words."""

from __future__ import annotations

import pytest

from daemon.history.models import SearchQuery
from daemon.history.port import HistoryStore
from sessions.ids import ChatRef
from tests.contract.history.asking import search
from tests.unit.daemon.history.samples import ANNA, BOB, NOON, message

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
    assert await search(store, "sun", chat=second) == ["m2"]
    assert await search(store, "sun", chat=second, sessions=frozenset({"main"})) == []
    assert await search(store, "sun", sender=ANNA) == ["m1"]
    assert await search(store, "sun", type="image") == []
    assert await search(store, "sun", since=NOON + 1000) == ["m3", "m2"]
    assert await search(store, "sun", until=NOON + 1000) == ["m2", "m1"]
    assert await search(store, "sun", since=NOON + 1, until=NOON + 1999) == ["m2"]
    page = await store.search(SearchQuery("acme", ("sun",), limit=1))
    assert await search(store, "sun", after=page[0].place) == ["m2", "m1"]


async def test_pages_of_a_search_go_through_months(store: HistoryStore) -> None:
    """Newest first; each message on one page, also of one millisecond."""
    rows = [message(f"m{n}", "sun", at=NOON - (n // 3) * MONTH) for n in range(30)]
    await store.write(rows)
    whole = await search(store, "sun")
    assert whole == [f"m{3 * month + n}" for month in range(10) for n in (2, 1, 0)]
    place, paged = None, []
    while page := await store.search(SearchQuery("acme", ("sun",), limit=4, after=place)):
        paged += [found.message.id for found in page]
        place = page[-1].place
    assert paged == whole
    assert await search(store, "sun", since=NOON - 2 * MONTH, until=NOON - MONTH) == whole[3:9]


async def test_a_snippet_marks_what_was_found(store: HistoryStore) -> None:
    """With marks that no text can bring along."""
    await store.write([message("m1", "one \x02two\x03 three")])
    found = await store.search(SearchQuery("acme", ("two",)))
    assert found[0].snippet == "one \x02two\x03 three"
    assert found[0].message.text == "one two three"


async def test_a_snippet_shows_the_text_as_it_was_written(store: HistoryStore) -> None:
    """The words found are marked with their accents, and only what is around them is shown."""
    filler = " ".join(f"w{n}" for n in range(60))
    await store.write([message("m1", f"{filler} Não esqueça a reunião! {filler}")])
    found = await store.search(SearchQuery("acme", ("nao", "reun")))
    assert "\x02Não\x03 esqueça a \x02reunião\x03!" in found[0].snippet
    assert found[0].snippet.startswith("…")
    assert found[0].snippet.endswith("…")
    assert len(found[0].snippet.split()) <= 24
