"""Key pairs and derivations that Noise, the device identity and the ratchet share."""

from __future__ import annotations

import hmac
import os

import xeddsa
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

_HASH = "sha256"
_HASH_SIZE = 32
_ZERO_SALT = bytes(_HASH_SIZE)


class KeyPair:
    """A Curve25519 pair that can agree on secrets (X25519) and sign (XEdDSA)."""

    def __init__(self, private: X25519PrivateKey) -> None:
        """Wraps a private key."""
        self._private = private
        self.public = private.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> KeyPair:
        """A fresh random pair."""
        return cls(X25519PrivateKey.generate())

    def agree(self, public: bytes) -> bytes:
        """The 32 bytes that only the owners of the two private keys can compute."""
        return self._private.exchange(X25519PublicKey.from_public_bytes(public))

    def sign(self, message: bytes) -> bytes:
        """A 64-byte XEdDSA signature, as libsignal verifies it (signal.org, "XEdDSA")."""
        private = xeddsa.priv_force_sign(self._private.private_bytes_raw(), set_sign_bit=False)
        return xeddsa.ed25519_priv_sign(private, message, os.urandom(xeddsa.NONCE_SIZE))


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA256 of the message, 32 bytes."""
    return hmac.digest(key, message, _HASH)


def hkdf(secret: bytes, salt: bytes | None, info: bytes, length: int) -> bytes:
    """HKDF-SHA256 (RFC 5869): `length` bytes derived from the secret."""
    key = hmac_sha256(salt or _ZERO_SALT, secret)
    out = block = b""
    counter = 1
    while len(out) < length:
        block = hmac_sha256(key, block + info + bytes([counter]))
        out += block
        counter += 1
    return out[:length]
