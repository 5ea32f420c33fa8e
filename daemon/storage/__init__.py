"""What survives: one embedded SQLite file in the data directory, and what is kept in it."""

from __future__ import annotations
