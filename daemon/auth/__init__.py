"""Who asks, in which workspace, and what they may do."""

from __future__ import annotations
