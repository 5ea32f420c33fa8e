"""Binary XML: nodes as bytes.

Encoding writes every string in full, which WhatsApp's clients accept; decoding understands all
that a client may send, so it needs the string table.

Source of the protocol facts: whatsmeow `binary/encoder.go`, `binary/decoder.go`,
`binary/token/constant.go`.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, TypeAlias

from .nodes import LID_SERVER, PHONE_SERVER, Attribute, Content, Jid, Node

if TYPE_CHECKING:
    from .dictionary import Dictionary

_LIST_EMPTY = 0
_DICTIONARIES = range(236, 240)
_DEVICE_JID = 247
_LIST_8, _LIST_16 = 248, 249
_JID_PAIR = 250
_HEX_8 = 251
_BINARY_8, _BINARY_20, _BINARY_32 = 252, 253, 254
_NIBBLE_8 = 255

_COMPRESSED = 2
_ALPHABETS = {_NIBBLE_8: "0123456789-.???\0", _HEX_8: "0123456789ABCDEF"}
_AGENT_OF = {PHONE_SERVER: 0, LID_SERVER: 1, "hosted": 128, "hosted.lid": 129}
_SERVER_OF = {agent: server for server, agent in _AGENT_OF.items()}

_Item: TypeAlias = "str | bytes | Jid | list[Node] | None"


class BinaryError(ValueError):
    """The bytes are no node, or one of a kind that the loopback does not speak."""


def encode(node: Node) -> bytes:
    """A node as an uncompressed stanza."""
    return b"\0" + _node(node)


def decode(data: bytes, dictionary: Dictionary) -> Node:
    """The node in a stanza, compressed or not.

    Raises:
        BinaryError: if the bytes hold a token that is not known here.
    """
    body = zlib.decompress(data[1:]) if data[0] & _COMPRESSED else data[1:]
    return _Reader(body, dictionary).node()


def _node(node: Node) -> bytes:
    size = 1 + 2 * len(node.attrs) + (node.content is not None)
    attrs = b"".join(_string(key) + _attribute(value) for key, value in node.attrs.items())
    return _list_start(size) + _string(node.tag) + attrs + _content(node.content)


def _content(content: Content) -> bytes:
    if content is None:
        return b""
    if isinstance(content, bytes):
        return _binary(content)
    return _list_start(len(content)) + b"".join(_node(child) for child in content)


def _attribute(value: Attribute) -> bytes:
    return _jid(value) if isinstance(value, Jid) else _string(value)


def _jid(jid: Jid) -> bytes:
    if jid.device and jid.server in _AGENT_OF:
        return bytes([_DEVICE_JID, _AGENT_OF[jid.server], jid.device]) + _string(jid.user)
    user = _string(jid.user) if jid.user else bytes([_LIST_EMPTY])
    return bytes([_JID_PAIR]) + user + _string(jid.server)


def _string(text: str) -> bytes:
    return _binary(text.encode())


def _binary(data: bytes) -> bytes:
    size = len(data)
    if size < 1 << 8:
        return bytes([_BINARY_8, size]) + data
    if size < 1 << 20:
        return bytes([_BINARY_20]) + size.to_bytes(3, "big") + data
    return bytes([_BINARY_32]) + size.to_bytes(4, "big") + data


def _list_start(size: int) -> bytes:
    if size == 0:
        return bytes([_LIST_EMPTY])
    if size < 1 << 8:
        return bytes([_LIST_8, size])
    return bytes([_LIST_16]) + size.to_bytes(2, "big")


class _Reader:
    """A position in a stanza's bytes."""

    def __init__(self, data: bytes, dictionary: Dictionary) -> None:
        self._data = data
        self._dictionary = dictionary
        self._position = 0

    def node(self) -> Node:
        size = self._list_size(self._number(1))
        tag = self._text()
        attrs = {self._text(): self._attribute() for _ in range((size - 1) // 2)}
        return Node(tag, attrs, self._content() if size % 2 == 0 else None)

    def _content(self) -> Content:
        item = self._item()
        if isinstance(item, Jid):
            return str(item).encode()
        return item.encode() if isinstance(item, str) else item

    def _attribute(self) -> Attribute:
        item = self._item()
        return item if isinstance(item, Jid) else _as_text(item)

    def _text(self) -> str:
        return _as_text(self._item())

    def _item(self) -> _Item:
        token = self._number(1)
        if token in (_LIST_8, _LIST_16):
            return [self.node() for _ in range(self._list_size(token))]
        if token in (_BINARY_8, _BINARY_20, _BINARY_32):
            return self._bytes(self._number({_BINARY_8: 1, _BINARY_20: 3, _BINARY_32: 4}[token]))
        if token in (_JID_PAIR, _DEVICE_JID):
            return self._jid(token)
        if token in _ALPHABETS:
            return self._packed(_ALPHABETS[token])
        return self._word(token)

    def _word(self, token: int) -> str | None:
        if token == _LIST_EMPTY:
            return None
        if token in _DICTIONARIES:
            return self._dictionary.double[token - _DICTIONARIES.start][self._number(1)]
        if token < len(self._dictionary.single):
            return self._dictionary.single[token]
        msg = f"token {token} at {self._position} is not spoken here"
        raise BinaryError(msg)

    def _jid(self, token: int) -> Jid:
        if token == _JID_PAIR:
            return Jid(self._text(), self._text())
        agent, device = self._number(1), self._number(1)
        return Jid(self._text(), _SERVER_OF.get(agent, PHONE_SERVER), device)

    def _packed(self, alphabet: str) -> str:
        start = self._number(1)
        packed = self._bytes(start & 0x7F)
        text = "".join(alphabet[byte >> 4] + alphabet[byte & 0xF] for byte in packed)
        return text[:-1] if start & 0x80 else text

    def _list_size(self, token: int) -> int:
        widths = {_LIST_EMPTY: 0, _LIST_8: 1, _LIST_16: 2}
        if token not in widths:
            msg = f"a list wanted at {self._position}, found token {token}"
            raise BinaryError(msg)
        return self._number(widths[token])

    def _number(self, width: int) -> int:
        return int.from_bytes(self._bytes(width), "big")

    def _bytes(self, count: int) -> bytes:
        end = self._position + count
        if end > len(self._data):
            msg = f"{count} bytes wanted at {self._position}, stanza has {len(self._data)}"
            raise BinaryError(msg)
        data = self._data[self._position : end]
        self._position = end
        return data


def _as_text(item: _Item) -> str:
    if isinstance(item, list):
        msg = "text wanted, found nodes"
        raise BinaryError(msg)
    if isinstance(item, bytes):
        return item.decode("utf-8", "replace")
    return str(item) if item else ""
