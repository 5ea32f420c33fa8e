"""A snippet as clients get it: a text and the places of what was found, never markup."""

from __future__ import annotations

import re

from sessions.models import Value

_MARKED = re.compile("\x02([^\x03]*)\x03")


class Snippet(Value, frozen=True, kw_only=True):
    """Some words of a message around what was found.

    ``marks`` are ``[start, end)`` of what was found, in UTF-16 units: as browsers count.
    """

    text: str
    marks: list[tuple[int, int]]


def snippet_of(marked: str) -> Snippet:
    """Return the snippet of a text in which U+0002 and U+0003 stand around what was found."""
    text, marks = "", []
    at = end = 0
    for found in _MARKED.finditer(marked):
        before = marked[at : found.start()]
        start = end + _units(before)
        end = start + _units(found[1])
        text += before + found[1]
        marks.append((start, end))
        at = found.end()
    return Snippet(text=text + marked[at:], marks=marks)


def _units(text: str) -> int:
    """Return the length in UTF-16: what is beyond its first 65,536 characters counts twice."""
    return len(text) + sum(character > "\uffff" for character in text)
