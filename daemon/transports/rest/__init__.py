"""The native API: one table of routes, from which come the handlers and the OpenAPI document."""

from __future__ import annotations
