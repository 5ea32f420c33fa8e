"""Files: the real core fetches them from the media host, over TLS, and checks what it gets."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import pytest

from . import kinds
from .kinds import File
from .media_host import MediaHost, Upload

if TYPE_CHECKING:
    from ._core import Core
    from .contact import Contact
    from .phone import Phone
    from .server import LoopbackWhatsApp

_Make: TypeAlias = Callable[[File], bytes]
_Spoil: TypeAlias = Callable[[MediaHost, Upload], Upload]

_SIZES = (1, 16, 300_000)
"""A file shorter than a block of the cipher, one that ends with a block, and a usual one."""
_KINDS: dict[str, tuple[str, _Make]] = {
    "image": ("image/jpeg", kinds.image),
    "video": ("video/mp4", kinds.video),
    "gif": ("video/mp4", lambda file: kinds.video(file, gif=True)),
    "audio": ("audio/mpeg", kinds.audio),
    "voice": ("audio/ogg; codecs=opus", lambda file: kinds.audio(file, voice=True)),
    "document": ("application/pdf", lambda file: kinds.document(file, "bill.pdf")),
    "sticker": ("image/webp", kinds.sticker),
}


@pytest.mark.parametrize("kind", _KINDS)
async def test_bytes_arrive_whole(
    paired: Core, whatsapp: LoopbackWhatsApp, phone: Phone, alice: Contact, kind: str
) -> None:
    """Each kind has keys of its own."""
    mime, make = _KINDS[kind]
    for size in _SIZES:
        data = os.urandom(size)
        upload = whatsapp.media.keep(kind, data)
        await _fetch(paired, phone, alice, make(File(mime, upload)))
        got = await paired.event("downloaded")
        assert (got["size"], got["sha256"]) == (size, hashlib.sha256(data).hexdigest())
        assert whatsapp.media.fetched[-1] == upload.path


def _damaged(host: MediaHost, upload: Upload) -> Upload:
    host.damage(upload)
    return upload


def _gone(host: MediaHost, upload: Upload) -> Upload:
    host.forget(upload)
    return upload


_SPOILT: dict[str, tuple[_Spoil, str]] = {
    "damaged at the host": (_damaged, "hash of media ciphertext doesn't match"),
    "wrong hash of the ciphertext": (
        lambda _, upload: replace(upload, enc_sha256=bytes(32)),
        "hash of media ciphertext doesn't match",
    ),
    "wrong hash of the file": (
        lambda _, upload: replace(upload, sha256=bytes(32)),
        "hash of media plaintext doesn't match",
    ),
    "wrong key": (lambda _, upload: replace(upload, key=bytes(32)), "invalid media hmac"),
    "gone": (_gone, "status code 404"),
}


@pytest.mark.parametrize("how", _SPOILT)
async def test_what_is_not_the_file_is_refused(
    paired: Core, whatsapp: LoopbackWhatsApp, phone: Phone, alice: Contact, how: str
) -> None:
    """Nothing is handed over, and the core says why."""
    spoil, why = _SPOILT[how]
    upload = spoil(whatsapp.media, whatsapp.media.keep("image", os.urandom(5_000)))
    await _fetch(paired, phone, alice, kinds.image(File("image/jpeg", upload)))
    assert why in (await paired.event("not_downloaded"))["why"]


async def _fetch(core: Core, phone: Phone, alice: Contact, payload: bytes) -> None:
    """Let the core receive the message, then fetch the file that it names."""
    wa_id = await alice.send_payload(phone, payload, kind="media")
    assert (await core.event("message"))["wa_id"] == wa_id
    await core.tell("download", wa_id=wa_id)
