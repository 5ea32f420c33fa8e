"""The data directory: its modes, its one daemon.

The directory is 0700 and its files are 0600. One daemon holds the lock file; commands such
as ``zapd key create`` open the database beside it.
"""

from __future__ import annotations

import fcntl
import os
import stat
from typing import TYPE_CHECKING, Self

from daemon.storage.failures import AlreadyRunning, StorageError, from_os

if TYPE_CHECKING:
    from pathlib import Path

DATABASE, LOCK = "zapd.db", "zapd.lock"
# Of `zapd restore`: where it unpacks, what it sets aside, and the mark of one that is under way
STAGING, ASIDE, RESTORING = "restore-staging", "before-restore-", "restore-unfinished"
EXPORTS = "exports"


def prepare(path: Path) -> Path:
    """Make the directory, or take it over if it is ours or empty; return it.

    Raises ``StorageError`` for a directory that others can read and that holds other things:
    closing somebody's home or ``/tmp`` to its users is not ours to do.
    """
    try:
        if not path.is_dir():
            path.mkdir(parents=True, mode=0o700)
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            _close_to_others(path)
    except OSError as error:
        raise from_os(error, path) from error
    return path


def _close_to_others(path: Path) -> None:
    names = {entry.name for entry in path.iterdir()} - {"lost+found", LOCK}
    if names and DATABASE not in names:
        mode = stat.S_IMODE(path.stat().st_mode)
        raise StorageError(
            f"{path} can be read by others (mode {mode:04o}) and holds other files.",
            user_action=f"Choose a directory of its own as ZAPD_DATA_DIR, or run: chmod 700 {path}",
        )
    path.chmod(0o700)


def private_file(path: Path) -> Path:
    """Make sure that the file is there and 0600; return it.

    SQLite gives ``-wal`` and ``-shm`` the mode of the database file.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        if stat.S_IMODE(path.stat().st_mode) & 0o177:
            path.chmod(0o600)
    except OSError as error:
        raise from_os(error, path) from error
    return path


class DaemonLock:
    """The right to be the one daemon of a data directory; the system frees it with the process."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self.path = path

    @classmethod
    def acquire(cls, data_dir: Path) -> Self:
        """Take the lock and write our process id; raise ``AlreadyRunning``."""
        path = private_file(prepare(data_dir) / LOCK)
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError as error:
            os.close(descriptor)
            raise AlreadyRunning(
                f"Another zapd runs here (pid {_written_pid(path)}): {data_dir}.",
                user_action="Stop it, or give this one another ZAPD_DATA_DIR.",
            ) from error
        except OSError as error:
            os.close(descriptor)
            raise from_os(error, path) from error
        return cls(descriptor, path)

    def release(self) -> None:
        """Give the right back; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def running_pid(data_dir: Path) -> str | None:
    """Return the process id of the daemon that runs on the directory, if one does."""
    path = data_dir / LOCK
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _written_pid(path)
    else:
        return None
    finally:
        os.close(descriptor)


def _written_pid(path: Path) -> str:
    text = path.read_text(encoding="ascii", errors="replace").strip()
    return text if text.isdigit() else "unknown"
