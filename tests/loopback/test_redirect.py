"""Tests of `redirect` without a library: what it finds, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import redirect
from .redirect import RedirectError, address_of, loopback_url, offset_of

_LIBRARY = Path("/opt/neonize libs/core.so")
_MAPS = f"""\
7f0000000000-7f0000002000 r--p 00000000 08:01 11 {_LIBRARY}
7f0000002000-7f0000003000 rw-p 00004000 08:01 11 {_LIBRARY}
7f0000009000-7f000000a000 rw-p 00000000 00:00 0
7f000000a000-7f000000b000 r--p 00000000 08:01 12 /usr/lib/other.so
"""


def test_the_address_keeps_its_length() -> None:
    """A Go string has a fixed length: slashes fill the rest."""
    assert len(redirect.URL) == len(loopback_url(1)) == len(loopback_url(65535))
    assert loopback_url(4321).startswith(b"ws://127.0.0.1:4321/ws/chat/")


def test_a_constant_is_found_where_it_stands() -> None:
    """Once in the file, it has an offset."""
    data = b"....needle.."
    assert data.index(b"needle") == offset_of(data, b"needle")


@pytest.mark.parametrize("data", [b"....", b"needle needle"])
def test_an_absent_or_ambiguous_constant_is_refused(data: bytes) -> None:
    """The message says where to look after an upgrade of neonize."""
    with pytest.raises(RedirectError, match="WACertPubKey"):
        offset_of(data, b"needle")


def test_an_offset_becomes_an_address() -> None:
    """The mapping that holds the offset counts, with its own start in the file."""
    expected = [0x7F0000001234, 0x7F0000002010]
    assert expected == [address_of(_MAPS, _LIBRARY, offset) for offset in (0x1234, 0x4010)]


@pytest.mark.parametrize(("library", "offset"), [(_LIBRARY, 0x3000), (Path("/not/there.so"), 0)])
def test_what_is_not_mapped_is_refused(library: Path, offset: int) -> None:
    """A hole in the file's mappings, and a file that is not loaded."""
    with pytest.raises(RedirectError, match="loaded"):
        address_of(_MAPS, library, offset)


def test_nothing_is_changed_in_a_file_without_the_constants(tmp_path: Path) -> None:
    """A library of another make is refused as a whole."""
    library = tmp_path / "core.so"
    library.write_bytes(b"no constants")
    with pytest.raises(RedirectError):
        redirect.redirect(library, 1, bytes(32))
