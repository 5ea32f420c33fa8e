"""A session as it lives in the daemon: its record, its status, and what it shows now."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from sessions.errors import SessionNotConnected
from sessions.events import CodeShown, QrShown
from sessions.ids import SessionKey, jid_user
from sessions.models import Session, iso
from sessions.ports import SessionRecord
from sessions.provider.capabilities import CAPABILITIES, Capabilities
from sessions.states import HOSTED, SessionState, Status

DEAF_MEMORY_MS = 3_600_000


class Ending(NamedTuple):
    """How a session that ended by itself is tidied up."""

    throw_away: bool  # its worker holds nothing worth a drain
    forget: bool  # its keys are worth nothing any more


class LiveSession:
    """One session; the lifecycle changes it, everybody reads it."""

    def __init__(self, record: SessionRecord) -> None:
        """Begin with what was remembered."""
        self.record = record
        self.status = _remembered(record)
        self.qr: QrShown | None = None
        self.code: CodeShown | None = None
        #: When a message came, as clients see it; milliseconds.
        self.last_received_at: int | None = None
        #: When anything came from WhatsApp, an answer to a probe too: a quiet line is no deaf one.
        self.last_heard_at = 0
        #: When the line was last found deaf.
        self.deaf_at: int | None = None
        self.ending: Ending | None = None
        #: Start, stop, restart, logout, delete and the move to the pool happen one at a time.
        self.lock = asyncio.Lock()

    @property
    def key(self) -> SessionKey:
        """The session's whole name."""
        return self.record.key

    @property
    def capabilities(self) -> Capabilities:
        """What the session's provider can do."""
        return CAPABILITIES[self.record.provider]

    @property
    def is_connected(self) -> bool:
        """Whether the session can send now."""
        return self.status.state is SessionState.CONNECTED

    @property
    def is_hosted(self) -> bool:
        """Whether a worker has the session, by its state."""
        return self.status.state in HOSTED

    def require_connected(self) -> None:
        """Raise ``SessionNotConnected``, with what to do about it, unless it can send now."""
        if not self.is_connected:
            status = self.status
            raise SessionNotConnected(
                f"Session {self.record.id} is {status.state}. {status.message or ''}".rstrip(),
                user_action=status.user_action
                or "Start the session and wait until it is connected.",
            )

    def deaf_code(self, now: int) -> str:
        """Return the code of a deaf line: the second time in an hour a person is asked to look.

        Remembered here, not in the provider: healing may have cost the worker.
        """
        before, self.deaf_at = self.deaf_at, now
        return "deaf" if before is None or now - before >= DEAF_MEMORY_MS else "still_deaf"

    def view(self) -> Session:
        """Return the session as clients see it."""
        record, status = self.record, self.status
        return Session(
            id=record.id,
            label=record.label,
            provider=record.provider,
            state=status.state,
            code=status.code,
            message=status.message,
            user_action=status.user_action,
            phone=f"+{jid_user(record.jid)}" if record.jid else None,
            jid=record.jid,
            last_received_at=iso(self.last_received_at) if self.last_received_at else None,
            created_at=iso(record.created_at),
        )


#: States that outlive the daemon; any other means that it was to run, or was stopped.
_LASTING = frozenset(
    {SessionState.CREATED, SessionState.LOGGED_OUT, SessionState.BANNED, SessionState.FAILED}
)


def _remembered(record: SessionRecord) -> Status:
    state = SessionState(record.state)
    if state in _LASTING or (state is SessionState.DISCONNECTED and not record.wanted):
        if record.code is None:
            return Status(state)
        return Status.of_trouble(record.code, record.detail)
    return Status(SessionState.DISCONNECTED if record.paired else SessionState.CREATED)
