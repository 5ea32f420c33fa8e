"""Points the neonize library of THIS process at a loopback WhatsApp.

For test workers only. WhatsApp's address and root key are constants inside the compiled library;
there is no setting for them. They are found by content in the library's file, and overwritten
where this process has mapped that file. The file itself stays as it is.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from dataclasses import dataclass
from pathlib import Path

URL = b"wss://web.whatsapp.com/ws/chat"
"""whatsmeow `socket/constants.go`."""
ROOT_KEY = bytes.fromhex("142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b")
"""whatsmeow `handshake.go`, `WACertPubKey`."""

_MAPS = Path("/proc/self/maps")
_MAPS_COLUMNS = 6
_READ_WRITE = mmap.PROT_READ | mmap.PROT_WRITE


class RedirectError(RuntimeError):
    """The library is not as expected, and nothing was overwritten."""


@dataclass(frozen=True, slots=True)
class _Patch:
    address: int
    old: bytes
    new: bytes


def redirect(library: Path, port: int, root_key: bytes) -> None:
    """Overwrites address and root key in memory. Call it before the first `connect`.

    Args:
        library: the shared library, already loaded by this process.
        port: where the loopback listens on 127.0.0.1.
        root_key: the key that signs the loopback's certificates, 32 bytes.

    Raises:
        RedirectError: if a constant is absent, ambiguous, or not mapped; nothing is changed then.
    """
    data = library.read_bytes()
    maps = _MAPS.read_text(encoding="utf-8")
    wanted = [(URL, loopback_url(port)), (ROOT_KEY, root_key)]
    patches = [
        _Patch(address_of(maps, library, offset_of(data, old)), old, new) for old, new in wanted
    ]
    for patch in patches:
        _check(patch)
    for patch in patches:
        _overwrite(patch)


def loopback_url(port: int) -> bytes:
    """The loopback's address, filled up with slashes to the length of WhatsApp's."""
    return f"ws://127.0.0.1:{port}/ws/chat".encode().ljust(len(URL), b"/")


def offset_of(data: bytes, constant: bytes) -> int:
    """Where the constant stands in the library's file; it must stand there once."""
    count = data.count(constant)
    if count == 1:
        return data.index(constant)
    msg = (
        f"{constant!r} occurs {count} times in the neonize library, not once. Was neonize "
        "upgraded? Look up URL (socket/constants.go) and WACertPubKey (handshake.go) in the "
        "whatsmeow version that it was built with, and correct tests/loopback/redirect.py"
    )
    raise RedirectError(msg)


def address_of(maps: str, library: Path, offset: int) -> int:
    """Where /proc/self/maps says that this offset of the file is in memory."""
    for line in maps.splitlines():
        columns = line.split(maxsplit=_MAPS_COLUMNS - 1)
        if len(columns) < _MAPS_COLUMNS or columns[-1] != str(library):
            continue
        low, high = (int(part, 16) for part in columns[0].split("-"))
        start = int(columns[2], 16)
        if start <= offset < start + high - low:
            return low + offset - start
    msg = f"offset {offset:#x} of {library} is not in {_MAPS}: was the library loaded from there?"
    raise RedirectError(msg)


def _check(patch: _Patch) -> None:
    found = ctypes.string_at(patch.address, len(patch.old))
    if found != patch.old:
        msg = f"memory at {patch.address:#x} holds {found!r}: was this process redirected before?"
        raise RedirectError(msg)
    if len(patch.new) != len(patch.old):
        msg = f"{patch.new!r} is not as long as {patch.old!r}"
        raise RedirectError(msg)


def _overwrite(patch: _Patch) -> None:
    first = patch.address & ~(mmap.PAGESIZE - 1)
    size = patch.address + len(patch.new) - first
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mprotect(ctypes.c_void_p(first), ctypes.c_size_t(size), _READ_WRITE):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), "mprotect")
    ctypes.memmove(patch.address, patch.new, len(patch.new))
