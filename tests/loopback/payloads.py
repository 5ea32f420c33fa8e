"""The few end-to-end payloads (`waE2E.Message`) that the loopback writes and reads.

Field numbers are from `WAWebProtobufsE2E.proto`.
"""

from __future__ import annotations

import zlib

from .protobuf import decode, encode

# Message
_CONVERSATION, _SENDER_KEY, _EXTENDED_TEXT, _PROTOCOL, _DEVICE_SENT = 1, 2, 6, 12, 31
# ProtocolMessage
_PROTOCOL_TYPE, _HISTORY_NOTICE = 2, 6
_TYPE_HISTORY_SYNC = 5
# HistorySyncNotification
_SYNC_TYPE, _CHUNK_ORDER, _PROGRESS, _INLINE_PAYLOAD = 6, 7, 9, 11


def text(body: str) -> bytes:
    """A plain text message."""
    return encode((_CONVERSATION, body))


def text_of(payload: bytes) -> str:
    """The text of a message, plain or extended; empty for other kinds."""
    fields = decode(payload)
    return fields.text(_CONVERSATION) or fields.message(_EXTENDED_TEXT).text(1)


def sender_key(group: str, distribution: bytes) -> bytes:
    """What a member gives each other's device before its first message in a group."""
    return encode((_SENDER_KEY, encode((1, group), (2, distribution))))


def sender_key_of(payload: bytes) -> bytes:
    """The distribution in a message; empty where there is none."""
    return decode(payload).message(_SENDER_KEY).data(2)


def device_sent(destination: str, payload: bytes) -> bytes:
    """How a device tells its siblings what it sent to `destination`."""
    return encode((_DEVICE_SENT, encode((1, destination), (2, payload))))


def unwrap(payload: bytes) -> bytes:
    """The message inside a device-sent one; any other as it is."""
    return decode(payload).message(_DEVICE_SENT).data(2) or payload


def history_notice(chunk: bytes, sync_type: int, order: int, progress: int) -> bytes:
    """A notice that carries an encoded `HistorySync` in itself (no download)."""
    notice = encode(
        (_SYNC_TYPE, sync_type),
        (_CHUNK_ORDER, order),
        (_PROGRESS, progress),
        (_INLINE_PAYLOAD, zlib.compress(chunk)),
    )
    fields = encode((_PROTOCOL_TYPE, _TYPE_HISTORY_SYNC), (_HISTORY_NOTICE, notice))
    return encode((_PROTOCOL, fields))
