"""Sender keys: how members of a group encrypt once for all others.

Source of the protocol facts: libsignal-protocol-go `groups/GroupCipher.go`,
`groups/ratchet/SenderChainKey.go`, `protocol/SenderKeyMessage.go`,
`protocol/SenderKeyDistributionMessage.go`.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

from .keys import KeyPair, hkdf, hmac_sha256
from .protobuf import decode, encode
from .ratchet import MessageKeys, RatchetError, aes_decrypt, aes_encrypt, pad, unpad

_VERSION = b"\x33"
_DJB = b"\x05"
_SIGNATURE_SIZE = 64


class SenderKey:
    """A chain of one sender in one group. Make it with `generate` or from a `distribution`."""

    def __init__(self, key_id: int, index: int, chain: bytes, signing: KeyPair | None) -> None:
        """`index` is the next message's; `signing` is there for the sender only."""
        self.key_id = key_id
        self._index = index
        self._chain = chain
        self._signing = signing
        self._skipped: dict[int, MessageKeys] = {}

    @classmethod
    def generate(cls) -> SenderKey:
        """A fresh chain to send on."""
        return cls(secrets.randbits(31), 0, secrets.token_bytes(32), KeyPair.generate())

    @classmethod
    def of_distribution(cls, data: bytes) -> SenderKey:
        """Somebody else's chain, as they gave it to us."""
        fields = decode(data[1:])
        return cls(fields.integer(1), fields.integer(2), fields.data(3), None)

    def distribution(self) -> bytes:
        """What another member needs to read the messages from here on."""
        if self._signing is None:
            msg = "only its sender gives a sender key away"
            raise RatchetError(msg)
        place = encode((1, self.key_id), (2, self._index))
        return _VERSION + place + encode((3, self._chain), (4, _DJB + self._signing.public))

    def encrypt(self, plaintext: bytes) -> bytes:
        """The next message, signed."""
        if self._signing is None:
            msg = "only its sender writes with a sender key"
            raise RatchetError(msg)
        index, keys = self._step()
        sealed = aes_encrypt(keys, pad(plaintext))
        body = _VERSION + encode((1, self.key_id), (2, index), (3, sealed))
        return body + self._signing.sign(body)

    def decrypt(self, message: bytes) -> bytes:
        """A message of this chain, in whichever order it came; the signature is not looked at.

        Raises:
            RatchetError: if it was read before.
        """
        envelope = SenderKeyMessage.parse(message)
        while self._index <= envelope.place:
            index, keys = self._step()
            self._skipped[index] = keys
        if envelope.place not in self._skipped:
            msg = f"message {envelope.place} of this sender key was read before"
            raise RatchetError(msg)
        return unpad(aes_decrypt(self._skipped.pop(envelope.place), envelope.ciphertext))

    def _step(self) -> tuple[int, MessageKeys]:
        seed = hkdf(hmac_sha256(self._chain, b"\x01"), None, b"WhisperGroup", 48)
        self._chain = hmac_sha256(self._chain, b"\x02")
        self._index += 1
        return self._index - 1, MessageKeys(cipher=seed[16:], mac=b"", iv=seed[:16])


class SenderKeyMessage(NamedTuple):
    """The envelope of an `skmsg`."""

    key_id: int
    place: int
    ciphertext: bytes

    @classmethod
    def parse(cls, data: bytes) -> SenderKeyMessage:
        """Reads an `skmsg`."""
        fields = decode(data[1:-_SIGNATURE_SIZE])
        return cls(fields.integer(1), fields.integer(2), fields.data(3))
