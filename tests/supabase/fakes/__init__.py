"""Stand-ins for Supabase, with its faults."""

from __future__ import annotations
