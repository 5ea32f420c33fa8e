"""What a word is, is asked of the index itself."""

from __future__ import annotations

import sqlite3
import unicodedata

import pytest
from hypothesis import given, settings, strategies as st

from daemon.history.alphabet import TOKENIZER, Alphabet

_WRITTEN = st.sampled_from("aZ9éÇñ ßæøµſǽ-_.,'’“🥰👍🏽\u0301\u0303\ufe0f\u200d…ªº½²①ﬁЙёابएक中")
_TEXTS = st.text(st.one_of(_WRITTEN, st.characters(exclude_categories=["Cs"])), max_size=40)


@pytest.fixture(scope="module")
def alphabet() -> Alphabet:
    """Return an alphabet that learns as it goes."""
    return Alphabet()


def _indexed(text: str) -> list[str]:
    """Return the words that an index of the same kind has of a text, in order."""
    index = sqlite3.connect(":memory:")
    try:
        index.execute(f"CREATE VIRTUAL TABLE t USING fts5(text, tokenize = {TOKENIZER})")
        index.execute("CREATE VIRTUAL TABLE v USING fts5vocab(t, 'instance')")
        index.execute(
            "INSERT INTO t(text) VALUES(?)", (text.replace("\x02", "").replace("\x03", ""),)
        )
        return [term for (term,) in index.execute("SELECT term FROM v ORDER BY offset")]
    finally:
        index.close()


@settings(max_examples=300, deadline=None)
@given(_TEXTS)
def test_a_text_has_the_words_that_the_index_has(alphabet: Alphabet, text: str) -> None:
    """Whatever is written, in whatever script."""
    assert alphabet.fold(text).split() == _indexed(text)


@settings(max_examples=300, deadline=None)
@given(_TEXTS)
def test_words_stand_where_they_are_in_the_text(alphabet: Alphabet, text: str) -> None:
    """Each as it was written, in order, without what is around it; and as the index has it."""
    words = alphabet.words(text)
    assert [word.folded for word in words] == _indexed(text)
    end = 0
    for word in words:
        assert end <= word.start < word.end <= len(text)
        assert alphabet.fold(text[word.start : word.end]).split() == [word.folded]
        assert not alphabet.fold(text[end : word.start]).strip()
        end = word.end
    assert not alphabet.fold(text[end:]).strip()


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("", "  "),
        ("Não-esqueça: R$ 10", " nao esqueca r 10 "),
        ("bom dia🥰 👍🏽ok", " bom dia ok "),
        ("Na\u0303o", " nao "),
        ("o\x02n\x03e", " one "),
        ("half \ud83d a pair", " half a pair "),
    ],
)
def test_folding(alphabet: Alphabet, text: str, folded: str) -> None:
    """Case and accents go; signs, emoji and what is no character part words; marks vanish."""
    assert alphabet.fold(text) == folded


def test_no_symbol_of_the_blocks_of_emoji_is_taken_for_a_letter() -> None:
    """SQLite's own tables end with Unicode 6.1: what came later would be part of a word."""
    alphabet = Alphabet()
    blocks = ((0x2000, 0x2BFF), (0x1F000, 0x1FAFF))
    every = [chr(c) for first, last in blocks for c in range(first, last + 1)]
    symbols = [c for c in every if unicodedata.category(c)[0] in "SP"]
    assert len(symbols) > 3000
    assert [c for c in symbols if alphabet.fold(c).strip()] == []
