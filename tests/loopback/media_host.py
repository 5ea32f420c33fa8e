"""The host that keeps files: encrypted, fetched over TLS, nothing known of what is in them.

Source of the protocol facts: whatsmeow `download.go` (keys, `hash` and `mms-type` of the address),
`mediaconn.go` (which host).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import os
import ssl
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

if TYPE_CHECKING:
    from cryptography.x509.base import Certificate

_IV, _CIPHER_KEY, _MAC_KEY, _REFERENCE = 16, 32, 32, 32
_MAC = 10
"""Bytes of the HMAC that stand behind what is encrypted."""
_LIFE = timedelta(days=1)
_NOT_STARTED = "the media host is not started"
_INFO = {
    "image": b"WhatsApp Image Keys",
    "sticker": b"WhatsApp Image Keys",
    "video": b"WhatsApp Video Keys",
    "gif": b"WhatsApp Video Keys",
    "audio": b"WhatsApp Audio Keys",
    "voice": b"WhatsApp Audio Keys",
    "document": b"WhatsApp Document Keys",
}


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as a message names it."""

    path: str
    key: bytes
    size: int
    sha256: bytes
    enc_sha256: bytes


class MediaHost:
    """Keeps encrypted files on a free port of 127.0.0.1, with a certificate of its own making."""

    def __init__(self) -> None:
        """Nothing is kept yet."""
        self.fetched: list[str] = []
        """Paths that were asked for, in order."""
        self._files: dict[str, bytes] = {}
        self._numbers = itertools.count(1)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._server: asyncio.Server | None = None
        self._busy: set[asyncio.StreamWriter] = set()

    @property
    def address(self) -> str:
        """Host and port, as `media_conn` tells it; only while started."""
        if self._server is None:
            raise RuntimeError(_NOT_STARTED)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def certificates(self) -> Path:
        """What a core must trust: the value of `SSL_CERT_FILE` when it is executed.

        Only while started.
        """
        if self._folder is None:
            raise RuntimeError(_NOT_STARTED)
        return Path(self._folder.name) / "ca.pem"

    def keep(self, kind: str, data: bytes) -> Upload:
        """Encrypts a file under fresh keys, as phones do, and keeps it."""
        key = os.urandom(32)
        sealed = _seal(data, key, _INFO[kind])
        path = f"/v/{next(self._numbers)}.enc?oh=loopback"  # the core appends with an ampersand
        self._files[path] = sealed
        digest = hashlib.sha256
        return Upload(path, key, len(data), digest(data).digest(), digest(sealed).digest())

    def damage(self, upload: Upload) -> None:
        """Changes one bit of what is kept."""
        kept = self._files[upload.path]
        self._files[upload.path] = bytes([kept[0] ^ 1]) + kept[1:]

    def forget(self, upload: Upload) -> None:
        """Keeps it no longer, as WhatsApp does after some weeks."""
        del self._files[upload.path]

    async def start(self) -> None:
        """Listens on a free port."""
        self._folder = tempfile.TemporaryDirectory(prefix="loopback-media-")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(_certify(self.certificates))
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)

    async def stop(self) -> None:
        """Closes the port and all connections."""
        if self._server:
            self._server.close()
            for writer in self._busy:
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None
        if self._folder:
            self._folder.cleanup()
            self._folder = None

    async def __aenter__(self) -> Self:
        """Starts."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stops."""
        await self.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._busy.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self._answer(head.split()[1].decode(), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has all that it wanted
        finally:
            self._busy.discard(writer)
            writer.close()

    async def _answer(self, target: str, writer: asyncio.StreamWriter) -> None:
        path, ampersand, _ = target.partition("&")
        assert ampersand, target
        self.fetched.append(path)
        data = self._files.get(path)
        status = "404 Not Found" if data is None else "200 OK"
        body = data or b""
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        writer.write(body)
        await writer.drain()


def _seal(data: bytes, key: bytes, info: bytes) -> bytes:
    length = _IV + _CIPHER_KEY + _MAC_KEY + _REFERENCE
    keys = HKDF(hashes.SHA256(), length, salt=None, info=info).derive(key)
    iv, rest = keys[:_IV], keys[_IV:]
    cipher_key, mac_key = rest[:_CIPHER_KEY], rest[_CIPHER_KEY : _CIPHER_KEY + _MAC_KEY]
    padder = padding.PKCS7(algorithms.AES.block_size).padder()
    encryptor = Cipher(algorithms.AES(cipher_key), modes.CBC(iv)).encryptor()
    sealed = encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()
    return sealed + hmac.digest(mac_key, iv + sealed, "sha256")[:_MAC]


def _certify(authority: Path) -> Path:
    """Writes a certificate that signs itself, to be trusted, and beside it the same with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _self_signed(key).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    authority.write_bytes(certificate)
    chain = authority.with_name("server.pem")
    chain.write_bytes(private + certificate)
    return chain


def _self_signed(key: ec.EllipticCurvePrivateKey) -> Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    here = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _LIFE)
        .not_valid_after(now + _LIFE)
        .add_extension(here, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
