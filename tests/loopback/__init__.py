"""A loopback WhatsApp for tests: see README.md in this folder.

Nothing is imported here, so that the worker process, which needs only `redirect`, stays small.
"""

from __future__ import annotations
