"""Disks that are small, and folders that may not be written, for tests that run as anybody.

A file system of its own needs a user namespace or root; each of our machines has one of them, and
where neither works the test fails with the system's own sentence.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@contextmanager
def small_disk(size: str) -> Iterator[Path]:
    """Give a file system in memory, of that size. For root; see ``in_namespace``."""
    with tempfile.TemporaryDirectory() as folder:
        options = f"size={size},mode=0700"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "zapd", folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


def in_namespace(command: list[str]) -> list[str]:
    """Return the command as one that may mount for itself; for root it may anyway."""
    return (
        command if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "-m", *command]
    )


@contextmanager
def closed_to_us(folder: Path) -> Iterator[None]:
    """Take the right to write to the folder from ourselves; root becomes nobody meanwhile.

    Root's own rights would not be taken by the mode. The folder's parents must be open to all.
    """
    mode = folder.stat().st_mode
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        folder.chmod(0o500)
        yield
        folder.chmod(mode)
    finally:
        if is_root:
            os.seteuid(0)


@contextmanager
def anybodys_folder() -> Iterator[Path]:
    """Give a folder that belongs to whom ``closed_to_us`` makes us."""
    with tempfile.TemporaryDirectory() as around:
        Path(around).chmod(0o755)
        folder = Path(around) / "data"
        folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        yield folder
