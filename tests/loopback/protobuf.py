"""The protobuf wire format, without schemas: fields are numbers.

The server must not import neonize (its import loads the Go library), so the few messages that it
reads and writes are spelled with field numbers, each next to the name of its `.proto` message.

Source of the format: protobuf.dev, "Encoding".
"""

from __future__ import annotations

import struct
from typing import TypeAlias

Value: TypeAlias = int | float | bytes | str
"""A `float` is a `double` of the schema."""
Field: TypeAlias = tuple[int, Value | None]

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}
_LOW_BITS, _MORE = 0x7F, 0x80
_UINT64 = (1 << 64) - 1


class ProtobufError(ValueError):
    """The bytes are no protobuf message, or end too early."""


class Message:
    """A decoded message: field number -> values in the order they came."""

    def __init__(self, fields: dict[int, list[int | bytes]]) -> None:
        """Wraps the `fields` that `decode` found."""
        self._fields = fields

    def __contains__(self, number: int) -> bool:
        """Whether the field was sent at all."""
        return number in self._fields

    def integer(self, number: int, default: int = 0) -> int:
        """The last value of a varint or fixed field; `default` when it was not sent."""
        value = self._last(number)
        if value is None:
            return default
        if isinstance(value, bytes):
            return int.from_bytes(value, "little")
        return value

    def data(self, number: int) -> bytes:
        """The last value of a length-delimited field; empty when it was not sent."""
        value = self._last(number)
        if isinstance(value, int):
            msg = f"field {number} is a number, not bytes"
            raise ProtobufError(msg)
        return value or b""

    def text(self, number: int) -> str:
        """Like `data`, as UTF-8."""
        return self.data(number).decode()

    def message(self, number: int) -> Message:
        """A sub-message; an empty one when it was not sent."""
        return decode(self.data(number))

    def _last(self, number: int) -> int | bytes | None:
        values = self._fields.get(number)
        return values[-1] if values else None


def encode(*fields: Field) -> bytes:
    """Encodes fields in the order given; a field whose value is None is left out."""
    return b"".join(_field(number, value) for number, value in fields if value is not None)


def decode(data: bytes) -> Message:
    """Decodes one message, whole.

    Raises:
        ProtobufError: if the bytes end too early or hold an unknown wire type.
    """
    fields: dict[int, list[int | bytes]] = {}
    position = 0
    while position < len(data):
        key, position = _read_varint(data, position)
        value, position = _read_value(data, position, key & 7)
        fields.setdefault(key >> 3, []).append(value)
    return Message(fields)


def _field(number: int, value: Value) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3 | _VARINT) + _varint(value)
    if isinstance(value, float):
        return _varint(number << 3 | _FIXED64) + struct.pack("<d", value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | _LENGTH) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    value &= _UINT64
    out = bytearray()
    while value > _LOW_BITS:
        out.append(value & _LOW_BITS | _MORE)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        (byte,), position = _take(data, position, 1)
        value |= (byte & _LOW_BITS) << shift
        if not byte & _MORE:
            return value, position
        shift += 7


def _read_value(data: bytes, position: int, wire_type: int) -> tuple[int | bytes, int]:
    if wire_type == _VARINT:
        return _read_varint(data, position)
    if wire_type == _LENGTH:
        length, position = _read_varint(data, position)
        return _take(data, position, length)
    if wire_type in _FIXED_SIZES:
        return _take(data, position, _FIXED_SIZES[wire_type])
    msg = f"unknown wire type {wire_type}"
    raise ProtobufError(msg)


def _take(data: bytes, position: int, length: int) -> tuple[bytes, int]:
    end = position + length
    if end > len(data):
        msg = f"{length} bytes wanted at {position}, message has {len(data)}"
        raise ProtobufError(msg)
    return data[position:end], end
