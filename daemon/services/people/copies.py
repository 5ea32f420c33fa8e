"""What an erasure does not reach in the data directory: what was set aside there, by name and date.

A damaged file cannot be searched, and whoever wants to mend it needs it whole; what was there before
a restore is a person's to keep. So they are named, each with what to do: deleting is a person's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from daemon.history.spill import FOLDER
from daemon.storage.data_dir import ASIDE
from sessions.models import iso

_DAMAGED = ".damaged"  # of history.db with its log, of parts of the spill
_OF_DAMAGED = (
    "It was set aside since it is damaged: it cannot be searched, and may hold messages of the "
    "person. Delete it, unless somebody is to mend it; then erase the person in what comes of it."
)
_OF_RESTORE = (
    "A restore set it aside: it holds what was here before. Delete it when it is of no use."
)


class Copy(NamedTuple):
    """A file, or a folder with all that is in it. ``written_at``: it holds nothing that is newer."""

    file: str
    written_at: str
    user_action: str


def set_aside(data_dir: Path) -> list[Copy]:
    """Return what was set aside, by name. Runs in a thread; what goes meanwhile is left out."""
    return sorted(_found(data_dir))


def _found(data_dir: Path) -> Iterator[Copy]:
    for path in [*data_dir.glob("*"), *data_dir.glob(f"{FOLDER}/*")]:
        if _DAMAGED in path.name:
            told = _OF_DAMAGED
        elif ASIDE in path.name:
            told = _OF_RESTORE
        else:
            continue
        try:
            at = _written_at(path)
        except FileNotFoundError:
            continue
        yield Copy(path.relative_to(data_dir).as_posix(), iso(at), told)


def _written_at(path: Path) -> int:
    """Return when the file was written last, or the newest file of a folder; ms since 1970."""
    within = [each for each in path.rglob("*") if each.is_file()] if path.is_dir() else []
    return max(each.stat().st_mtime_ns for each in within or [path]) // 10**6
