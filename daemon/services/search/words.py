"""What is looked for: the words of a query."""

from __future__ import annotations

from daemon.errors import ApiError
from daemon.history.alphabet import MARKS, Alphabet

MOST_WORDS = 16


def words_of(query: str, alphabet: Alphabet) -> tuple[str, ...]:
    """Return the words of what a person typed: what blanks part and has a letter or digit.

    Raises ``ApiError`` where there is none, or too many. Nothing in a word is an operator: one
    with signs within, such as an address, stands for its parts side by side.
    """
    plain = "".join(c if c.isprintable() else " " for c in query.translate(MARKS))
    words = tuple(word for word in plain.split() if alphabet.fold(word).strip())
    if not words:
        raise ApiError("query_empty")
    if len(words) > MOST_WORDS:
        raise ApiError("invalid_parameter", f"A search has at most {MOST_WORDS} words.")
    return words
