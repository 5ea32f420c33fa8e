"""Baileys (npm) on the loopback WhatsApp, as a gateway of its own: what ours is compared with."""

from __future__ import annotations
