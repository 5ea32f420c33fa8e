"""What things weigh, in bytes, as CPython 3.11+ lays them out on a 64-bit machine.

Estimates, rounded to malloc's 16; a test holds them against the measured memory.
"""

from __future__ import annotations

_BYTES_HEADER = 33
_TEXT_HEADER = 49  # of ASCII text; other text has a larger header and up to 4 bytes a character
_TEXT_HEADER_WIDE = 74

#: A message beside its own bytes and texts: entry, tail, ordering key, two index slots.
MESSAGE_OVERHEAD = 320
#: A chat beside its texts: row, address, LRU slot, four index slots.
CHAT_OVERHEAD = 1000
#: One label of a chat: two index slots. Its text is shared by the chats that have it.
LABEL_OVERHEAD = 400
#: A contact beside its texts: struct, LRU slot, index slot.
CONTACT_OVERHEAD = 600
#: An empty window of messages with its two LRU slots.
WINDOW_OVERHEAD = 1100


def bytes_cost(data: bytes) -> int:
    """Return what a bytes object weighs."""
    return (len(data) + _BYTES_HEADER + 15) & ~15


def text_cost(text: str | None) -> int:
    """Return what a string weighs; None weighs nothing of its own."""
    if text is None:
        return 0
    if text.isascii():
        return (len(text) + _TEXT_HEADER + 15) & ~15
    return (4 * len(text) + _TEXT_HEADER_WIDE + 15) & ~15
