"""``python -I -m sessions.worker --fd N --provider P``: a worker process.

Started by the daemon only. Exit codes: 0 drained, 70 drained too slowly, 78 it cannot
start on this machine (the supervisor then never tries again by itself).
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import time

from sessions.models import ProviderName
from sessions.worker.host import WorkerHost, load_factory

EXIT_TOO_SLOW = 70  # EX_SOFTWARE
EXIT_CANNOT_START = 78  # EX_CONFIG
#: Seconds from the daemon's death to ours, whatever the core does: longer than its own drain.
DRAIN_DEADLINE = 12.0
#: Half a second at most; a shell that has printed all that it will needs a millisecond.
REAP_TRIES, REAP_SECONDS = 50, 0.01
PARENT_SECONDS = 1.0  # how often the thread looks whether the daemon lives, if the loop cannot


def main(argv: list[str] | None = None) -> None:
    """Run the worker; never returns, since threads of the Go core could keep Python alive."""
    os.umask(0o077)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the daemon's to handle
    arguments = _parse(argv)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s"
    )
    try:
        load_factory(ProviderName(arguments.provider))
    except (ImportError, OSError) as error:
        logging.getLogger("zapd.worker").critical("cannot start: %s", error)
        _exit(EXIT_CANNOT_START)
    _reap()
    asyncio.run(_serve(socket.socket(fileno=arguments.fd)))
    _exit(0)


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sessions.worker")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--provider", choices=[p.value for p in ProviderName], required=True)
    return parser.parse_args(argv)


def _reap() -> None:
    """Wait for what a library began while it was imported: neonize leaves its `uname -a` behind."""
    for _ in range(REAP_TRIES):
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:  # there is none
            return
        if not ended:
            time.sleep(REAP_SECONDS)


async def _serve(pipe: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=pipe)
    host = WorkerHost(reader, writer)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, host.end)
    late = (host.ending_seen, os.getppid())
    threading.Thread(target=_end_late, args=late, name="late", daemon=True).start()
    await host.run(os.getpid())
    writer.close()


def _end_late(ending: threading.Event, parent: int) -> None:
    """End the process in time, also when the core holds the loop, which then sees no EOF."""
    while not ending.wait(PARENT_SECONDS) and os.getppid() == parent:
        pass
    threading.Event().wait(DRAIN_DEADLINE)
    _exit(EXIT_TOO_SLOW)


def _exit(code: int) -> None:
    logging.shutdown()
    os._exit(code)


if __name__ == "__main__":
    main()
