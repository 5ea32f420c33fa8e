"""What tests share: real daemons, clients that read as users do, recorders."""

from __future__ import annotations
