"""History as the engine knows it: told behind the caches, asked for what they do not hold."""

from __future__ import annotations
