"""Runs ``scripts/bench SUBCOMMAND``: any module of this folder that has ``run``."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
from pathlib import Path

SUBCOMMANDS = sorted(
    module.name
    for module in pkgutil.iter_modules([str(Path(__file__).parent)])
    if not module.name.startswith("_") and "_" not in module.name
)


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    chosen = parser.add_subparsers(dest="subcommand", required=True)
    for name in SUBCOMMANDS:
        module = importlib.import_module(f"tests.bench.{name}")
        module.arguments(chosen.add_parser(name, help=(module.__doc__ or "").splitlines()[0]))
    options = parser.parse_args()
    importlib.import_module(f"tests.bench.{options.subcommand}").run(options)


if __name__ == "__main__":
    main()
