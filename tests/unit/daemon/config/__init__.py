"""Tests of daemon/config."""

from __future__ import annotations
