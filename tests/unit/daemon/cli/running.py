"""The command as people run it: a real process with an environment of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[4]


class Ran(NamedTuple):
    """What a command left."""

    code: int
    out: str
    err: str


def zapd(*words: str, **env: str) -> Ran:
    """Run ``python -m daemon``."""
    done = subprocess.run(
        [sys.executable, "-m", "daemon", *words],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **env},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return Ran(done.returncode, done.stdout, done.stderr)
