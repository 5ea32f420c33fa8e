"""The command ``zapd``: the only place that reads the process's environment.

What a command prints for other programs goes to stdout and is alone there; what people
should know goes to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage, 78 the
configuration cannot be used (systemd does not restart on that one).
"""

from __future__ import annotations

from daemon.cli.command import main

__all__ = ["main"]
