"""A backup of the data directory, made beside a running daemon.

SQLite files (the database, each session's keys) are copied through SQLite's backup API: each is
as of one moment, and their writers do not wait. ``zapd.db`` goes first, so that a session that
is paired meanwhile is missing rather than there without its keys. Other files are copied as
they are, but for the inbound journal: what it holds was told or is about to be, and a restore
would tell it again. See decision 15.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from daemon.storage import archive
from daemon.storage.data_dir import ASIDE, DATABASE, EXPORTS, LOCK, RESTORING, STAGING
from daemon.storage.failures import StorageError, StorageFull, from_os, from_sqlite
from daemon.storage.integrity import check_file, connect

_MAGIC = b"SQLite format 3\x00"
_JOURNAL = ("inbound.0", "inbound.1")
_OF_SQLITE = ("-wal", "-shm", "-journal")
_DAMAGED = ".damaged"  # what the history renames a file to that it cannot read
_UNFINISHED = (".new", ".tmp", ".partial")


class Made(NamedTuple):
    """What a backup came to: how many files and bytes, and which were left out as damaged."""

    files: int
    size: int
    left_out: list[str]


def make(data_dir: Path, target: Path, *, zapd: str, made_at: str) -> Made:
    """Write a backup to ``target``, whole and verified, or not at all.

    A damaged ``zapd.db`` is refused; another file that is damaged is left out and told.
    Raises ``StorageError``.
    """
    if not (data_dir / DATABASE).is_file():
        raise StorageError(
            f"There is no {DATABASE} in {data_dir}.",
            user_action="Name the directory: --data-dir, or ZAPD_DATA_DIR.",
        )
    if target.absolute().resolve().is_relative_to(data_dir.resolve()):
        raise StorageError(
            "A backup does not belong into the directory that it is of.",
            user_action="Name a file elsewhere.",
        )
    try:
        with (
            _whole_or_nothing(target) as stream,
            tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as room,
        ):
            return _write(data_dir, stream, Path(room), zapd=zapd, made_at=made_at)
    except OSError as error:
        path = Path(error.filename or target)
        path = target if target.name in path.name else path  # not the name that it has meanwhile
        full = from_os(error, path)
        if isinstance(full, StorageFull):
            raise full from error
        raise StorageError(
            f"{path} cannot be used: {error.strerror or error}.", user_action="Name another FILE."
        ) from error


def _write(data_dir: Path, stream: IO[bytes], room: Path, *, zapd: str, made_at: str) -> Made:
    left_out: list[str] = []
    copy, database = room / "copy", 0
    with archive.writing(stream) as made:
        for path in _files(data_dir):
            name = str(path.relative_to(data_dir))
            try:
                sqlite = _is_sqlite(path) or name == DATABASE
                version = _copy(path, copy, sqlite=sqlite)
            except FileNotFoundError:
                continue  # its session was deleted meanwhile
            except StorageError:
                if name == DATABASE:
                    raise
                left_out.append(name)
                continue
            database = version if name == DATABASE else database
            made.add(name, copy, sqlite=sqlite)
        manifest = made.finish(zapd=zapd, made_at=made_at, database=database)
    return Made(len(manifest.files), sum(kept.size for kept in manifest.files), left_out)


def _files(data_dir: Path) -> Iterator[Path]:
    """Yield what a backup holds, the database first."""
    yield data_dir / DATABASE
    for folder, folders, names in os.walk(data_dir):
        here = Path(folder)
        folders.sort()
        if here == data_dir:
            left = {STAGING, EXPORTS}  # exports are made again, and are not to outlive their time
            folders[:] = [name for name in folders if name not in left and ASIDE not in name]
        for name in sorted(names):
            path = here / name
            if _belongs(name) and path.is_file() and not path.is_symlink():
                yield path


def _belongs(name: str) -> bool:
    """Tell whether a backup takes the file; a damaged one that was set aside is for repair here."""
    apart = {DATABASE, LOCK, RESTORING, *_JOURNAL}
    left = name in apart or _DAMAGED in name
    return not left and not name.endswith((*_OF_SQLITE, *_UNFINISHED))


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(_MAGIC)) == _MAGIC


def _copy(source: Path, target: Path, *, sqlite: bool) -> int:
    """Copy a file as of one moment and check it; return a SQLite file's version."""
    target.unlink(missing_ok=True)
    if not sqlite:
        shutil.copyfile(source, target)
        return 0
    target.touch(mode=0o600)
    try:
        with closing(connect(source)) as reader, closing(sqlite3.connect(target)) as writer:
            reader.backup(writer)
            # In one file, so that no -wal beside it belongs to the copy; zapd sets it back.
            writer.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        if not source.exists():
            raise FileNotFoundError(source) from error
        raise from_sqlite(error) from error
    return check_file(target)


@contextmanager
def _whole_or_nothing(target: Path) -> Iterator[IO[bytes]]:
    """Yield a file that takes its name when it is on disk and was read back."""
    partial = target.with_name(f".{target.name}.partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        archive.read(partial, lambda _: None)
        partial.replace(target)
        sync_directory(target.parent)
    finally:
        partial.unlink(missing_ok=True)


def sync_directory(path: Path) -> None:
    """Make renames within the directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
