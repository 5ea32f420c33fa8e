"""Suites that hold every implementation of a port to it."""

from __future__ import annotations
