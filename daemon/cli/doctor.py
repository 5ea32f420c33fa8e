"""``zapd doctor``: what is missing on this machine, and what to do about it.

neonize is tried in a child process: its core is a Go runtime that this process must not hold.
"""

from __future__ import annotations

import os
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from ctypes.util import find_library
from typing import TYPE_CHECKING, NamedTuple

from daemon.cli.texts import FAILED, OK, out
from daemon.storage.data_dir import running_pid

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.config import Settings

PYTHON, SQLITE = (3, 11), (3, 37)
FREE_BYTES = 512 << 20
OPEN_FILES = 4096
_CHILD_SECONDS = 60
_CHILD_ENV = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH")


class Finding(NamedTuple):
    """One thing that was looked at; ``advice`` is what to do where it is not well."""

    name: str
    is_well: bool
    detail: str
    advice: str = ""


def run(settings: Settings, env: Mapping[str, str]) -> int:
    """Print every finding; tell by the exit code whether something is missing."""
    findings = list(examine(settings, env))
    for finding in findings:
        out(f"{'ok     ' if finding.is_well else 'MISSING'}  {finding.name}: {finding.detail}")
        if not finding.is_well:
            out(f"         → {finding.advice}")
    return OK if all(finding.is_well for finding in findings) else FAILED


def examine(settings: Settings, env: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what is found."""
    yield python_version(sys.version_info[:3])
    yield sqlite_version(sqlite3.sqlite_version)
    yield libmagic(find_library)
    yield engine(env)
    yield directory(settings.data_dir)
    yield space(settings.data_dir)
    yield port(settings)
    yield open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def python_version(found: tuple[int, ...]) -> Finding:
    """Look at Python."""
    text = ".".join(map(str, found))
    return Finding("python", found >= PYTHON, text, "Install Python 3.11 or newer.")


def sqlite_version(found: str) -> Finding:
    """Look at the SQLite that Python has."""
    is_well = tuple(map(int, found.split(".")[:2])) >= SQLITE
    return Finding("sqlite", is_well, found, "Use a Python with SQLite 3.37 or newer.")


def libmagic(find: Callable[[str], str | None]) -> Finding:
    """Look for the library that neonize needs to tell file types."""
    found = find("magic")
    return Finding("libmagic", found is not None, found or "not found", "apt-get install libmagic1")


def engine(env: Mapping[str, str]) -> Finding:
    """Look whether the WhatsApp engine can be loaded, in a process of its own."""
    given = {name: env[name] for name in _CHILD_ENV if name in env}
    advice = "Run scripts/setup again; it says what it cannot install."
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", "import neonize"],
            env=given,
            capture_output=True,
            text=True,
            timeout=_CHILD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Finding("engine", is_well=False, detail="neonize does not load", advice=advice)
    if done.returncode == 0:
        return Finding("engine", is_well=True, detail="neonize loads")
    last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
    return Finding("engine", is_well=False, detail=last[0][:200], advice=advice)


def directory(path: Path) -> Finding:
    """Look whether the data directory can be written, and by its owner alone."""
    nearest = _nearest(path)
    if not os.access(nearest, os.W_OK | os.X_OK) or not nearest.is_dir():
        advice = "Give zapd's user the right to it, or choose another ZAPD_DATA_DIR."
        return Finding("data directory", is_well=False, detail=f"{path}: no access", advice=advice)
    if nearest != path:
        return Finding("data directory", is_well=True, detail=f"{path} (will be made)")
    mode = path.stat().st_mode & 0o777
    return Finding(
        "data directory", not mode & 0o077, f"{path} (mode {mode:04o})", f"chmod 700 {path}"
    )


def space(path: Path) -> Finding:
    """Look at the free space under the data directory."""
    free = shutil.disk_usage(_nearest(path)).free
    return Finding(
        "disk space",
        free >= FREE_BYTES,
        f"{free >> 20} MiB free",
        f"Free {FREE_BYTES >> 20} MiB or more.",
    )


def port(settings: Settings) -> Finding:
    """Look whether the port is free, or is our own daemon's."""
    detail = f"{settings.host}:{settings.port}"
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if pid := running_pid(settings.data_dir):
            return Finding("port", is_well=True, detail=f"{detail} (zapd runs, pid {pid})")
        advice = "Stop what listens there, or choose another ZAPD_PORT or ZAPD_HOST."
        reason = error.strerror or str(error)
        return Finding("port", is_well=False, detail=f"{detail}: {reason}", advice=advice)
    return Finding("port", is_well=True, detail=f"{detail} is free")


def open_files(limit: int) -> Finding:
    """Look at how many files and sockets the process may have open."""
    is_well = limit == resource.RLIM_INFINITY or limit >= OPEN_FILES
    advice = f"ulimit -n {OPEN_FILES} (systemd: LimitNOFILE); each stream takes one."
    return Finding("open files", is_well, str(limit), advice)


def _nearest(path: Path) -> Path:
    """Return the path, or the nearest directory above it that exists."""
    return next(place for place in (path, *path.parents) if place.exists())
