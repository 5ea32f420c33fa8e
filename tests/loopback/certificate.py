"""The certificate chain with which a server proves its Noise key.

Source of the protocol facts: whatsmeow `handshake.go` (`verifyServerCert`), `WACert.proto`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from .keys import KeyPair
from .protobuf import encode

_LIFE = timedelta(days=365)
_ROOT_SERIAL, _INTERMEDIATE_SERIAL, _LEAF_SERIAL = 0, 1, 2


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """A server's Noise key, its certificate chain, and the root that clients must trust."""

    static: KeyPair
    certificate: bytes
    root_key: bytes


def issue(now: datetime) -> ServerIdentity:
    """Makes a root, an intermediate and a leaf, valid from a day before `now` for a year."""
    root, intermediate, static = (KeyPair.generate() for _ in range(3))
    middle = _certificate(_INTERMEDIATE_SERIAL, _ROOT_SERIAL, intermediate.public, root, now)
    leaf = _certificate(_LEAF_SERIAL, _INTERMEDIATE_SERIAL, static.public, intermediate, now)
    return ServerIdentity(static, encode((1, leaf), (2, middle)), root.public)


def _certificate(serial: int, issuer: int, key: bytes, signer: KeyPair, now: datetime) -> bytes:
    begins = int((now - timedelta(days=1)).timestamp())
    ends = int((now + _LIFE).timestamp())
    details = encode((1, serial), (2, issuer), (3, key), (4, begins), (5, ends))
    return encode((1, details), (2, signer.sign(details)))
