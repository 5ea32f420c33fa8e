"""What the engine refuses, and why.

::

    EngineError
    ├── InvalidId             a name that is not one (workspace, session, JID, phone)
    ├── SessionNotFound
    ├── SessionExists
    ├── SessionNotConnected   carries what a person can do about it
    ├── NotPairing            there is no QR code now, or none can be made
    ├── NotASandbox           a sandbox command for a real session
    ├── ChatNotFound
    ├── MessageNotFound
    ├── IdempotencyConflict   the same key with another body
    ├── SendQueueFull
    ├── Unsupported           the provider cannot do it (see ``Capabilities``)
    ├── CommandFailed         the provider tried, WhatsApp or the core refused
    ├── OutcomeUnknown        the worker died, or was silent, while it tried
    └── WireError             bytes between parent and worker that make no sense

Trouble of a living session is a *state* (:mod:`sessions.states`), never one of these.
"""

from __future__ import annotations

from typing import ClassVar


class EngineError(Exception):
    """Base of all that the engine refuses; ``code`` is stable and documented."""

    code: ClassVar[str] = "engine_error"

    def __init__(self, message: str, *, user_action: str | None = None) -> None:
        """Keep the sentence for the caller and, where there is one, what a person can do."""
        super().__init__(message)
        self.message = message
        self.user_action = user_action


class InvalidId(EngineError):
    """A workspace, session, chat, phone or JID that cannot be one."""

    code = "invalid_id"


class InvalidJid(InvalidId):
    """Not a WhatsApp address, phone number or chat id."""

    code = "invalid_jid"


class SessionNotFound(EngineError):
    """No such session in this workspace."""

    code = "session_not_found"


class SessionExists(EngineError):
    """The workspace already has a session of that id."""

    code = "session_exists"


class SessionNotConnected(EngineError):
    """The session cannot act now; its state says why."""

    code = "session_not_connected"


class NotPairing(EngineError):
    """The session shows no QR code now."""

    code = "not_pairing"


class NotASandbox(EngineError):
    """Only sandbox sessions have a scripted phone."""

    code = "not_a_sandbox"


class ChatNotFound(EngineError):
    """The chat is not in the cache of this session."""

    code = "chat_not_found"


class MessageNotFound(EngineError):
    """The message is not in the cache."""

    code = "message_not_found"


class PastUnavailable(EngineError):
    """What is asked for is not in the cache, and what is kept beyond it cannot be read now."""

    code = "history_unavailable"


class IdempotencyConflict(EngineError):
    """The key was used with another body."""

    code = "idempotency_conflict"


class SendQueueFull(EngineError):
    """The session has as many sends waiting as it may have."""

    code = "send_queue_full"


class Unsupported(EngineError):
    """The provider behind the session cannot do this at all."""

    code = "unsupported"


class CommandFailed(EngineError):
    """The provider tried and was refused; ``reason`` is the provider's own short code."""

    code = "command_failed"

    def __init__(self, message: str, *, reason: str = "failed") -> None:
        """Keep the provider's sentence and its short code."""
        super().__init__(message)
        self.reason = reason


class OutcomeUnknown(EngineError):
    """Nobody can say whether it was done."""

    code = "outcome_unknown"


class WireError(EngineError):
    """A frame between parent and worker that is too large or not of the protocol."""

    code = "wire_error"
