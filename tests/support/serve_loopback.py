"""Runs the daemon with another worker command: ``serve_loopback.py [options] -- COMMAND…``."""

from __future__ import annotations

import argparse
import os
import sys

from daemon import logs
from daemon.app import run
from daemon.config import Settings


def main() -> int:
    """Serve as ``zapd serve`` does, with workers of the test's making."""
    mark = sys.argv.index("--")
    parser = argparse.ArgumentParser()
    parser.add_argument("--port")
    parser.add_argument("--data-dir")
    options = vars(parser.parse_args(sys.argv[1:mark]))
    settings = Settings.from_env(os.environ, options)
    logs.setup(settings.log_level, settings.log_format)
    return run(settings, os.environ, worker_command=sys.argv[mark + 1 :])


if __name__ == "__main__":
    sys.exit(main())
