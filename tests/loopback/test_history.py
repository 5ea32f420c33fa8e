"""Tests of `history` and `payloads`: what a chunk looks like inside its notice."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime

from . import payloads
from .history import HistoryChunk, PastChat, PastText, SyncType
from .protobuf import decode, encode


def test_a_chunk_travels_inside_its_notice() -> None:
    """The notice names type, order and progress, and holds the chunk compressed."""
    past = PastText("OLD1", "long ago", datetime(2026, 1, 1, tzinfo=UTC), from_me=True)
    chunk = HistoryChunk((PastChat("2@lid", (past,)),), sync_type=SyncType.FULL, order=3)
    protocol = decode(chunk.notice()).message(12)
    notice = protocol.message(6)
    sync = decode(zlib.decompress(notice.data(11)))
    message = sync.message(2).message(2).message(1)
    assert (protocol.integer(2), *(notice.integer(n) for n in (6, 7, 9))) == (5, 2, 3, 100)
    assert (
        sync.message(2).text(1),
        message.message(1).text(3),
        message.message(1).integer(2),
    ) == ("2@lid", "OLD1", 1)
    assert payloads.text_of(message.data(2)) == "long ago"


def test_texts_are_read_plain_extended_and_device_sent() -> None:
    """Clients send links and replies as extended text; own devices wrap."""
    plain, extended = payloads.text("hi"), encode((6, encode((1, "see https://x.y"))))
    assert tuple(payloads.text_of(payload) for payload in (plain, extended, encode((3, b"")))) == (
        "hi",
        "see https://x.y",
        "",
    )
    assert plain == payloads.unwrap(payloads.device_sent("2@lid", plain))
    assert plain == payloads.unwrap(plain)
