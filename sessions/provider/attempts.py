"""How often one session may try, in a sliding window. Sans-I/O: callers pass ``now``.

A login that is repeated quickly looks like abuse to WhatsApp; a backoff alone forgets what was
before the last success, so a line that stands for a minute and falls would be tried for ever.
"""

from __future__ import annotations

from collections import deque


class Attempts:
    """The last tries of one session: at most ``most`` in ``window`` seconds."""

    def __init__(self, most: int, window: float) -> None:
        """Allow ``most`` (from 1) tries in any ``window`` seconds."""
        self._window = window
        self._times: deque[float] = deque(maxlen=most)

    def note(self, now: float) -> None:
        """Count a try that is made at ``now``."""
        self._times.append(now)

    def wait(self, now: float) -> float:
        """Return the seconds until the next try is allowed; 0.0 where it is."""
        if len(self._times) < (self._times.maxlen or 1):
            return 0.0
        return max(0.0, self._times[0] + self._window - now)

    def idle(self, now: float) -> bool:
        """Tell whether all tries left the window, so that the object may be forgotten."""
        return not self._times or self._times[-1] + self._window <= now
