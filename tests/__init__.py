"""Tests of zapd: one test file a module, real processes and sockets."""

from __future__ import annotations
