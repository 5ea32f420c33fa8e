"""What the library says when it fails, as codes of ``sessions.states.TROUBLES``.

Sources: neonize 0.5.2 (enumerations of ``Neonize.proto``), whatsmeow ``types/events``
(403 is called LOCKED and 406 BANNED in WhatsApp's own code), and runs against a server of ours.
"""

from __future__ import annotations

from typing import NamedTuple

from sessions.models import iso

# neonize.ConnectFailureReason
GENERIC, LOGGED_OUT, TEMP_BANNED, MAIN_DEVICE_GONE, UNKNOWN_LOGOUT = 1, 2, 3, 4, 5
CLIENT_OUTDATED, BAD_USER_AGENT, INTERNAL_SERVER_ERROR, EXPERIMENTAL, UNAVAILABLE = 6, 7, 8, 9, 10


class Failure(NamedTuple):
    """One trouble of a line.

    ``ends``: the library does nothing more by itself, so the client is to be stopped; what
    follows (a retry, a new pairing, nothing) is in the table of troubles.
    ``forgets``: the library has deleted the keys, so the store file is to go too.
    """

    code: str
    detail: str | None = None
    ends: bool = True
    forgets: bool = False


LINE_LOST = Failure("line_lost", ends=False)
KEEPALIVE_TIMEOUT = Failure("keepalive_timeout", ends=False)
STREAM_REPLACED = Failure("stream_replaced")
OUTDATED = Failure("client_outdated")
CONNECT_TIMEOUT = Failure("connect_timeout")
DEAF = Failure("deaf")

_LOGOUT_CODES = {MAIN_DEVICE_GONE: "account_locked", UNKNOWN_LOGOUT: "banned"}
_REFUSALS = {
    LOGGED_OUT: Failure("logged_out", forgets=True),
    MAIN_DEVICE_GONE: Failure("account_locked", forgets=True),
    UNKNOWN_LOGOUT: Failure("banned", forgets=True),
    TEMP_BANNED: Failure("temporarily_banned"),
    CLIENT_OUTDATED: OUTDATED,
    # on these two the library goes on trying by itself
    INTERNAL_SERVER_ERROR: Failure("connect_refused", ends=False),
    UNAVAILABLE: Failure("connect_refused", ends=False),
}
_BAN_REASONS = {
    1: "messages went to too many strangers",
    2: "too many people blocked this account",
    3: "too many groups were made with strangers",
    4: "the same message was sent too often",
    5: "too many messages went to a broadcast list",
}
#: What ended a callback loop, by the message that could not be encoded (an unmapped enum).
_STUMBLES = {
    "neonize.ConnectFailure": Failure("connect_refused", "WhatsApp gave a reason unknown here."),
    "neonize.TemporaryBan": Failure("temporarily_banned"),
    "neonize.LoggedOut": Failure("logged_out", forgets=True),
}
_STORE_SIGNS = (
    "file is not a database",
    "database disk image is malformed",
    "unable to open database file",
    "failed to upgrade database",
    "readonly database",
)
_PAIRING_SENTENCES = {
    "err-client-outdated": "WhatsApp no longer accepts this version of the engine.",
    "err-scanned-without-multidevice": "The phone scanned the code without linked devices.",
    "err-unexpected-state": "The pairing met a line that was already in use.",
}


def logged_out(*, on_connect: bool, reason: int) -> Failure:
    """Return the trouble for a ``LoggedOut`` event; the library has deleted the keys."""
    code = _LOGOUT_CODES.get(reason)
    if code is None:
        code = "logged_out" if on_connect else "unlinked_by_phone"
    return Failure(code, forgets=True)


def connect_failure(reason: int, message: str) -> Failure:
    """Return the trouble for a ``ConnectFailure`` event."""
    known = _REFUSALS.get(reason)
    if known is not None:
        return known
    return Failure(
        "connect_refused", f"WhatsApp refused the connection: {message[:200]}." if message else None
    )


def temporary_ban(reason: int, expire_seconds: int, now_ms: int) -> Failure:
    """Return the trouble for a ``TemporaryBan`` event: why, for how long, and when it ends.

    The end as a moment too: the sentence is read hours later.
    """
    why = _BAN_REASONS.get(reason, "no reason is known")
    hours, rest = divmod(max(expire_seconds, 0), 3600)
    end = iso(now_ms + max(expire_seconds, 0) * 1000)
    lasts = f"{hours} h {rest // 60} min, until {end[:16].replace('T', ' ')} UTC"
    sentence = f"WhatsApp has banned this account for {lasts}: {why}."
    return Failure("temporarily_banned", sentence)


def pairing_status(status: str) -> Failure | None:
    """Return the trouble for a status of the QR phase; None for what is no end of it."""
    if status == "success" or status.startswith("passkey-"):
        return None
    if status == "timeout":
        return Failure("pairing_expired")
    if status == "err-client-outdated":
        return OUTDATED
    return Failure("pairing_failed", _PAIRING_SENTENCES.get(status))


def connect_error(error: str) -> Failure:
    """Return the trouble for the error of a first connect, which the library never retries."""
    if any(sign in error for sign in _STORE_SIGNS):
        return Failure("store_damaged")
    if "405" in error and "outdated" in error:
        return OUTDATED
    return Failure("connect_failed")


def is_stumble(error: str) -> bool:
    """Tell whether the callback loop ended on a message that it could not encode."""
    return error.startswith("proto:") or "required field" in error


def stumble(error: str) -> Failure:
    """Return the trouble for a callback loop that ended while its client lives on."""
    for name, failure in _STUMBLES.items():
        if name in error:
            return failure
    return Failure("engine_stumbled")


def send_reason(error: str) -> str:
    """Return a short code for the error of a send; ``timeout`` may have been delivered."""
    if "timed out" in error or "deadline exceeded" in error or "disconnected" in error:
        return "timeout"
    if "not connected" in error or "not logged in" in error:
        return "not_connected"
    return "rejected" if "server returned error" in error else "failed"
