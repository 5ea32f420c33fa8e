"""Pairing: the codes that a companion shows, and what the phone that scans one signs.

Source of the protocol facts: whatsmeow `pair.go`, `qrchan.go`, `WAWebProtobufsAdv.proto`.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .keys import KeyPair, hmac_sha256
from .nodes import SERVER_JID, Attribute, Jid, Node
from .protobuf import encode
from .watch import Watch

if TYPE_CHECKING:
    from .connection import Connection
    from .link_code import Finish, Hello

_ACCOUNT_SIGNATURE_PREFIX = b"\x06\x00"
_CODE_PARTS = 4


class PairingError(Exception):
    """The code is not one that a connected companion shows, or the companion refused."""


@dataclass(frozen=True, slots=True)
class Introduction:
    """What the phone learns of a companion: its identity key and a shared secret."""

    identity: bytes
    secret: bytes


@dataclass(frozen=True, slots=True)
class QrCode:
    """A scanned code."""

    ref: str
    noise_key: bytes
    introduction: Introduction

    @classmethod
    def parse(cls, qr: str) -> QrCode:
        """Reads the text of a QR, with or without the link in front of it.

        Raises:
            PairingError: if it is no pairing code.
        """
        parts = qr.rpartition("#")[2].split(",")
        if len(parts) < _CODE_PARTS:
            msg = f"no pairing code: {qr[:40]!r}"
            raise PairingError(msg)
        noise_key, identity, secret = (base64.b64decode(part) for part in parts[1:_CODE_PARTS])
        return cls(parts[0], noise_key, Introduction(identity, secret))


@dataclass(slots=True)
class Candidate:
    """A connection that waits to be paired."""

    connection: Connection
    refs: list[str]
    hello: Hello | None = None
    finish: Finish | None = None


@dataclass(slots=True)
class PairingDesk:
    """All connections that wait to be paired."""

    watch: Watch = field(default_factory=Watch)
    _candidates: list[Candidate] = field(default_factory=list)

    async def offer(self, connection: Connection, count: int) -> Candidate:
        """Gives a connection `count` references to make codes of."""
        candidate = Candidate(connection, [f"2@{secrets.token_urlsafe(24)}" for _ in range(count)])
        refs = [Node("ref", {}, ref.encode()) for ref in candidate.refs]
        attrs: dict[str, Attribute] = {
            "from": SERVER_JID,
            "type": "set",
            "id": "pair-device",
            "xmlns": "md",
        }
        self._candidates.append(candidate)
        await connection.send(Node("iq", attrs, [Node("pair-device", {}, refs)]))
        self.watch.touch()
        return candidate

    def withdraw(self, candidate: Candidate) -> None:
        """The connection is gone."""
        self._candidates.remove(candidate)

    async def showing(self, code: QrCode, seconds: float) -> Candidate:
        """Waits for the connection that shows this code.

        Raises:
            PairingError: if that connection was never given the code's reference.
        """

        def found() -> Candidate | None:
            return next((c for c in self._candidates if _noise_key(c) == code.noise_key), None)

        await self.watch.until(lambda: found() is not None, seconds, "companion with this code")
        candidate = found()
        if candidate is None or code.ref not in candidate.refs:
            msg = f"the companion was not given {code.ref!r}"
            raise PairingError(msg)
        return candidate

    async def greeting(self, number: str, seconds: float) -> tuple[Candidate, Hello]:
        """Waits for a connection that wants to be linked to this number by an entered code."""

        def found() -> list[tuple[Candidate, Hello]]:
            pairs = [(c, c.hello) for c in self._candidates if c.hello]
            return [(c, hello) for c, hello in pairs if hello.number == number]

        await self.watch.until(lambda: bool(found()), seconds, f"companion asking {number}")
        return found()[-1]


async def confirm(candidate: Candidate, success: Node) -> None:
    """Tells the companion that it is paired, and to connect again (515), which it does by itself.

    Raises:
        PairingError: if the companion does not believe the signatures.
    """
    answer = await candidate.connection.ask(success)
    if answer.text("type") != "result":
        msg = f"the companion refused the pairing: {answer}"
        raise PairingError(msg)
    await candidate.connection.send(Node("stream:error", {"code": "515"}))


def success(phone: KeyPair, companion: Introduction, jid: Jid, lid: Jid, seconds: str) -> Node:
    """The `iq` with which WhatsApp passes on the phone's signed consent."""
    identity = _device_identity(phone, companion, jid.device, int(seconds))
    content = [
        Node("device-identity", {}, identity),
        Node("device", {"jid": jid, "lid": lid}),
        Node("platform", {"name": "android"}),
    ]
    return Node("iq", {"type": "set", "t": seconds}, [Node("pair-success", {}, content)])


def _device_identity(
    phone: KeyPair, companion: Introduction, key_index: int, seconds: int
) -> bytes:
    # ADVDeviceIdentity, ADVSignedDeviceIdentity, ADVSignedDeviceIdentityHMAC
    details = encode((1, secrets.randbits(31)), (2, seconds), (3, key_index))
    signature = phone.sign(_ACCOUNT_SIGNATURE_PREFIX + details + companion.identity)
    signed = encode((1, details), (2, phone.public), (3, signature))
    return encode((1, signed), (2, hmac_sha256(companion.secret, signed)))


def _noise_key(candidate: Candidate) -> bytes:
    return candidate.connection.transport.client_static
