"""Runs ``scripts/bench SUBCOMMAND``, tells its figures and, with ``--check``, judges them."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

from tests.bench.figures import Report

#: Each is a module of this folder with ``arguments(parser)`` and ``run(options) -> Report``.
SUBCOMMANDS = (
    "crash",
    "fanout",
    "history",
    "inbound",
    "journal",
    "kills",
    "live",
    "sessions",
    "memory",
    "pages",
    "reconnects",
    "stream",
)


def main() -> int:
    """Parse, run, tell; return 1 when ``--check`` found a figure that falls short."""
    options = _parser().parse_args()
    report: Report = importlib.import_module(f"tests.bench.{options.subcommand}").run(options)
    return conclude(report, options.json, check=options.check)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    chosen = parser.add_subparsers(dest="subcommand", required=True)
    for name in SUBCOMMANDS:
        module = importlib.import_module(f"tests.bench.{name}")
        one = chosen.add_parser(name, help=(module.__doc__ or "").splitlines()[0])
        one.add_argument("--json", type=Path, metavar="FILE", help="write the figures here as well")
        one.add_argument("--check", action="store_true", help="exit 1 if a goal is missed")
        module.arguments(one)
    return parser


def conclude(report: Report, file: Path | None, *, check: bool) -> int:
    """Print the table, write the file, return the exit code."""
    sys.stdout.write(report.table() + "\n")
    if file is not None:
        file.write_text(json.dumps(report.as_json(), indent=2, ensure_ascii=False) + "\n")
    short = report.short() if check else []
    for figure in short:
        sys.stderr.write(f"{figure.name}: {figure.median:g} {figure.unit}, goal {figure.goal}\n")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
