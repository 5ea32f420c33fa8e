"""Putting a backup back. What is there is set aside, never deleted.

The backup is unpacked and checked whole before anything is touched. The change of places is
some renames; one that was cut off is marked, and no daemon starts before it is done again.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import IO, TYPE_CHECKING, NamedTuple

from daemon.storage import archive
from daemon.storage.backup import sync_directory
from daemon.storage.data_dir import (
    ASIDE,
    DATABASE,
    LOCK,
    RESTORING,
    STAGING,
    DaemonLock,
)
from daemon.storage.database import refuse_newer
from daemon.storage.failures import StorageError, from_os, from_sqlite
from daemon.storage.integrity import check_file, connect

if TYPE_CHECKING:
    from pathlib import Path

# A send that waited when the backup was made may have gone out since: it is told as unknown
# at the next start, as after a crash, and not sent a second time.
_SENDS = "UPDATE sends SET state = 'trying' WHERE state = 'accepted'"


class Restored(NamedTuple):
    """What a restore came to; ``aside`` is where what was there before lies, if it was."""

    manifest: archive.Manifest
    aside: Path | None


def restore(data_dir: Path, source: Path, *, stamp: str) -> Restored:
    """Put the backup in place of what the data directory holds.

    ``stamp`` names what is set aside. Raises ``AlreadyRunning`` while a daemon runs, and
    ``StorageError``: nothing was changed then, unless a rename failed.
    """
    if not source.is_file():
        raise StorageError(f"There is no file {source}.")
    lock = DaemonLock.acquire(data_dir)
    try:
        with _staging(data_dir / STAGING) as room:
            manifest = _unpack(source, room)
            return Restored(manifest, _change_places(data_dir, room, stamp))
    except OSError as error:
        raise from_os(error, data_dir) from error
    finally:
        lock.release()


def _unpack(source: Path, room: Path) -> archive.Manifest:
    """Unpack into the room and check all of it."""
    with ExitStack() as stack:
        current: list[IO[bytes]] = []

        def place(name: str) -> IO[bytes]:
            stack.close()
            path = room / name
            for parent in reversed(path.relative_to(room).parents):
                (room / parent).mkdir(exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            current[:] = [stack.enter_context(os.fdopen(descriptor, "wb"))]
            return current[0]

        manifest = archive.read(source, place)
    if not (room / DATABASE).is_file():
        raise StorageError(f"{source} holds no {DATABASE}.", user_action="Use another backup.")
    for kept in manifest.files:
        if kept.sqlite:
            version = check_file(room / kept.path)
            if kept.path == DATABASE:
                refuse_newer(version)
    _hold_sends(room / DATABASE)
    return manifest


def _hold_sends(path: Path) -> None:
    try:
        with closing(connect(path)) as connection:
            connection.execute(_SENDS)
    except sqlite3.Error as error:
        raise from_sqlite(error) from error


def _change_places(data_dir: Path, room: Path, stamp: str) -> Path | None:
    """Set aside what is there, put what was unpacked in its place."""
    stays = {LOCK, STAGING, RESTORING}
    old = [
        path
        for path in sorted(data_dir.iterdir())
        if path.name not in stays and not path.name.startswith(ASIDE)
    ]
    mark = data_dir / RESTORING
    mark.touch(mode=0o600)
    sync_directory(data_dir)
    aside = _aside(data_dir, stamp) if old else None
    for path in old:
        assert aside is not None  # noqa: S101 - it was made since there is something
        path.rename(aside / path.name)
    for path in sorted(room.iterdir()):
        path.rename(data_dir / path.name)
    sync_directory(data_dir)
    mark.unlink()
    sync_directory(data_dir)
    return aside


def _aside(data_dir: Path, stamp: str) -> Path:
    """Make a directory that nobody has."""
    number = 0
    while True:
        path = data_dir / (f"{ASIDE}{stamp}" + (f"-{number}" if number else ""))
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            number += 1
        else:
            return path


@contextmanager
def _staging(path: Path) -> Iterator[Path]:
    """Yield an empty directory for the time of the restore."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(mode=0o700)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
