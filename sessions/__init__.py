"""The engine: what a WhatsApp session is, does and reports.

It knows no HTTP, no SQL and no environment variable. What it needs from outside
stands in :mod:`sessions.ports`; the one door into it is :mod:`sessions.manager`.
"""

from __future__ import annotations
