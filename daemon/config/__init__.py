"""What can be configured: one table, and everything that is made from it.

The table is the fields of :class:`Settings`. The environment's parser, the command's
options, ``zapd check-config``, ``systemd/zapd.env.example`` and the reference are
generated from it or tested against it.
"""

from __future__ import annotations

from daemon.config.kinds import Secret
from daemon.config.row import ConfigError, Row
from daemon.config.settings import ROWS, Settings

__all__ = ["ROWS", "ConfigError", "Row", "Secret", "Settings"]
