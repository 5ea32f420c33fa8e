"""The console in the browser: pairing, chats, and signing in by a link."""

from __future__ import annotations
