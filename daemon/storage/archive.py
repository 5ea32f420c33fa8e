"""The form of a backup: a tar of files, and last a manifest with their sums.

A file that was cut off has no manifest, so it can be told from a whole one. The tar is not
compressed: who wants that can, and the sums are of what is inside.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Protocol

import msgspec

from daemon.storage.failures import DatabaseTooNew, StorageError, from_os

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1
MANIFEST = "manifest.json"
_MANIFEST_MAX = 64 << 20  # bytes: some 300,000 files
_CHUNK = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}){0,5}")


class Kept(msgspec.Struct, frozen=True):
    """One file: its path below the data directory."""

    path: str
    size: int
    sha256: str
    sqlite: bool


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds, and what made it. ``database``: the version of ``zapd.db``."""

    format: int
    zapd: str
    made_at: str
    database: int
    files: list[Kept]


class Sink(Protocol):
    """Where a file's bytes go."""

    def write(self, data: bytes, /) -> object:
        """Take some bytes."""
        ...


class Archive:
    """A backup that is being written."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._kept: list[Kept] = []

    def add(self, path: str, source: Path, *, sqlite: bool) -> None:
        """Add a file; it must not change meanwhile."""
        info = tarfile.TarInfo(path)
        info.mode, info.size = 0o600, source.stat().st_size
        with source.open("rb") as stream:
            summed = _Summed(stream)
            self._tar.addfile(info, summed)
        self._kept.append(Kept(path, info.size, summed.sum.hexdigest(), sqlite))

    def finish(self, *, zapd: str, made_at: str, database: int) -> Manifest:
        """Write the manifest and return it."""
        manifest = Manifest(
            format=FORMAT, zapd=zapd, made_at=made_at, database=database, files=self._kept
        )
        body = msgspec.json.encode(manifest)
        info = tarfile.TarInfo(MANIFEST)
        info.mode, info.size = 0o600, len(body)
        self._tar.addfile(info, io.BytesIO(body))
        return manifest


class _Summed:
    """Reads through, summing up."""

    def __init__(self, inner: IO[bytes]) -> None:
        self._inner = inner
        self.sum = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        data = self._inner.read(size)
        self.sum.update(data)
        return data


@contextmanager
def writing(stream: IO[bytes]) -> Iterator[Archive]:
    """Write a backup into the stream."""
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        yield Archive(tar)


def read(path: Path, place: Callable[[str], Sink | None]) -> Manifest:
    """Read a whole backup, give each file's bytes to where ``place`` says, check every sum.

    ``place`` is given names that are safe below a directory. Raises ``StorageError``: what was
    placed until then is of no use.
    """
    try:
        with path.open("rb") as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            return _read(tar, place)
    except (tarfile.TarError, EOFError, msgspec.DecodeError, ValueError) as error:
        raise _damaged(path) from error
    except OSError as error:
        raise from_os(error, path) from error


def _read(tar: tarfile.TarFile, place: Callable[[str], Sink | None]) -> Manifest:
    found: list[tuple[str, int, str]] = []
    manifest: Manifest | None = None
    for info in tar:
        stream = tar.extractfile(info) if info.isreg() else None
        if stream is None or manifest is not None or not _NAME.fullmatch(info.name):
            raise tarfile.ReadError(f"unexpected: {info.name!r}")
        if info.name == MANIFEST:
            manifest = _manifest(stream.read(_MANIFEST_MAX))
        else:
            found.append((info.name, info.size, _copy(stream, place(info.name))))
    told = [(kept.path, kept.size, kept.sha256) for kept in manifest.files] if manifest else None
    if manifest is None or told != found:
        raise tarfile.ReadError("the files are not those of the manifest")
    return manifest


def _manifest(body: bytes) -> Manifest:
    made = msgspec.json.decode(body)
    if isinstance(made, dict) and isinstance(made.get("format"), int) and made["format"] > FORMAT:
        raise DatabaseTooNew(
            f"The backup is of a newer zapd (format {made['format']}; this one knows {FORMAT}).",
            user_action="Install that newer zapd first.",
        )
    return msgspec.convert(made, Manifest)


def _copy(stream: IO[bytes], sink: Sink | None) -> str:
    total = hashlib.sha256()
    while data := stream.read(_CHUNK):
        total.update(data)
        if sink is not None:
            sink.write(data)
    return total.hexdigest()


def _damaged(path: Path) -> StorageError:
    return StorageError(
        f"{path} is no backup of zapd, or was cut off or damaged.",
        user_action="Use another backup.",
    )
