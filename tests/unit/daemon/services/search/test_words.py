"""A query is parted into words; a text has them or not."""

from __future__ import annotations

import pytest

from daemon.errors import ApiError
from daemon.history.alphabet import Alphabet, Matcher
from daemon.services.search.words import MOST_WORDS, words_of

ALPHABET = Alphabet()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("hello", ("hello",)),
        ("  two\twords\n", ("two", "words")),
        ("R$ 12,50", ("R$", "12,50")),
        ('"a phrase"', ('"a', 'phrase"')),
        ("oi 🥰 - 👍🏽 !", ("oi",)),
        ("AND NOT near(*)", ("AND", "NOT", "near(*)")),
        ("o\x02n\x03e t\x00wo", ("one", "t", "wo")),
        ("a\u200bb", ("a", "b")),
    ],
)
def test_a_query_is_parted_by_blanks(query: str, words: tuple[str, ...]) -> None:
    """Each word as it was typed; what has no letter or digit is none."""
    assert words_of(query, ALPHABET) == words


@pytest.mark.parametrize("query", ["", "   ", "!?", "🥰", "\x00\x02", '- * ""', "\u0301"])
def test_nothing_to_look_for_is_said(query: str) -> None:
    """It is no search for everything."""
    with pytest.raises(ApiError) as caught:
        words_of(query, ALPHABET)
    assert caught.value.code == "query_empty"


def test_words_are_bounded() -> None:
    """One more than the most is refused."""
    assert len(words_of("a " * MOST_WORDS, ALPHABET)) == MOST_WORDS
    with pytest.raises(ApiError) as caught:
        words_of("a " * (MOST_WORDS + 1), ALPHABET)
    assert caught.value.code == "invalid_parameter"


@pytest.mark.parametrize(
    ("query", "text", "found"),
    [
        ("reuniao", "A REUNIÃO é hoje", True),
        ("reun", "A REUNIÃO é hoje", True),
        ("reun hoje", "A REUNIÃO é hoje", False),
        ("hoje reun", "A REUNIÃO é hoje", True),
        ("euni", "A REUNIÃO é hoje", False),
        ("12,50", "preço 12.50", True),
        ("12,50", "preço 50 12", False),
        ("12,50", "preço 12 e 50", False),
        ("a", "", False),
    ],
)
def test_a_text_has_all_the_words(query: str, text: str, found: bool) -> None:
    """The last one as a beginning; parts of one word side by side."""
    assert Matcher(words_of(query, ALPHABET), ALPHABET).matches(text) is found
