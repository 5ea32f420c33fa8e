from __future__ import annotations

import pytest

from sessions.errors import IdempotencyConflict
from sessions.sending.idempotency import body_hash, same_or_conflict
from tests.unit.sessions.sending.rows import send

Body = tuple[str, str, str | None, str | None]
BODY: Body = ("s1:1@g.us", "hi", None, "ref")


def test_every_part_of_the_body_counts() -> None:
    """Another chat, text, reply or reference is another body; moved parts are too."""
    bodies: list[Body] = [BODY, ("s1:2@g.us", *BODY[1:]), (BODY[0], "ho", None, "ref")]
    bodies += [(*BODY[:2], "m1", "ref"), (*BODY[:3], None), (*BODY[:2], "ref", None)]
    assert len(bodies) == len({body_hash(*body) for body in bodies})
    assert body_hash(*BODY) == body_hash(*BODY)


def test_the_same_body_is_the_same_send() -> None:
    """The row that came first answers."""
    row = send()
    assert row is same_or_conflict(row, b"1")


def test_another_body_is_a_conflict() -> None:
    """A key names one message."""
    with pytest.raises(IdempotencyConflict):
        same_or_conflict(send(), b"2")
