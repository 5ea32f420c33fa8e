from __future__ import annotations

import csv
import io

import orjson
import pytest
from hypothesis import given, strategies as st

from daemon.services.people.formats import cell, csv_head, csv_rows, is_formula, jsonl

WIDE = [chr(ord(sign) + 0xFEE0) for sign in "=+-@"]


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+55 11", "-2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "\u00a0=1", *WIDE],
)
def test_a_formula_gets_an_apostrophe(text: str) -> None:
    """Whatever blanks it hides behind, and in the wide forms."""
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "hello", "5 = 5", "a@b", "'=1", "日本", " "])
def test_other_texts_stay_as_they_are(text: str) -> None:
    """Also those that have such a sign further on."""
    assert cell(text) == text


def test_values_that_are_no_texts() -> None:
    """Numbers are numbers, also below zero; nested values are JSON."""
    values = [None, True, False, -5, 1.5, {"a": [1]}, [], ["=1"]]
    assert [cell(value) for value in values] == [
        "",
        "true",
        "false",
        "-5",
        "1.5",
        '{"a":[1]}',
        "[]",
        '["=1"]',
    ]


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.text(), max_size=3))
def test_a_table_is_read_back_and_runs_nothing(row: dict[str, str]) -> None:
    """Any text of a customer comes back, with at most an apostrophe before it."""
    columns = ("a", "b")
    body = csv_head(columns) + csv_rows(columns)([orjson.dumps(_sendable(row))])
    (found,) = csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline=""))
    for name in columns:
        text = _sendable(row).get(name, "")
        assert found[name] in {text, f"'{text}"}
        assert not is_formula(found[name])


def _sendable(row: dict[str, str]) -> dict[str, str]:
    """Return the row without what is no text in JSON."""
    return {name: text.encode("utf-8", "ignore").decode() for name, text in row.items()}


def test_lines_are_objects() -> None:
    """One a line, as they came."""
    assert jsonl([b'{"a":1}', b'{"b":"x"}']) == b'{"a":1}\n{"b":"x"}\n'
