"""The use cases, one file a resource: what a route, a dialect or a webhook asks for."""

from __future__ import annotations
