"""What a word is, for the index of ``history.db`` and for those who search without it.

The index takes a character that is younger than its tables (Unicode 6.1) for a letter: "bom dia🥰"
would be found by neither "dia" nor "dia de". So the blocks of symbols are named as separators.
"""

from __future__ import annotations

import sqlite3

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
#: Marks of a snippet: taken out of what is stored, so that only a search puts them there.
MARKS = str.maketrans({"\x02": "", "\x03": ""})

_KNOWN_MAX = 200_000  # characters that are remembered, some 200 bytes each: more than are assigned


class Alphabet:
    """How the index takes each character: it is asked, once for each. For one thread.

    A character costs some 5 µs the first time; none depends on those around it.
    """

    def __init__(self) -> None:
        """Ask an index in memory, with nothing in it but what is asked."""
        self._asked = sqlite3.connect(":memory:")
        run = self._asked.execute
        run(f"CREATE VIRTUAL TABLE asked USING fts5(text, content = '', tokenize = {TOKENIZER})")
        run("CREATE VIRTUAL TABLE told USING fts5vocab(asked, 'instance')")
        self._forget()

    def fold(self, text: str) -> str:
        """Return the words of the text as the index has them, with a blank around each."""
        new = set(text) - self._known
        if new:
            if len(self._known) + len(new) > _KNOWN_MAX:
                self._forget()
                new = set(text)
            self._learn(new)
        return f" {' '.join(text.translate(self._table).split())} "

    def close(self) -> None:
        """Give the index back."""
        self._asked.close()

    def _forget(self) -> None:
        self._known: set[str] = set()
        self._table: dict[int, str] = {}

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
        self._table.update(dict.fromkeys(map(ord, characters), " "))
        for character, term in run("SELECT doc, term FROM told"):
            if len(term) > 1:  # else there are two: x and y
                self._table[character] = term[1:-1]
        self._table.update(MARKS)
        run("ROLLBACK")
