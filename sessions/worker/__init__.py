"""Child processes that hold the providers, and the supervisor that keeps them alive."""

from __future__ import annotations
