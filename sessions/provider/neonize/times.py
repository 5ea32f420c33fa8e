"""Moments in milliseconds, whatever unit a field of the library has.

Message.Info has milliseconds, receipts seconds, a send's answer another: the magnitude
tells them apart without doubt for every moment between 1973 and 5138.
"""

from __future__ import annotations

#: 9999-12-31: what "muted for ever" becomes.
FOREVER_MS = 253_402_300_799_000
_SECONDS_BELOW, _MILLIS_BELOW, _MICROS_BELOW = 10**11, 10**14, 10**17


def to_ms(value: int) -> int:
    """Return milliseconds since 1970 for a moment in seconds, milli-, micro- or nanoseconds."""
    if value < _SECONDS_BELOW:
        return value * 1000
    if value < _MILLIS_BELOW:
        return value
    return value // 1000 if value < _MICROS_BELOW else value // 1_000_000


def until_ms(value: int) -> int | None:
    """Return an end in milliseconds; None for 0, the far future for "for ever" (negative, huge)."""
    if value == 0:
        return None
    return FOREVER_MS if value < 0 or value >= _MICROS_BELOW else to_ms(value)
