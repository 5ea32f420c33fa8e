"""What a session can be, how it may change, and what each trouble means to a person.

The transitions are a table (after h11's ``_state.py``); each trouble has a code, a sentence
and an action (after mautrix' ``bridgestate.go``). Every transport tells the same truth.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class SessionState(StrEnum):
    """The states that clients see."""

    CREATED = "created"
    STARTING = "starting"
    PAIRING = "pairing"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    LOGGED_OUT = "logged_out"
    BANNED = "banned"
    FAILED = "failed"


class Outcome(StrEnum):
    """What the supervisor does about a session in trouble."""

    RETRY = "retry"
    PAIR_AGAIN = "pair_again"
    GIVE_UP = "give_up"


class Trouble(NamedTuple):
    """One row of the table of troubles: where it leads and what it says."""

    state: SessionState
    outcome: Outcome
    message: str
    user_action: str | None


_S = SessionState

_ENDS = frozenset({_S.DISCONNECTED, _S.LOGGED_OUT, _S.BANNED, _S.FAILED})

TRANSITIONS: dict[SessionState, frozenset[SessionState]] = {
    _S.CREATED: frozenset({_S.STARTING}),
    _S.STARTING: frozenset({_S.PAIRING, _S.CONNECTING, _S.CONNECTED}) | _ENDS,
    _S.PAIRING: frozenset({_S.CONNECTING, _S.CONNECTED}) | _ENDS,
    _S.CONNECTING: frozenset({_S.CONNECTED, _S.PAIRING}) | _ENDS,
    _S.CONNECTED: frozenset({_S.CONNECTING}) | _ENDS,
    # a line that comes back by itself goes straight to connected, or shows codes again
    _S.DISCONNECTED: frozenset({_S.STARTING, _S.PAIRING, _S.CONNECTING, _S.CONNECTED}) | _ENDS,
    _S.LOGGED_OUT: frozenset({_S.STARTING}),
    _S.BANNED: frozenset({_S.STARTING, _S.LOGGED_OUT}),
    _S.FAILED: frozenset({_S.STARTING, _S.LOGGED_OUT}),
}

#: States in which a worker holds the session.
HOSTED = frozenset({_S.STARTING, _S.PAIRING, _S.CONNECTING, _S.CONNECTED})

_PAIR = "Start the session and scan the new QR code with the phone."
_NONE_NEEDED = "Nothing: it reconnects by itself."

TROUBLES: dict[str, Trouble] = {
    "stopped": Trouble(
        _S.DISCONNECTED, Outcome.GIVE_UP, "The session was stopped.", "Start it again."
    ),
    "deleted": Trouble(_S.DISCONNECTED, Outcome.GIVE_UP, "The session was deleted.", None),
    "line_lost": Trouble(
        _S.DISCONNECTED, Outcome.RETRY, "The line to WhatsApp was lost.", _NONE_NEEDED
    ),
    "keepalive_timeout": Trouble(
        _S.DISCONNECTED, Outcome.RETRY, "WhatsApp does not answer on this line.", _NONE_NEEDED
    ),
    "deaf": Trouble(
        _S.DISCONNECTED,
        Outcome.RETRY,
        "The line stands but WhatsApp does not answer.",
        "Nothing: the line is opened anew.",
    ),
    "still_deaf": Trouble(
        _S.DISCONNECTED,
        Outcome.RETRY,
        "WhatsApp does not answer, although the line was opened anew within the last hour.",
        "Check that the phone is online and that WhatsApp works on it; it is tried again by "
        "itself every few minutes.",
    ),
    "connect_timeout": Trouble(
        _S.DISCONNECTED, Outcome.RETRY, "WhatsApp did not answer in time.", _NONE_NEEDED
    ),
    "connect_failed": Trouble(
        _S.DISCONNECTED,
        Outcome.RETRY,
        "WhatsApp cannot be reached.",
        "Check that this machine reaches web.whatsapp.com; it is tried again by itself.",
    ),
    "connect_refused": Trouble(
        _S.DISCONNECTED, Outcome.RETRY, "WhatsApp refused the connection.", _NONE_NEEDED
    ),
    "engine_stumbled": Trouble(
        _S.DISCONNECTED,
        Outcome.RETRY,
        "The engine met something that it does not know and was reconnected.",
        _NONE_NEEDED,
    ),
    "worker_crashed": Trouble(
        _S.DISCONNECTED, Outcome.RETRY, "The session's worker process ended.", _NONE_NEEDED
    ),
    "worker_hung": Trouble(
        _S.DISCONNECTED, Outcome.RETRY, "The session's worker process hung.", _NONE_NEEDED
    ),
    "worker_not_ready": Trouble(
        _S.DISCONNECTED,
        Outcome.RETRY,
        "The session's worker process did not become ready.",
        _NONE_NEEDED,
    ),
    "starts_paused": Trouble(
        _S.DISCONNECTED,
        Outcome.RETRY,
        "The session was started too often in a short time, so its next start waits.",
        "Nothing: it goes on by itself within ten minutes. To try at once, restart it.",
    ),
    "rehosting": Trouble(
        _S.DISCONNECTED,
        Outcome.RETRY,
        "The session moves to another worker process.",
        "Nothing: it takes a moment.",
    ),
    "worker_cannot_start": Trouble(
        _S.FAILED,
        Outcome.GIVE_UP,
        "The session's worker process cannot start on this machine.",
        "Run `zapd doctor` on the server, mend what it names, then start the session.",
    ),
    "start_failed": Trouble(
        _S.FAILED,
        Outcome.GIVE_UP,
        "The session could not be opened.",
        "Look at the daemon's log, mend what it names, then start the session.",
    ),
    "store_damaged": Trouble(
        _S.FAILED,
        Outcome.GIVE_UP,
        "The session's key store cannot be opened.",
        "Restore it from a backup, or delete the session and pair again.",
    ),
    "stream_replaced": Trouble(
        _S.DISCONNECTED,
        Outcome.GIVE_UP,
        "Another program took over this linked device.",
        "Make sure that only one zapd runs with this session, then start it again.",
    ),
    "pairing_expired": Trouble(
        _S.FAILED,
        Outcome.PAIR_AGAIN,
        "The pairing ended before the phone scanned a code.",
        _PAIR,
    ),
    "pairing_failed": Trouble(
        _S.FAILED, Outcome.PAIR_AGAIN, "The phone could not be linked.", _PAIR
    ),
    "logged_out": Trouble(_S.LOGGED_OUT, Outcome.PAIR_AGAIN, "The session was logged out.", _PAIR),
    "unlinked_by_phone": Trouble(
        _S.LOGGED_OUT, Outcome.PAIR_AGAIN, "The phone unlinked this device.", _PAIR
    ),
    "account_locked": Trouble(
        _S.LOGGED_OUT,
        Outcome.PAIR_AGAIN,
        "WhatsApp ended this link and asks the phone to confirm its account.",
        "Open WhatsApp on the phone, do what it asks, then pair again.",
    ),
    "banned": Trouble(
        _S.BANNED,
        Outcome.GIVE_UP,
        "WhatsApp has banned this account.",
        "Open WhatsApp on the phone and follow what it says; start the session afterwards.",
    ),
    "temporarily_banned": Trouble(
        _S.BANNED,
        Outcome.GIVE_UP,
        "WhatsApp has banned this account for a while.",
        "Wait until the ban ends, send less and to fewer strangers, then start the session.",
    ),
    "client_outdated": Trouble(
        _S.FAILED,
        Outcome.GIVE_UP,
        "WhatsApp no longer accepts this version of the engine.",
        "Update zapd: a newer neonize is needed.",
    ),
}

_UNKNOWN_TROUBLE = Trouble(
    _S.FAILED, Outcome.GIVE_UP, "The session met an unknown trouble.", "Look at the daemon's log."
)


def trouble(code: str) -> Trouble:
    """Return the row for ``code``; an unknown code gives up rather than loops."""
    return TROUBLES.get(code, _UNKNOWN_TROUBLE)


class Status(NamedTuple):
    """A session's state with all that a person is told of it."""

    state: SessionState
    code: str | None = None
    message: str | None = None
    user_action: str | None = None

    @classmethod
    def of_trouble(cls, code: str, detail: str | None = None) -> Status:
        """Return the status that the table gives for ``code``; ``detail`` replaces its sentence."""
        row = trouble(code)
        return cls(row.state, code, detail or row.message, row.user_action)

    @property
    def detail(self) -> str | None:
        """The sentence, where it is not the table's."""
        is_own = self.code is not None and self.message != trouble(self.code).message
        return self.message if is_own else None

    def follows(self, before: Status) -> bool:
        """Tell whether the table lets a session come here from ``before``."""
        return self.state == before.state or self.state in TRANSITIONS[before.state]
