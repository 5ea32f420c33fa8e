"""The page in a real Chromium, served by a real daemon."""

from __future__ import annotations
