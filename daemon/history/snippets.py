"""Cuts a snippet out of a text and marks what was looked for.

What a word is and how it is folded, the alphabet of the index says: what is marked is what was found.
"""

from __future__ import annotations

from collections.abc import Sequence

from daemon.history.alphabet import Alphabet

TOKENS = 24
_BEFORE = 6  # words that are shown before the first that was found
_OPEN, _CLOSE, _MORE = "\x02", "\x03", "…"


def snippet(text: str, words: Sequence[str], alphabet: Alphabet) -> str:
    """Return some words of the text around the first that was found, all those found marked."""
    tokens = alphabet.words(text)
    folded = [token.folded for token in tokens]
    phrases = [alphabet.fold(word).split() for word in words]
    marks = [mark for i in range(len(tokens)) if (mark := _mark(folded, i, phrases))]
    first = marks[0][0] if marks else 0
    begin = max(0, min(first - _BEFORE, len(tokens) - TOKENS))
    end = begin + TOKENS
    return (
        (_MORE if begin else "")
        + _marked(
            text,
            tokens[begin].start if begin else 0,
            tokens[end - 1].end if end < len(tokens) else len(text),
            [
                (tokens[start].start, tokens[stop - 1].end)
                for start, stop in marks
                if begin <= start and stop <= end
            ],
        )
        + (_MORE if end < len(tokens) else "")
    )


def _mark(folded: Sequence[str], at: int, phrases: Sequence[list[str]]) -> tuple[int, int] | None:
    """Return the longest run of tokens from ``at`` that one of the phrases is."""
    fits = [
        len(phrase)
        for phrase in phrases
        if _fits(folded[at : at + len(phrase)], phrase, as_beginning=phrase is phrases[-1])
    ]
    return (at, at + max(fits)) if fits else None


def _fits(tokens: Sequence[str], phrase: list[str], *, as_beginning: bool) -> bool:
    if not phrase or len(tokens) < len(phrase) or tokens[:-1] != phrase[:-1]:
        return False
    return tokens[-1].startswith(phrase[-1]) if as_beginning else tokens[-1] == phrase[-1]


def _marked(text: str, start: int, stop: int, marks: Sequence[tuple[int, int]]) -> str:
    parts, at = [], start
    for begin, end in marks:
        if begin >= at:  # within a phrase that is marked already it is not marked again
            parts += [text[at:begin], _OPEN, text[begin:end], _CLOSE]
            at = end
    return "".join([*parts, text[at:stop]])
