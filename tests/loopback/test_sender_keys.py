"""Tests of `sender_keys`: both ends of a chain."""

from __future__ import annotations

import pytest

from .ratchet import RatchetError
from .sender_keys import SenderKey, SenderKeyMessage


def test_a_member_reads_in_any_order_and_once() -> None:
    """Keys of messages that are not here yet are kept."""
    ours = SenderKey.generate()
    theirs = SenderKey.of_distribution(ours.distribution())
    sealed = [ours.encrypt(text) for text in (b"one", b"two", b"three")]
    assert [theirs.decrypt(sealed[2]), theirs.decrypt(sealed[0])] == [b"three", b"one"]
    assert theirs.decrypt(sealed[1]) == b"two"
    with pytest.raises(RatchetError):
        theirs.decrypt(sealed[1])


def test_a_late_member_reads_from_there_on() -> None:
    """A distribution says where the chain is."""
    ours = SenderKey.generate()
    before = ours.encrypt(b"before")
    theirs = SenderKey.of_distribution(ours.distribution())
    assert theirs.decrypt(ours.encrypt(b"after")) == b"after"
    with pytest.raises(RatchetError):
        theirs.decrypt(before)


def test_the_envelope_names_key_and_place() -> None:
    """As members find the chain by."""
    ours = SenderKey.generate()
    ours.encrypt(b"first")
    envelope = SenderKeyMessage.parse(ours.encrypt(b"second"))
    assert (ours.key_id, 1) == (envelope.key_id, envelope.place)


def test_only_the_sender_writes() -> None:
    """What members have signs nothing."""
    theirs = SenderKey.of_distribution(SenderKey.generate().distribution())
    for attempt in (theirs.distribution, lambda: theirs.encrypt(b"x")):
        with pytest.raises(RatchetError):
            attempt()
