"""The numbers of the library's events, and those that we subscribe to.

An event whose enumeration holds something new cannot be encoded by the library, which ends
its callback loop: what we do not need is therefore not subscribed to.
"""

from __future__ import annotations

DEVICE = 0  # the account's own addresses; comes without a subscription
PAIR_STATUS, CONNECTED, KEEPALIVE_TIMEOUT, KEEPALIVE_RESTORED = 2, 3, 4, 5
LOGGED_OUT, STREAM_REPLACED, TEMPORARY_BAN, CONNECT_FAILURE = 6, 7, 8, 9
CLIENT_OUTDATED, DISCONNECTED, HISTORY_SYNC = 10, 12, 13
MESSAGE, RECEIPT, CHAT_PRESENCE, PRESENCE, JOINED_GROUP, GROUP_INFO = 17, 18, 19, 20, 21, 22
OFFLINE_PREVIEW, OFFLINE_COMPLETED = 26, 27
CALL_OFFER, CALL_ACCEPT, CALL_NOTICE, CALL_END, UNDECRYPTABLE = 36, 37, 40, 42, 44

# Ours, in the same queue so that order holds: they never come from Go as events.
QR_CODE, PAIRING_STATUS, ENTERED, ENDED = -1, -2, -3, -4

LINE = frozenset(
    {PAIR_STATUS, CONNECTED, KEEPALIVE_TIMEOUT, KEEPALIVE_RESTORED, LOGGED_OUT, STREAM_REPLACED}
    | {TEMPORARY_BAN, CONNECT_FAILURE, CLIENT_OUTDATED, DISCONNECTED}
)
CONTENT = frozenset(
    {HISTORY_SYNC, MESSAGE, RECEIPT, CHAT_PRESENCE, PRESENCE, JOINED_GROUP, GROUP_INFO}
    | {OFFLINE_PREVIEW, OFFLINE_COMPLETED, CALL_OFFER, CALL_ACCEPT, CALL_NOTICE, CALL_END}
    | {UNDECRYPTABLE}
)
SUBSCRIBED = tuple(sorted(LINE | CONTENT))
