"""A snippet is text and places."""

from __future__ import annotations

import pytest

from daemon.services.search.snippets import snippet_of


@pytest.mark.parametrize(
    ("marked", "text", "marks"),
    [
        ("plain", "plain", []),
        ("one \x02two\x03 three", "one two three", [(4, 7)]),
        ("\x02a\x03\x02b\x03", "ab", [(0, 1), (1, 2)]),
        ("🥰 \x02olá🥰\x03 \x02x\x03", "🥰 olá🥰 x", [(3, 8), (9, 10)]),
        ("<b>\x02<i>\x03", "<b><i>", [(3, 6)]),
        ("half a \x02pair", "half a \x02pair", []),
    ],
)
def test_marks_are_places_in_the_text(marked: str, text: str, marks: list[tuple[int, int]]) -> None:
    """As browsers count: an emoji is two."""
    found = snippet_of(marked)
    assert (found.text, found.marks) == (text, marks)
    utf16 = text.encode("utf-16-le")
    parts = [utf16[2 * start : 2 * end].decode("utf-16-le") for start, end in found.marks]
    assert parts == [
        text_.split("\x03")[0] for text_ in marked.split("\x02")[1:] if "\x03" in text_
    ]
