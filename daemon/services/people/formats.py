"""The two forms of an export's tables: JSON Lines, and CSV that a spreadsheet can open.

A row comes as the JSON of one object, as clients read it. Sans-I/O.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import orjson

Format = Literal["jsonl", "csv"]
Encode = Callable[[Iterable[bytes]], bytes]

#: What a spreadsheet takes for a formula, which may send the sheet's content to somebody. The
#: wide forms of =, +, - and @ too: some spreadsheets take them for the narrow ones.
_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - the wide forms are meant


def jsonl(rows: Iterable[bytes]) -> bytes:
    """Return a line of JSON a row."""
    return b"".join(row + b"\n" for row in rows)


def csv_head(columns: Sequence[str]) -> bytes:
    """Return the first line. With a byte order mark: else spreadsheets guess another encoding."""
    return b"\xef\xbb\xbf" + _lines([columns])


def csv_rows(columns: Sequence[str]) -> Encode:
    """Return what encodes rows as CSV with these columns; what a row lacks is empty."""

    def encode(rows: Iterable[bytes]) -> bytes:
        decoded = (orjson.loads(row) for row in rows)
        return _lines([cell(row.get(name)) for name in columns] for row in decoded)

    return encode


def cell(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return a value as a cell: nested ones as JSON, and no text that is a formula.

    A text that a spreadsheet would run gets an apostrophe before it, which is shown and does
    nothing. Numbers are numbers: they go as they are.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return f"'{text}" if is_formula(text) else text


def is_formula(text: str) -> bool:
    """Tell whether a spreadsheet may take the text for a formula, blanks before it aside."""
    start = text.lstrip(" \u00a0\ufeff\u200b")[:1]
    return start in _FORMULA if start else False


def _lines(rows: Iterable[Iterable[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode(errors="replace")
