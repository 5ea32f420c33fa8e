"""Tests of `noise`, `certificate` and the framing in `connection`, with a client of our own."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import xeddsa
from cryptography.exceptions import InvalidTag

from .certificate import ServerIdentity, issue
from .connection import FrameBuffer
from .keys import KeyPair
from .noise import CipherStream, ServerHandshake, SymmetricState
from .protobuf import decode, encode

_HEADER = b"WA\x06\x03"
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


class _Client:
    """The initiator's side of Noise XX."""

    def __init__(self) -> None:
        self.static = KeyPair.generate()
        self.certificate = b""
        self._ephemeral = KeyPair.generate()
        self._state = SymmetricState(_HEADER)

    def hello(self) -> bytes:
        self._state.mix_hash(self._ephemeral.public)
        return encode((2, encode((1, self._ephemeral.public))))

    def finish(self, answer: bytes, payload: bytes) -> bytes:
        fields, state = decode(answer).message(3), self._state
        theirs = fields.data(1)
        state.mix_hash(theirs)
        state.mix_key(self._ephemeral.agree(theirs))
        server = state.decrypt(fields.data(2))
        state.mix_key(self._ephemeral.agree(server))
        self.certificate = state.decrypt(fields.data(3))
        static = state.encrypt(self.static.public)
        state.mix_key(self.static.agree(theirs))
        return encode((4, encode((1, static), (2, state.encrypt(payload)))))

    def streams(self) -> tuple[CipherStream, CipherStream]:
        return self._state.split()


@pytest.fixture
def identity() -> ServerIdentity:
    """A server with a fresh certificate."""
    return issue(_NOW)


def test_a_handshake_gives_both_sides_the_same_streams(identity: ServerIdentity) -> None:
    """Both directions are readable, message after message, and the payload has arrived."""
    client = _Client()
    handshake = ServerHandshake(_HEADER, identity.static, identity.certificate)
    finish = client.finish(handshake.answer(client.hello()), encode((1, 42)))
    transport = handshake.finish(finish)
    up, down = client.streams()
    assert (client.static.public, 42) == (transport.client_static, transport.payload.integer(1))
    for text in (b"one", b"two"):
        assert text == transport.incoming.decrypt(up.encrypt(text))
        assert text == down.decrypt(transport.outgoing.encrypt(text))


def test_another_header_fails_the_handshake(identity: ServerIdentity) -> None:
    """The header is part of what both sides must agree on."""
    client = _Client()
    handshake = ServerHandshake(b"WA\x06\x02", identity.static, identity.certificate)
    with pytest.raises(InvalidTag):
        client.finish(handshake.answer(client.hello()), b"")


def test_the_chain_leads_from_the_root_to_the_noise_key(identity: ServerIdentity) -> None:
    """The root signs the intermediate, which signs the leaf, which names the server's key."""
    chain = decode(identity.certificate)
    leaf, middle = chain.message(1), chain.message(2)
    signers = {1: decode(middle.data(1)).data(3), 2: identity.root_key}
    for certificate, signer in ((leaf, signers[1]), (middle, signers[2])):
        edwards = xeddsa.curve25519_pub_to_ed25519_pub(signer, set_sign_bit=False)
        assert xeddsa.ed25519_verify(certificate.data(2), edwards, certificate.data(1))
    assert identity.static.public == decode(leaf.data(1)).data(3)


def test_the_chain_is_valid_now(identity: ServerIdentity) -> None:
    """Each certificate begins before the present and ends after it."""
    chain = decode(identity.certificate)
    for number in (1, 2):
        details = decode(chain.message(number).data(1))
        assert details.integer(4) < _NOW.timestamp() < details.integer(5)


@pytest.mark.parametrize("size", [1, 4, 7, 100])
def test_frames_are_cut_however_the_bytes_come(size: int) -> None:
    """The header comes once; frames end where their lengths say, in pieces of any size."""
    frames = [b"first", b"", b"x" * 300]
    data = _HEADER + b"".join(len(frame).to_bytes(3, "big") + frame for frame in frames)
    buffer = FrameBuffer()
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    assert frames == [frame for piece in pieces for frame in buffer.feed(piece)]
    assert buffer.header == _HEADER
