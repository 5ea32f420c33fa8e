"""``zapd backup`` and ``zapd restore``."""

from __future__ import annotations

import asyncio
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.cli.texts import FAILED, OK, note, out
from daemon.clock import SystemClock
from daemon.storage.backup import make
from daemon.storage.backups import note_backup
from daemon.storage.database import Database
from daemon.storage.failures import StorageError
from daemon.storage.restore import restore
from sessions.models import iso

if TYPE_CHECKING:
    import argparse

    from daemon.config import Settings


def run(name: str, settings: Settings, args: argparse.Namespace) -> int:
    """Run the command of that name over the settings' data directory."""
    now = iso(SystemClock().now_ms())
    if name == "backup":
        return _backup(settings.data_dir, args.file, now)
    return _restore(settings.data_dir, Path(args.file), now)


def _backup(data_dir: Path, file: str | None, now: str) -> int:
    target = Path(file or f"zapd-{_stamp(now)}.tar")
    if target.is_dir():
        target /= f"zapd-{_stamp(now)}.tar"
    made = make(data_dir, target, zapd=_version(), made_at=now)
    asyncio.run(_remember(data_dir, target.absolute()))
    note(f"{made.files} files, {made.size / 1e6:.1f} MB; it holds the keys of linked devices")
    out(str(target))
    for path in made.left_out:
        note(f"left out, since it is damaged: {path}")
    return FAILED if made.left_out else OK


async def _remember(data_dir: Path, target: Path) -> None:
    """Write down where the backup is: an erasure names those that hold what it erased."""
    try:
        database = await Database.open(data_dir)
        try:
            await note_backup(database, str(target), SystemClock().now_ms())
        finally:
            await database.close()
    except StorageError as error:
        note(f"where it is could not be written down, so that no erasure will name it: {error}")


def _restore(data_dir: Path, source: Path, now: str) -> int:
    done = restore(data_dir, source, stamp=_stamp(now))
    note(f"put back what zapd {done.manifest.zapd} had at {done.manifest.made_at}")
    if done.aside is not None:
        note(f"what was there before lies in {done.aside}; delete it when all is well")
    return OK


def _stamp(now: str) -> str:
    """Return the time as a file's name takes it: 20270115-080000."""
    day, _, hour = now.partition("T")
    return f"{day.replace('-', '')}-{hour[:8].replace(':', '')}"


def _version() -> str:
    try:
        return metadata.version("zapd")
    except metadata.PackageNotFoundError:
        return "(not installed)"
