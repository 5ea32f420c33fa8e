"""Tests of daemon/metadata."""

from __future__ import annotations
