"""What leaves: how fast, once, and in order."""

from __future__ import annotations
