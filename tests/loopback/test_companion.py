"""Tests of `companion`: what it takes and reports, without a connection."""

from __future__ import annotations

import pytest

from .companion import Companion, NotLinkedError, Record, SentReceipt
from .nodes import Attribute, Jid, Node

_ALICE = Jid("200000000000002", "lid")


@pytest.fixture
def companion() -> Companion:
    """A linked device that is away."""
    return Companion(Jid("5511", device=1), Jid("100", "lid", 1), Record())


def _key(tag: str, number: int) -> Node:
    parts = [Node("id", {}, number.to_bytes(3, "big")), Node("value", {}, bytes([number]) * 32)]
    return Node(tag, {}, parts)


def _upload(*numbers: int) -> Node:
    listed = Node("list", {}, [_key("key", number) for number in numbers])
    return Node("iq", {}, [Node("identity", {}, b"i" * 32), listed, _key("skey", 9)])


def test_each_prekey_is_given_once(companion: Companion) -> None:
    """Bundles take prekeys in order of upload, and do without when there are none."""
    companion.publish(_upload(1, 2))
    companion.publish(_upload(3))
    assert [companion.bundle().prekey_id for _ in range(4)] == [1, 2, 3, None]
    assert companion.prekeys_left == 0


def test_without_keys_nobody_can_write(companion: Companion) -> None:
    """The message says what to await."""
    with pytest.raises(NotLinkedError, match="connected"):
        companion.bundle()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(None, "delivered"), ("inactive", "delivered"), ("read", "read"), ("retry", "retry")],
)
def test_receipts_are_read(kind: str | None, expected: str) -> None:
    """The first id stands in the receipt, further ones in its list."""
    attrs: dict[str, Attribute] = {"id": "A", "to": _ALICE}
    if kind:
        attrs["type"] = kind
    node = Node("receipt", attrs, [Node("list", {}, [Node("item", {"id": "B"})])])
    assert SentReceipt(("A", "B"), expected, _ALICE) == SentReceipt.parse(node)


def test_acks_and_receipts_acknowledge_but_a_retry_does_not(companion: Companion) -> None:
    """A companion that asks for a message again has not read it."""
    companion.take_ack(Node("ack", {"class": "message", "id": "A"}))
    companion.take_ack(Node("ack", {"class": "receipt", "id": "B"}))
    companion.take_receipt(Node("receipt", {"id": "C", "to": _ALICE}))
    companion.take_receipt(Node("receipt", {"id": "D", "to": _ALICE, "type": "retry"}))
    assert {"A", "C"} == companion.record.acked
