"""Tells the service manager how the daemon is: the datagrams of ``sd_notify``.

``cli.py`` takes the address from the environment and hands it in. Without an address every call
does nothing, so a daemon in a terminal needs no special case.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Notifier:
    """The way to the service manager; `address` is a path, or ``@name`` for an abstract socket.

    A call never waits and never raises: it answers whether the datagram left. A watchdog ping that
    is lost is made good by the next one, as long as pings are sent at half the watchdog's time.
    """

    address: str | None

    def ready(self) -> bool:
        """Say that the daemon serves; under ``Type=notify`` the start is over only now."""
        return self._send("READY=1")

    def stopping(self) -> bool:
        """Say that the daemon drains and will end by itself."""
        return self._send("STOPPING=1")

    def watchdog(self) -> bool:
        """Say that the event loop turns; call it from that loop, nowhere else."""
        return self._send("WATCHDOG=1")

    def status(self, sentence: str) -> bool:
        """Show one sentence in ``systemctl status``: no secret, no text of a message."""
        one_line = " ".join(sentence.split())  # a line break would start a new field
        return self._send(f"STATUS={one_line}")

    def _send(self, field: str) -> bool:
        if not self.address:
            return False
        target = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.setblocking(False)
            try:
                sock.sendto(field.encode(errors="replace"), target)
            except OSError:  # the manager is gone, its queue is full, or the path is none
                return False
        return True
