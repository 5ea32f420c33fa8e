"""What connects a session to WhatsApp, or plays that it does."""

from __future__ import annotations
