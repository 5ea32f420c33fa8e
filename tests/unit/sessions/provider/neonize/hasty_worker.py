"""A loopback worker whose provider has shorter patience.

Run as ``python -m tests.unit.sessions.provider.neonize.hasty_worker``, with
``--tune MODULE.NAME=SECONDS`` for each, and the arguments of ``tests/loopback/worker.py``.
"""

from __future__ import annotations

import argparse
import importlib
import sys

from tests.loopback import worker

_ROOM = "sessions.provider.neonize"


def main(argv: list[str]) -> None:
    """Redirect the core, shorten the patience, be the worker."""
    parser = argparse.ArgumentParser(allow_abbrev=False, add_help=False)
    parser.add_argument("--tune", action="append", default=[])
    tuned, others = parser.parse_known_args(argv)
    port, root_key, rest = worker.split(others)
    worker.redirect_core(port, root_key)
    for setting in tuned.tune:
        place, _, seconds = setting.partition("=")
        module, _, name = place.partition(".")
        constants = vars(importlib.import_module(f"{_ROOM}.{module}"))
        assert name in constants, f"there is no {place}"
        constants[name] = type(constants[name])(float(seconds))
    importlib.import_module("sessions.worker.__main__").main(rest)


if __name__ == "__main__":
    main(sys.argv[1:])
