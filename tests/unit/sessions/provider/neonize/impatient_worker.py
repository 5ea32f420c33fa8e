"""A loopback worker whose provider gives a silent line one second instead of thirty.

Run as ``python -m tests.unit.sessions.provider.neonize.impatient_worker`` with the arguments of
``tests/loopback/worker.py``.
"""

from __future__ import annotations

import importlib
import sys

from tests.loopback import worker

PATIENCE = 1.0


def main(argv: list[str]) -> None:
    """Redirect the core, shorten the deadline, be the worker."""
    port, root_key, rest = worker.split(argv)
    worker.redirect_core(port, root_key)
    connection = importlib.import_module("sessions.provider.neonize.connection")
    vars(connection)["CONNECT_DEADLINE"] = PATIENCE
    importlib.import_module("sessions.worker.__main__").main(rest)


if __name__ == "__main__":
    main(sys.argv[1:])
