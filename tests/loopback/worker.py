"""A session worker whose neonize core talks to a loopback WhatsApp. Run as a script, by path.

python tests/loopback/worker.py --loopback-port P --loopback-root HEX <worker's own arguments>
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_REPOSITORY = _HERE.parents[1]


def split(argv: list[str]) -> tuple[int, bytes, list[str]]:
    """Port, root key, and the arguments that are the worker's own."""
    parser = argparse.ArgumentParser(allow_abbrev=False, add_help=False)
    parser.add_argument("--loopback-port", type=int, required=True)
    parser.add_argument("--loopback-root", type=bytes.fromhex, required=True)
    ours, rest = parser.parse_known_args(argv)
    return ours.loopback_port, ours.loopback_root, rest


def put_repository_first() -> None:
    """Imports come from the repository's root, never from this folder."""
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != _HERE]
    if str(_REPOSITORY) not in sys.path:
        sys.path.insert(0, str(_REPOSITORY))


def redirect_core(port: int, root_key: bytes) -> None:
    """Loads neonize and points it at the loopback."""
    module = importlib.import_module("tests.loopback.redirect")
    library = importlib.import_module("neonize._binder").gocode._name  # noqa: SLF001 - ctypes has no public name
    module.redirect(Path(library), port, root_key)


def main(argv: list[str]) -> int | None:
    """Redirects, then is the worker."""
    put_repository_first()
    port, root_key, rest = split(argv)
    redirect_core(port, root_key)
    code: int | None = importlib.import_module("sessions.worker.__main__").main(rest)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
