"""Tests of `protobuf`."""

from __future__ import annotations

import pytest

from .protobuf import ProtobufError, decode, encode


def test_the_example_of_the_specification() -> None:
    """Field 1 = 150 is written as in protobuf.dev's own example."""
    assert bytes.fromhex("089601") == encode((1, 150))


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**32, 2**64 - 1])
def test_numbers_come_back(value: int) -> None:
    """A varint of any size is read as it was written."""
    assert value == decode(encode((3, value))).integer(3)


def test_text_bytes_and_messages_come_back() -> None:
    """Length-delimited fields are text, bytes or messages, as the reader wants."""
    message = decode(encode((1, "olá"), (2, b"\0\xff"), (200, encode((1, 7)))))
    assert (message.text(1), message.data(2), message.message(200).integer(1)) == (
        "olá",
        b"\0\xff",
        7,
    )


def test_none_is_left_out() -> None:
    """A field without a value is not on the wire, which differs from a zero."""
    message = decode(encode((1, None), (2, 0)))
    assert [number in message for number in (1, 2)] == [False, True]


def test_missing_fields_have_defaults() -> None:
    """What was not sent reads as zero, nothing, or the default asked for."""
    message = decode(b"")
    assert (
        message.integer(1),
        message.integer(1, 9),
        message.data(1),
        message.text(1),
    ) == (0, 9, b"", "")


def test_the_last_of_repeated_values_counts() -> None:
    """A scalar sent twice has its last value."""
    first, last = 4, 5
    assert last == decode(encode((1, first), (1, last))).integer(1)


def test_fixed_width_numbers_are_read() -> None:
    """fixed32 and fixed64 are little-endian."""
    data = bytes([1 << 3 | 5]) + (258).to_bytes(4, "little")
    data += bytes([2 << 3 | 1]) + (259).to_bytes(8, "little")
    assert (decode(data).integer(1), decode(data).integer(2)) == (258, 259)


@pytest.mark.parametrize("data", [b"\x08", b"\x0a\x05abc", b"\x0d\x01", b"\x0b"])
def test_damaged_messages_are_refused(data: bytes) -> None:
    """An early end and an unknown wire type are errors, not guesses."""
    with pytest.raises(ProtobufError):
        decode(data)


def test_a_number_is_not_bytes() -> None:
    """Reading a varint as bytes is a mistake of the reader."""
    with pytest.raises(ProtobufError, match="number"):
        decode(encode((1, 5))).data(1)
