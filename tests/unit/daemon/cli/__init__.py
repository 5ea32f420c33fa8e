"""Tests of daemon/cli."""

from __future__ import annotations
