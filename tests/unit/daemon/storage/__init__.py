"""Tests of daemon/storage."""

from __future__ import annotations
