"""What every metadata store does: daemon/metadata/port.py."""

from __future__ import annotations
