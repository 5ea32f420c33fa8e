"""Pairing by a code that is typed into the phone, instead of a scanned one.

The eight characters encrypt the two ephemeral keys; the secrets follow from them.
Source of the protocol facts: whatsmeow `pair-code.go`.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .keys import KeyPair, hkdf
from .nodes import SERVER_JID, Attribute, Node

TAG = "link_code_companion_reg"

_ROUNDS = 2 << 16
_SALT, _IV, _NONCE, _KEY = 32, 16, 12, 32
_BUNDLE_INFO = b"link_code_pairing_key_bundle_encryption_key"


@dataclass(frozen=True, slots=True)
class Hello:
    """A companion asks for a number's phone, with its wrapped ephemeral key."""

    number: str
    ref: bytes
    wrapped_key: bytes

    @classmethod
    def parse(cls, request: Node) -> Hello:
        """Reads stage `companion_hello`; the reference is drawn here, as the server does."""
        wrapped = request.data("link_code_pairing_wrapped_companion_ephemeral_pub")
        return cls(request.jid("jid").user, secrets.token_hex(16).encode(), wrapped)


@dataclass(frozen=True, slots=True)
class Finish:
    """The companion's identity key and the bundle that proves it knew the code."""

    identity: bytes
    wrapped_bundle: bytes

    @classmethod
    def parse(cls, request: Node) -> Finish:
        """Reads stage `companion_finish`."""
        bundle = request.data("link_code_pairing_wrapped_key_bundle")
        return cls(request.data("companion_identity_public"), bundle)


class PhoneSide:
    """What the phone computes once its owner has typed the code."""

    def __init__(self, code: str, identity: KeyPair) -> None:
        """`code` as the companion shows it, the hyphen included or not."""
        self._code = code.replace("-", "").encode()
        self._identity = identity
        self._ephemeral = KeyPair.generate()

    def hello(self, theirs: Hello, seconds: str) -> Node:
        """The notification (`primary_hello`) that answers a companion's hello."""
        salt, iv = secrets.token_bytes(_SALT), secrets.token_bytes(_IV)
        wrapped = salt + iv + self._mask(salt, iv, self._ephemeral.public)
        content = [
            Node("link_code_pairing_wrapped_primary_ephemeral_pub", {}, wrapped),
            Node("primary_identity_pub", {}, self._identity.public),
            Node("link_code_pairing_ref", {}, theirs.ref),
        ]
        wanted = secrets.token_hex(8)
        attrs: dict[str, Attribute] = {"from": SERVER_JID, "type": TAG, "id": wanted, "t": seconds}
        return Node("notification", attrs, [Node(TAG, {"stage": "primary_hello"}, content)])

    def secret(self, hello: Hello, finish: Finish) -> bytes:
        """The shared secret that authenticates the pairing (`adv_secret`).

        Raises:
            cryptography.exceptions.InvalidTag: if the two sides did not use the same code.
        """
        salt, iv = hello.wrapped_key[:_SALT], hello.wrapped_key[_SALT : _SALT + _IV]
        companion = self._mask(salt, iv, hello.wrapped_key[_SALT + _IV :])
        shared = self._ephemeral.agree(companion)
        identities = self._identity.agree(finish.identity)
        return hkdf(shared + identities + _random(shared, finish), None, b"adv_secret", _KEY)

    def _mask(self, salt: bytes, iv: bytes, key: bytes) -> bytes:
        stretched = hashlib.pbkdf2_hmac("sha256", self._code, salt, _ROUNDS, _KEY)
        worker = Cipher(algorithms.AES(stretched), modes.CTR(iv)).encryptor()
        return worker.update(key) + worker.finalize()


def _random(shared: bytes, finish: Finish) -> bytes:
    """The companion's random part, last in its bundle."""
    salt, rest = finish.wrapped_bundle[:_SALT], finish.wrapped_bundle[_SALT:]
    key = hkdf(shared, salt, _BUNDLE_INFO, _KEY)
    return AESGCM(key).decrypt(rest[:_NONCE], rest[_NONCE:], None)[-_KEY:]
