"""A loopback worker whose provider has shorter patience.

Run as ``python -m tests.unit.sessions.provider.neonize.hasty_worker``, with
``--tune MODULE.NAME=NUMBER`` for each (a module of the provider's, or its whole name), and the
arguments of ``tests/loopback/worker.py``. ``--callback-seconds`` makes Go's thread wait so long with
each event, so that those behind it pile up in the engine's channel. ``--login-seconds`` has the
provider take so much later that WhatsApp accepted the login.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import sys
import time
from typing import TYPE_CHECKING

from tests.loopback import worker

if TYPE_CHECKING:
    from sessions.provider.neonize.inbox import Received

_ROOM = "sessions.provider.neonize"


def _slow_down(seconds: float) -> None:
    inbox = importlib.import_module(f"{_ROOM}.inbox").Inbox
    put = inbox.put

    def put_late(self: object, raw: object) -> None:
        time.sleep(seconds)
        put(self, raw)

    inbox.put = put_late


def _take_the_login_late(seconds: float) -> None:
    connection = importlib.import_module(f"{_ROOM}.connection").Connection
    accepted = importlib.import_module(f"{_ROOM}.codes").CONNECTED
    handle = connection._handle  # noqa: SLF001 - nothing outside tells when it is taken

    async def handle_late(self: object, raw: Received) -> None:
        if raw.code == accepted:
            await asyncio.sleep(seconds)
        await handle(self, raw)

    connection._handle = handle_late  # noqa: SLF001 - as above


def main(argv: list[str]) -> None:
    """Redirect the core, shorten the patience, be the worker."""
    parser = argparse.ArgumentParser(allow_abbrev=False, add_help=False)
    parser.add_argument("--tune", action="append", default=[])
    parser.add_argument("--callback-seconds", type=float, default=0.0)
    parser.add_argument("--login-seconds", type=float, default=0.0)
    tuned, others = parser.parse_known_args(argv)
    port, root_key, rest = worker.split(others)
    worker.redirect_core(port, root_key)
    for setting in tuned.tune:
        place, _, number = setting.partition("=")
        module, _, name = place.rpartition(".")
        whole = module if "." in module else f"{_ROOM}.{module}"
        constants = vars(importlib.import_module(whole))
        assert name in constants, f"there is no {place}"
        constants[name] = type(constants[name])(float(number))
    if tuned.callback_seconds:
        _slow_down(tuned.callback_seconds)
    if tuned.login_seconds:
        _take_the_login_late(tuned.login_seconds)
    importlib.import_module("sessions.worker.__main__").main(rest)


if __name__ == "__main__":
    main(sys.argv[1:])
