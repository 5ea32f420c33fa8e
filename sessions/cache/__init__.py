"""What is kept in RAM: chats, message windows, contacts; every map bounded in bytes."""

from __future__ import annotations
