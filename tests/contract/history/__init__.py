"""What every history store does: daemon/history/port.py."""

from __future__ import annotations
