"""When two requests to send are one: the same key with the same body."""

from __future__ import annotations

import hashlib

import orjson

from sessions.errors import IdempotencyConflict
from sessions.ports import SendRow


def body_hash(chat: str, text: str, reply_to: str | None, client_ref: str | None) -> bytes:
    """Return what is compared: 16 bytes over the request's meaning, not its spelling."""
    meaning = orjson.dumps([chat, text, reply_to, client_ref])
    return hashlib.blake2b(meaning, digest_size=16).digest()


def same_or_conflict(row: SendRow, wanted: bytes) -> SendRow:
    """Return the row that had the key first; raise ``IdempotencyConflict`` for another body."""
    if row.body_hash != wanted:
        raise IdempotencyConflict("The Idempotency-Key was used with another body.")
    return row
