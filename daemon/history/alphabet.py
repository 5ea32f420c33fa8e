"""What a word is, for the index of ``history.db`` and for those who search without it.

The index takes a character that is younger than its tables (Unicode 6.1) for a letter: "bom dia🥰"
would be found by neither "dia" nor "dia de". So the blocks of symbols are named as separators.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

_SYMBOLS = (
    (0x061C, 0x061D),  # marks of direction
    (0x2066, 0x2069),
    (0x20A0, 0x20CF),  # currencies
    (0x218A, 0x218F),  # odd digits
    (0x2300, 0x23FF),  # technical
    (0x2600, 0x27BF),  # weather, games, dingbats
    (0x2B00, 0x2BFF),  # arrows
    (0x2E00, 0x2E7F),  # punctuation
    (0x1F000, 0x1FAFF),  # emoji, with room for those to come
)
_SEPARATORS = "".join(chr(c) for first, last in _SYMBOLS for c in range(first, last + 1))
#: As ``CREATE VIRTUAL TABLE … USING fts5`` takes it.
TOKENIZER = f"\"unicode61 remove_diacritics 2 separators '{_SEPARATORS}'\""
#: Marks of a snippet: taken out of what is searched, so that only a search puts them there.
MARKS = str.maketrans({"\x02": "", "\x03": ""})

_KNOWN_MAX = 200_000  # characters that are remembered, some 200 bytes each: more than are assigned


_SHAPES = {"": "-", " ": " "}  # of an accent, and of what parts words; any other is a letter
_WORD = re.compile("x[x-]*")  # within the shape of a text: a letter, then letters and accents


class Word(NamedTuple):
    """A word of a text as the index has it, and where it stands."""

    start: int
    end: int
    folded: str


class Alphabet:
    """How the index takes each character: it is asked, once for each. For one thread at a time.

    A character costs some 5 µs the first time; none depends on those around it.
    """

    def __init__(self) -> None:
        """Ask an index in memory, with nothing in it but what is asked."""
        self._asked = sqlite3.connect(":memory:", check_same_thread=False)
        run = self._asked.execute
        run(f"CREATE VIRTUAL TABLE asked USING fts5(text, content = '', tokenize = {TOKENIZER})")
        run("CREATE VIRTUAL TABLE told USING fts5vocab(asked, 'instance')")
        self._forget()

    def fold(self, text: str) -> str:
        """Return the words of the text as the index has them, with a blank around each."""
        self._meet(text)
        return f" {' '.join(text.translate(self._table).split())} "

    def words(self, text: str) -> list[Word]:
        """Return the words of the text, in order."""
        self._meet(text)
        places = (found.span() for found in _WORD.finditer(text.translate(self._shape)))
        return [Word(start, end, text[start:end].translate(self._table)) for start, end in places]

    def close(self) -> None:
        """Give the index back."""
        self._asked.close()

    def _forget(self) -> None:
        self._known: set[str] = set()
        self._table: dict[int, str] = {}
        self._shape: dict[int, str] = {}

    def _meet(self, text: str) -> None:
        """Know each character of the text from now on."""
        new = set(text) - self._known
        if new:
            if len(self._known) + len(new) > _KNOWN_MAX:
                self._forget()
                new = set(text)
            self._learn(new)

    def _learn(self, characters: set[str]) -> None:
        """Note what each character is within a word: nothing for an accent, or else a blank."""
        run = self._asked.execute
        run("BEGIN")
        self._asked.executemany(
            "INSERT INTO asked(rowid, text) VALUES(?, ?)",
            # In order, or each would be a segment. Half surrogates are no UTF-8: nothing has them.
            [(ord(c), f"x{c}y") for c in sorted(characters) if not "\ud800" <= c <= "\udfff"],
        )
        self._known |= characters
        news = dict.fromkeys(map(ord, characters), " ")
        for character, term in run("SELECT doc, term FROM told"):
            if len(term) > 1:  # else there are two: x and y
                news[character] = term[1:-1]
        news.update(MARKS)
        run("ROLLBACK")
        self._table.update(news)
        self._shape.update({c: _SHAPES.get(folded, "x") for c, folded in news.items()})


class Matcher:
    """Tells whether a text has all the words, the last one as a beginning."""

    def __init__(self, words: Sequence[str], alphabet: Alphabet) -> None:
        """Each of ``words`` has a letter or digit; one with signs within stands for its parts."""
        self._alphabet = alphabet
        folded = [alphabet.fold(word) for word in words]
        self._sought = (*folded[:-1], folded[-1].removesuffix(" "))

    def matches(self, text: str) -> bool:
        """Tell whether the text has them."""
        folded = self._alphabet.fold(text)
        return all(sought in folded for sought in self._sought)
