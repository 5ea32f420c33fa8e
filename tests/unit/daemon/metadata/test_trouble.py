from __future__ import annotations

import json

import pytest

from daemon.metadata.trouble import Kind, no_answer, not_the_api, of_answer, unsendable


def answer(code: str | None, message: str = "said") -> bytes:
    """Return PostgREST's body."""
    return json.dumps({"code": code, "details": None, "hint": None, "message": message}).encode()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        # the server's
        (503, "PGRST000", Kind.TRANSIENT),
        (503, "PGRST001", Kind.TRANSIENT),
        (503, "PGRST002", Kind.TRANSIENT),
        (504, "PGRST003", Kind.TRANSIENT),
        (503, "08006", Kind.TRANSIENT),
        (409, "40001", Kind.TRANSIENT),
        (409, "40P01", Kind.TRANSIENT),
        (503, "53300", Kind.TRANSIENT),
        (500, "55P03", Kind.TRANSIENT),
        (500, "57014", Kind.TRANSIENT),
        (500, "57P01", Kind.TRANSIENT),
        (500, "58030", Kind.TRANSIENT),
        (500, "XX000", Kind.TRANSIENT),
        # a person's
        (401, "PGRST301", Kind.BLOCKED),
        (401, "PGRST302", Kind.BLOCKED),
        (401, "PGRST303", Kind.BLOCKED),
        (403, "42501", Kind.BLOCKED),
        (404, "42P01", Kind.BLOCKED),
        (400, "42703", Kind.BLOCKED),
        (400, "42P10", Kind.BLOCKED),
        (400, "PGRST204", Kind.BLOCKED),
        (404, "PGRST205", Kind.BLOCKED),
        (405, "25006", Kind.BLOCKED),
        (400, "PGRST102", Kind.BLOCKED),
        (400, "something new", Kind.BLOCKED),
        # the row's
        (400, "22P02", Kind.POISON),
        (400, "22P05", Kind.POISON),
        (400, "23502", Kind.POISON),
        (409, "23505", Kind.POISON),
        (400, "23514", Kind.POISON),
        (500, "21000", Kind.POISON),
        (500, "54000", Kind.POISON),
        (400, "P0001", Kind.POISON),
        (409, "23503", Kind.ORPHAN),
    ],
)
def test_a_code_says_what_to_do(status: int, code: str, kind: Kind) -> None:
    """SQLSTATEs and PostgREST's own codes, whatever the status."""
    trouble = of_answer(status, answer(code))
    assert (trouble.kind, trouble.code, trouble.message) == (kind, code, "said")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b'{"message":"Invalid API key","hint":"Double check"}', Kind.BLOCKED),
        (403, b"", Kind.BLOCKED),
        (404, b"<html>not here</html>", Kind.BLOCKED),
        (301, b"", Kind.BLOCKED),
        (400, b"{}", Kind.BLOCKED),
        (408, b"", Kind.TRANSIENT),
        (425, b"", Kind.TRANSIENT),
        (429, b'{"message":"API rate limit exceeded"}', Kind.TRANSIENT),
        (500, b"[]", Kind.TRANSIENT),
        (502, b"<html>502 Bad Gateway</html>", Kind.TRANSIENT),
        (503, b'{"message":"name resolution failed"}', Kind.TRANSIENT),
        (520, b"\xff\xfe", Kind.TRANSIENT),
        (413, b"<html>too large</html>", Kind.POISON),
    ],
)
def test_without_a_code_the_status_speaks(status: int, body: bytes, kind: Kind) -> None:
    """A gateway answers in its own words."""
    trouble = of_answer(status, body)
    assert (trouble.kind, trouble.code) == (kind, str(status))


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), (None, None), ("Wed, 21 Oct 2026 07:28:00 GMT", None)]
)
def test_a_server_may_ask_for_a_pause(header: str | None, seconds: float | None) -> None:
    """In seconds; a date is not read."""
    assert of_answer(429, b"", header).retry_after == seconds


def test_what_blocks_says_what_a_person_can_do() -> None:
    """Each of them has an action; the key's names its setting."""
    for status, code in ((401, None), (403, "42501"), (404, "PGRST205"), (404, None)):
        trouble = of_answer(status, answer(code))
        assert trouble.user_action
    assert "ZAPD_SUPABASE_KEY" in (of_answer(401, b"").user_action or "")


def test_a_long_message_is_cut() -> None:
    """PostgreSQL quotes the value that it refuses."""
    assert len(of_answer(400, answer("22P02", "x" * 5000)).message) == 300


def test_no_answer_is_nobodys_fault() -> None:
    """Whatever cut it, the same rows go again."""
    assert no_answer(ConnectionResetError("cut")).kind is Kind.TRANSIENT
    assert not_the_api("text/html").kind is Kind.TRANSIENT
    assert unsendable(UnicodeError("half a character")).kind is Kind.POISON
