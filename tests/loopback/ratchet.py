"""Signal between two devices: X3DH, then the double ratchet, as WhatsApp uses them.

Source of the protocol facts: signal.org "X3DH" and "Double Ratchet", libsignal-protocol-go
`protocol/SignalMessage.go`, `protocol/PreKeySignalMessage.go`, whatsmeow `message.go` (padding).
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from .keys import KeyPair, hkdf, hmac_sha256
from .protobuf import decode, encode

Kind: TypeAlias = Literal["pkmsg", "msg"]

_VERSION = b"\x33"
_DJB = b"\x05"
_MAC_SIZE = 8
_BLOCK = 16
_X3DH_PREFIX = b"\xff" * 32


class RatchetError(Exception):
    """A message that this session cannot read: wrong keys, a repeat, or damage."""


@dataclass(frozen=True)
class Party:
    """The long-lived keys of one of our devices."""

    identity: KeyPair = field(default_factory=KeyPair.generate)
    signed_prekey: KeyPair = field(default_factory=KeyPair.generate)
    registration_id: int = field(default_factory=lambda: secrets.randbelow(16000) + 1)


@dataclass(frozen=True, slots=True)
class PreKeyBundle:
    """What the other device published, so that we may write first."""

    identity: bytes
    signed_prekey_id: int
    signed_prekey: bytes
    prekey_id: int | None = None
    prekey: bytes | None = None


@dataclass(frozen=True, slots=True)
class Ciphertext:
    """One encrypted message: `pkmsg` until the other side has answered, then `msg`."""

    kind: Kind
    data: bytes


@dataclass(frozen=True, slots=True)
class PreKeyMessage:
    """The opened envelope of a `pkmsg`: who wrote, with which base key, and the message."""

    identity: bytes
    base: bytes
    message: bytes

    @classmethod
    def parse(cls, data: bytes) -> PreKeyMessage:
        """Reads a `pkmsg`; the one-time prekey is ignored, we never publish any."""
        fields = decode(data[1:])
        return cls(fields.data(3)[1:], fields.data(2)[1:], fields.data(4))


@dataclass(frozen=True, slots=True)
class MessageKeys:
    """What encrypts one message."""

    cipher: bytes
    mac: bytes
    iv: bytes


@dataclass(slots=True)
class _Chain:
    """A symmetric chain: every message moves it one step; `index` is the next message's."""

    key: bytes
    index: int = 0

    def step(self) -> MessageKeys:
        seed = hkdf(hmac_sha256(self.key, b"\x01"), None, b"WhisperMessageKeys", 80)
        self.key = hmac_sha256(self.key, b"\x02")
        self.index += 1
        return MessageKeys(seed[:32], seed[32:64], seed[64:])


@dataclass(slots=True)
class _Receiving:
    """A chain of the other side, and the keys of messages that are not here yet."""

    chain: _Chain
    skipped: dict[int, MessageKeys] = field(default_factory=dict)

    def at(self, index: int) -> tuple[MessageKeys, _Receiving]:
        """The keys of message `index`, and this state once they are used."""
        after = _Receiving(_Chain(self.chain.key, self.chain.index), dict(self.skipped))
        while after.chain.index <= index:
            here = after.chain.index
            after.skipped[here] = after.chain.step()
        if index not in after.skipped:
            msg = f"message {index} of this chain was read before"
            raise RatchetError(msg)
        return after.skipped.pop(index), after


@dataclass(slots=True)
class _Sending:
    """Our current ratchet key pair and its chain."""

    ratchet: KeyPair
    chain: _Chain


class Session:
    """A conversation with one other device. Make it with `initiate` or `accept`."""

    def __init__(self, party: Party, their_identity: bytes, root: bytes) -> None:
        """Starts from the root key that X3DH gave; for the two constructors only."""
        self.their_identity = their_identity
        self._party = party
        self._root = root
        self._ratchet = party.signed_prekey
        self._sending: _Sending | None = None
        self._previous = 0
        self._receiving: dict[bytes, _Receiving] = {}
        self._envelope: bytes | None = None

    @classmethod
    def initiate(cls, party: Party, bundle: PreKeyBundle) -> Session:
        """We write first, to a device whose bundle we fetched."""
        base = KeyPair.generate()
        secret = _X3DH_PREFIX + party.identity.agree(bundle.signed_prekey)
        secret += base.agree(bundle.identity) + base.agree(bundle.signed_prekey)
        secret += base.agree(bundle.prekey) if bundle.prekey else b""
        session = cls(party, bundle.identity, _root_of(secret))
        session._root, session._sending = _ratchet_out(session._root, bundle.signed_prekey)
        session._ratchet = session._sending.ratchet
        session._envelope = encode(
            (5, party.registration_id),
            (1, bundle.prekey_id),
            (6, bundle.signed_prekey_id),
            (2, _DJB + base.public),
            (3, _DJB + party.identity.public),
        )
        return session

    @classmethod
    def accept(cls, party: Party, first: PreKeyMessage) -> Session:
        """They wrote first; `decrypt(first.message)` comes next."""
        secret = _X3DH_PREFIX + party.signed_prekey.agree(first.identity)
        secret += party.identity.agree(first.base) + party.signed_prekey.agree(first.base)
        return cls(party, first.identity, _root_of(secret))

    def encrypt(self, plaintext: bytes) -> Ciphertext:
        """The next message of ours.

        Raises:
            RatchetError: on an accepted session whose first message was not decrypted yet.
        """
        if self._sending is None:
            msg = "decrypt their first message before answering"
            raise RatchetError(msg)
        index = self._sending.chain.index
        keys = self._sending.chain.step()
        body = _VERSION + encode(
            (1, _DJB + self._sending.ratchet.public),
            (2, index),
            (3, self._previous),
            (4, aes_encrypt(keys, pad(plaintext))),
        )
        mac = _mac(keys, self._party.identity.public, self.their_identity, body)
        if self._envelope is None:
            return Ciphertext("msg", body + mac)
        return Ciphertext("pkmsg", _VERSION + self._envelope + encode((4, body + mac)))

    def decrypt(self, message: bytes) -> bytes:
        """Their message, in whichever order it came. A failure leaves the session as it was.

        Raises:
            RatchetError: if this session cannot read it.
        """
        body, mac = message[:-_MAC_SIZE], message[-_MAC_SIZE:]
        fields = decode(body[1:])
        their_ratchet = fields.data(1)[1:]
        known = self._receiving.get(their_ratchet)
        root, chain = (self._root, known) if known else self._ratchet_in(their_ratchet)
        keys, after = chain.at(fields.integer(2))
        if not hmac.compare_digest(
            _mac(keys, self.their_identity, self._party.identity.public, body), mac
        ):
            msg = "the message is not of this session, or was changed"
            raise RatchetError(msg)
        self._receiving[their_ratchet] = after
        if known is None:
            self._turn(root, their_ratchet)
        return unpad(aes_decrypt(keys, fields.data(4)))

    def _ratchet_in(self, their_ratchet: bytes) -> tuple[bytes, _Receiving]:
        root, key = _ratchet_step(self._root, self._ratchet.agree(their_ratchet))
        return root, _Receiving(_Chain(key))

    def _turn(self, root: bytes, their_ratchet: bytes) -> None:
        """They answered with a new ratchet key: so do we with our next message."""
        self._previous = self._sending.chain.index if self._sending else 0
        self._root, self._sending = _ratchet_out(root, their_ratchet)
        self._ratchet = self._sending.ratchet
        self._envelope = None


def _root_of(secret: bytes) -> bytes:
    return hkdf(secret, None, b"WhisperText", 64)[:32]


def _ratchet_step(root: bytes, secret: bytes) -> tuple[bytes, bytes]:
    derived = hkdf(secret, root, b"WhisperRatchet", 64)
    return derived[:32], derived[32:]


def _ratchet_out(root: bytes, their_ratchet: bytes) -> tuple[bytes, _Sending]:
    ratchet = KeyPair.generate()
    root, key = _ratchet_step(root, ratchet.agree(their_ratchet))
    return root, _Sending(ratchet, _Chain(key))


def _mac(keys: MessageKeys, sender: bytes, receiver: bytes, body: bytes) -> bytes:
    return hmac_sha256(keys.mac, _DJB + sender + _DJB + receiver + body)[:_MAC_SIZE]


def aes_encrypt(keys: MessageKeys, data: bytes) -> bytes:
    """AES-CBC, filled up to whole blocks (PKCS 7)."""
    fill = _BLOCK - len(data) % _BLOCK
    worker = Cipher(algorithms.AES(keys.cipher), modes.CBC(keys.iv)).encryptor()
    return worker.update(data + bytes([fill]) * fill) + worker.finalize()


def aes_decrypt(keys: MessageKeys, data: bytes) -> bytes:
    """The other way."""
    worker = Cipher(algorithms.AES(keys.cipher), modes.CBC(keys.iv)).decryptor()
    plain = worker.update(data) + worker.finalize()
    return plain[: -plain[-1]]


def pad(data: bytes) -> bytes:
    """WhatsApp hides the length: 1 to 15 bytes, each of which says how many they are."""
    fill = secrets.randbelow(15) + 1
    return data + bytes([fill]) * fill


def unpad(data: bytes) -> bytes:
    """The data without what `pad` added."""
    return data[: -data[-1]]
