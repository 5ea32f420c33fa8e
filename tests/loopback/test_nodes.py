"""Tests of `nodes` and of their form on the wire, `binary`."""

from __future__ import annotations

import zlib

import pytest

from . import dictionary
from .binary import BinaryError, decode, encode
from .nodes import SERVER_JID, Jid, Node

_TABLE = dictionary.Dictionary(
    ("", "stream", "iq", "type"), (("zero", "one"), ("two",), ("three",), ("four",))
)


def _there_and_back(node: Node) -> Node:
    return decode(encode(node), _TABLE)


@pytest.mark.parametrize(
    "node",
    [
        Node("empty"),
        Node("iq", {"type": "get", "empty": ""}),
        Node("enc", {}, b"\x00\xff"),
        Node("a", {"id": "1"}, [Node("b", {}, b"x"), Node("c", {}, [Node("d")])]),
        Node("many", {}, [Node("x")] * 300),
        Node("large", {}, bytes(70_000)),
        Node("huge", {}, bytes(1 << 20)),
    ],
    ids=lambda node: node.tag,
)
def test_nodes_come_back(node: Node) -> None:
    """What is written is read as the same node."""
    assert node == _there_and_back(node)


@pytest.mark.parametrize(
    "jid",
    [
        SERVER_JID,
        Jid("5511999990001"),
        Jid("5511999990001", device=3),
        Jid("100000000000001", "lid", 2),
        Jid("120363000000000000", "g.us"),
    ],
    ids=str,
)
def test_addresses_come_back(jid: Jid) -> None:
    """Users, devices, LIDs, groups and the server keep their parts."""
    assert jid == _there_and_back(Node("to", {"jid": jid})).jid("jid")


def test_words_of_the_dictionary_are_understood() -> None:
    """A client sends common words as one or two bytes."""
    data = bytes([0, 248, 3, 2, 3, 237, 0])
    assert Node("iq", {"type": "two"}) == decode(data, _TABLE)


def test_packed_digits_are_understood() -> None:
    """A client packs digits and hexadecimal two in a byte."""
    digits = bytes([255, 0x82, 0x12, 0x3F])
    letters = bytes([251, 2, 0xAB, 0xC0])
    data = bytes([0, 248, 5, 2, 3]) + digits + bytes([1]) + letters
    assert decode(data, _TABLE).attrs == {"type": "123", "stream": "ABC0"}


def test_compressed_stanzas_are_understood() -> None:
    """A flag says that the rest is deflated."""
    node = Node("iq", {"type": "x" * 100})
    assert node == decode(b"\x02" + zlib.compress(encode(node)[1:]), _TABLE)


@pytest.mark.parametrize(
    "data", [b"\0\xf8\x01", b"\0\x05", b"\0\xf8\x01\xf6", b"\0\xf8\x01\xf8\x00"]
)
def test_what_is_no_node_is_refused(data: bytes) -> None:
    """An early end, a missing list and an unknown token are errors."""
    with pytest.raises(BinaryError):
        decode(data, _TABLE)


def test_the_real_dictionary_is_of_version_three() -> None:
    """The table that setup.sh made has the sizes of the version that whatsmeow speaks."""
    table = dictionary.load()
    assert ([len(table.single)], [len(page) for page in table.double]) == ([236], [256] * 4)


def test_children_are_found_by_path() -> None:
    """`child` and `data` follow tags, and find nothing without complaint."""
    node = Node("a", {}, [Node("b", {}, [Node("c", {}, b"here")]), Node("b")])
    assert node.data("b", "c") == b"here"
    assert [len(node.children("b")), len(node.children("x"))] == [2, 0]
    assert node.child("x", "y") is None


def test_an_address_must_be_one() -> None:
    """Asking for an address where there is none says what was there."""
    with pytest.raises(TypeError, match="from"):
        Node("message", {"from": "alice"}).jid("from")
