"""Tests of `ratchet`: our own side against itself."""

from __future__ import annotations

import pytest

from .keys import KeyPair
from .ratchet import Party, PreKeyBundle, PreKeyMessage, RatchetError, Session


def _bundle(party: Party, one_time: KeyPair | None = None) -> PreKeyBundle:
    public = party.identity.public, 1, party.signed_prekey.public
    return PreKeyBundle(*public, 7 if one_time else None, one_time.public if one_time else None)


def _pair() -> tuple[Session, Session]:
    """A session between two parties, the first message already read."""
    alice, bob = Party(), Party()
    writer = Session.initiate(alice, _bundle(bob))
    first = PreKeyMessage.parse(writer.encrypt(b"first").data)
    reader = Session.accept(bob, first)
    assert reader.decrypt(first.message) == b"first"
    return writer, reader


def test_both_directions_turn_the_ratchet() -> None:
    """Each answer is read by the other side, for many turns."""
    left, right = _pair()
    for turn in range(5):
        question, reply = f"question {turn}".encode(), f"reply {turn}".encode()
        assert reply == left.decrypt(right.encrypt(reply).data)
        assert question == right.decrypt(left.encrypt(question).data)


def test_the_envelope_goes_once_the_other_side_has_answered() -> None:
    """Until then each message can start the session; afterwards none needs to."""
    left, right = _pair()
    assert left.encrypt(b"again").kind == "pkmsg"
    left.decrypt(right.encrypt(b"answer").data)
    assert left.encrypt(b"at last").kind == "msg"


def test_messages_are_read_out_of_order() -> None:
    """A late message finds its key, also when the ratchet turned in between."""
    left, right = _pair()
    left.decrypt(right.encrypt(b"answer").data)
    early, late, last = (left.encrypt(text).data for text in (b"1", b"2", b"3"))
    assert right.decrypt(last) == b"3"
    left.decrypt(right.encrypt(b"turn").data)
    assert right.decrypt(left.encrypt(b"next").data) == b"next"
    assert [right.decrypt(late), right.decrypt(early)] == [b"2", b"1"]


def test_a_message_is_read_once() -> None:
    """A repeat is refused, and the session goes on."""
    left, right = _pair()
    message = right.encrypt(b"once").data
    left.decrypt(message)
    with pytest.raises(RatchetError, match="before"):
        left.decrypt(message)
    assert left.decrypt(right.encrypt(b"more").data) == b"more"


def test_a_changed_message_is_refused_without_harm() -> None:
    """Damage is noticed, and the true message is still read."""
    left, right = _pair()
    message = right.encrypt(b"true").data
    damaged = message[:-1] + bytes([message[-1] ^ 1])
    with pytest.raises(RatchetError, match="changed"):
        left.decrypt(damaged)
    assert left.decrypt(message) == b"true"


def test_a_stranger_cannot_read() -> None:
    """A session with somebody else does not open the message."""
    (left, _), (_, stranger) = _pair(), _pair()
    message = PreKeyMessage.parse(left.encrypt(b"secret").data).message
    with pytest.raises(RatchetError):
        stranger.decrypt(message)


def test_an_accepted_session_reads_before_it_writes() -> None:
    """There is nothing to encrypt with until the first message was read."""
    alice, bob = Party(), Party()
    first = PreKeyMessage.parse(Session.initiate(alice, _bundle(bob)).encrypt(b"x").data)
    with pytest.raises(RatchetError, match="first"):
        Session.accept(bob, first).encrypt(b"too early")


def test_a_one_time_prekey_is_named_in_the_envelope() -> None:
    """With a one-time prekey the secret is another: ours, which has none, cannot read it."""
    alice, bob = Party(), Party()
    session = Session.initiate(alice, _bundle(bob, KeyPair.generate()))
    first = PreKeyMessage.parse(session.encrypt(b"x").data)
    with pytest.raises(RatchetError):
        Session.accept(bob, first).decrypt(first.message)
