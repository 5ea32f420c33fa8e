"""The optional memory of the past: what the RAM held, on disk, written in the background.

RAM is the truth of the moment. History is behind it by a fraction of a second, is never in the
way of an event, and is asked only for what the RAM does not hold.
"""

from __future__ import annotations
