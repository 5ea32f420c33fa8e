"""Tests of daemon/auth."""

from __future__ import annotations
