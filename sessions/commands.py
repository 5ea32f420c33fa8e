"""What the manager asks of a provider, and what it answers: tagged unions for the wire."""

from __future__ import annotations

from typing import Literal

from sessions.models import ProviderName, Value


class Quoted(Value, frozen=True, kw_only=True):
    """The message that a text answers, as WhatsApp wants it told."""

    wa_id: str
    sender: str
    text: str


class Command(Value, frozen=True, kw_only=True, tag_field="command"):
    """Base of the commands; each is for one session."""


class Start(Command, frozen=True, kw_only=True, tag="start"):
    """Open the session: log in with the keys in ``store``, or pair where there are none.

    ``store`` is the session's own directory, made by the parent.
    """

    provider: ProviderName
    store: str


class Stop(Command, frozen=True, kw_only=True, tag="stop"):
    """Drain and close the session: disconnect, wait until the engine is quiet, stop."""


class Logout(Command, frozen=True, kw_only=True, tag="logout"):
    """Unlink the device at WhatsApp and forget the keys."""


class Probe(Command, frozen=True, kw_only=True, tag="probe"):
    """See whether WhatsApp answers on a line that stands. Answer: ``Done`` when it does.

    Where it does not the provider reports ``Troubled("deaf")`` and heals the line by itself.
    """


class RequestCode(Command, frozen=True, kw_only=True, tag="request_code"):
    """Ask for a code to type into the phone of ``phone`` (digits). Answer: ``Code``."""

    phone: str


class SendText(Command, frozen=True, kw_only=True, tag="send_text"):
    """Send a text. Answer: ``Sent``. Not repeatable: the engine chooses WhatsApp's id itself."""

    chat: str
    text: str
    reply_to: Quoted | None = None


class MarkRead(Command, frozen=True, kw_only=True, tag="mark_read"):
    """Tell WhatsApp that messages of one sender were read."""

    chat: str
    sender: str
    wa_ids: tuple[str, ...]


class SetTyping(Command, frozen=True, kw_only=True, tag="set_typing"):
    """Show, or stop showing, that the account types or records."""

    chat: str
    is_typing: bool
    kind: Literal["text", "audio"] = "text"


class SandboxScan(Command, frozen=True, kw_only=True, tag="sandbox_scan"):
    """The scripted phone scans the code that is shown now."""


class SandboxReceive(Command, frozen=True, kw_only=True, tag="sandbox_receive"):
    """A contact of the scripted phone writes ``text``. Answer: ``Received``."""

    phone: str
    text: str
    name: str | None = None


class SandboxDrop(Command, frozen=True, kw_only=True, tag="sandbox_drop"):
    """The line goes and comes back."""


class SandboxLogout(Command, frozen=True, kw_only=True, tag="sandbox_logout"):
    """The scripted phone unlinks the device."""


class SandboxTraffic(Command, frozen=True, kw_only=True, tag="sandbox_traffic"):
    """From now on contacts write so many messages a minute; 0 is silence."""

    messages_per_minute: int


AnyCommand = (
    Start
    | Stop
    | Logout
    | Probe
    | RequestCode
    | SendText
    | MarkRead
    | SetTyping
    | SandboxScan
    | SandboxReceive
    | SandboxDrop
    | SandboxLogout
    | SandboxTraffic
)
SandboxCommand = SandboxScan | SandboxReceive | SandboxDrop | SandboxLogout | SandboxTraffic


class Answer(Value, frozen=True, kw_only=True, tag_field="answer"):
    """Base of the answers."""


class Done(Answer, frozen=True, kw_only=True, tag="done"):
    """It is done; there is nothing to say."""


class Sent(Answer, frozen=True, kw_only=True, tag="sent"):
    """WhatsApp took the message. ``chat`` may be another address of the same person."""

    wa_id: str
    at: int
    chat: str
    sender: str


class Code(Answer, frozen=True, kw_only=True, tag="code"):
    """The code for the phone, good until ``expires_at`` (milliseconds since 1970)."""

    code: str
    expires_at: int


class Received(Answer, frozen=True, kw_only=True, tag="received"):
    """Our id of the message that the sandbox's contact wrote."""

    id: str


class Refused(Answer, frozen=True, kw_only=True, tag="refused"):
    """It was not done. ``kind`` is the code of an error of ``sessions.errors``."""

    kind: Literal["command_failed", "unsupported", "session_not_connected", "not_pairing"]
    message: str
    reason: str = "failed"


AnyAnswer = Done | Sent | Code | Received | Refused
