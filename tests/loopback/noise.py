"""The server's side of WhatsApp's Noise XX handshake, and the encrypted transport after it.

Source of the protocol facts: noiseprotocol.org (pattern XX), whatsmeow `handshake.go`,
`socket/noisehandshake.go`, `socket/noisesocket.go`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .keys import KeyPair, hkdf
from .protobuf import Message, decode, encode

_PATTERN = b"Noise_XX_25519_AESGCM_SHA256\0\0\0\0"

# HandshakeMessage { ClientHello = 2, ServerHello = 3, ClientFinish = 4 }
_CLIENT_HELLO, _SERVER_HELLO, _CLIENT_FINISH = 2, 3, 4
# each of the three { ephemeral or static = 1, static or payload = 2, payload = 3 }


class CipherStream:
    """AES-GCM in one direction: the nonce counts the messages."""

    def __init__(self, key: bytes) -> None:
        """Starts counting at zero."""
        self._cipher = AESGCM(key)
        self._count = 0

    def encrypt(self, data: bytes, associated: bytes | None = None) -> bytes:
        """Seals the next message."""
        return self._cipher.encrypt(self._nonce(), data, associated)

    def decrypt(self, data: bytes, associated: bytes | None = None) -> bytes:
        """Opens the next message; raises `cryptography.exceptions.InvalidTag` if it is not."""
        return self._cipher.decrypt(self._nonce(), data, associated)

    def _nonce(self) -> bytes:
        nonce = self._count.to_bytes(12, "big")
        self._count += 1
        return nonce


class SymmetricState:
    """Noise's running hash, chaining key and handshake cipher. Both sides run the same one."""

    def __init__(self, prologue: bytes) -> None:
        """`prologue` is the four-byte connection header that the client sent first."""
        self._hash = _PATTERN
        self._chaining_key = _PATTERN
        self._cipher = CipherStream(_PATTERN)
        self.mix_hash(prologue)

    def mix_hash(self, data: bytes) -> None:
        """Binds the data to everything that follows."""
        self._hash = hashlib.sha256(self._hash + data).digest()

    def mix_key(self, secret: bytes) -> None:
        """Binds a shared secret: from here on both sides must know it."""
        derived = hkdf(secret, self._chaining_key, b"", 64)
        self._chaining_key, self._cipher = derived[:32], CipherStream(derived[32:])

    def encrypt(self, data: bytes) -> bytes:
        """Seals a part of a handshake message."""
        sealed = self._cipher.encrypt(data, self._hash)
        self.mix_hash(sealed)
        return sealed

    def decrypt(self, sealed: bytes) -> bytes:
        """Opens a part of a handshake message."""
        data = self._cipher.decrypt(sealed, self._hash)
        self.mix_hash(sealed)
        return data

    def split(self) -> tuple[CipherStream, CipherStream]:
        """The two streams after the handshake: from the client, from the server."""
        derived = hkdf(b"", self._chaining_key, b"", 64)
        return CipherStream(derived[:32]), CipherStream(derived[32:])


@dataclass(frozen=True, slots=True)
class Transport:
    """What the handshake leaves behind."""

    client_static: bytes
    payload: Message
    """The client's `ClientPayload` (waWa6): a login or a request to pair."""
    incoming: CipherStream
    outgoing: CipherStream


class ServerHandshake:
    """Two steps: `answer` the client's hello, then take its finish."""

    def __init__(self, header: bytes, static: KeyPair, certificate: bytes) -> None:
        """`certificate` is the chain that vouches for `static`, see `certificate.issue`."""
        self._state = SymmetricState(header)
        self._static = static
        self._certificate = certificate
        self._ephemeral = KeyPair.generate()

    def answer(self, hello: bytes) -> bytes:
        """The server's hello for a client's hello."""
        theirs = decode(hello).message(_CLIENT_HELLO).data(1)
        state, ours = self._state, self._ephemeral
        state.mix_hash(theirs)
        state.mix_hash(ours.public)
        state.mix_key(ours.agree(theirs))
        static = state.encrypt(self._static.public)
        state.mix_key(self._static.agree(theirs))
        payload = state.encrypt(self._certificate)
        body = encode((1, ours.public), (2, static), (3, payload))
        return encode((_SERVER_HELLO, body))

    def finish(self, finish: bytes) -> Transport:
        """Reads the client's finish; the handshake is done."""
        fields = decode(finish).message(_CLIENT_FINISH)
        client_static = self._state.decrypt(fields.data(1))
        self._state.mix_key(self._ephemeral.agree(client_static))
        payload = decode(self._state.decrypt(fields.data(2)))
        incoming, outgoing = self._state.split()
        return Transport(client_static, payload, incoming, outgoing)
