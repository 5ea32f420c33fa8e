"""The server: configuration, authentication, transports, storage, start and stop."""

from __future__ import annotations
