"""Where each session keeps its keys, and what came in and is not durable yet."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import NamedTuple

from sessions.ids import SessionKey


class Folders(NamedTuple):
    """The folders of all sessions, below one."""

    root: Path

    def of(self, key: SessionKey) -> Path:
        """Return the session's: no name from outside is in the path."""
        name = hashlib.blake2b("/".join(key).encode(), digest_size=16).hexdigest()
        return self.root / name

    def make(self, key: SessionKey) -> Path:
        """Return the session's, made where it is not there."""
        folder = self.of(key)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def remove(self, key: SessionKey) -> None:
        """Remove the session's, with all that is in it."""
        shutil.rmtree(self.of(key), ignore_errors=True)
