"""The port that a provider fills, one object a session, inside a worker process.

After mautrix' ``networkinterface.go``: what a method must *not* do is said here, and what a
provider may be unable to do stands apart, in :class:`Capabilities`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from sessions.commands import AnyAnswer, AnyCommand
from sessions.events import AnyEvent
from sessions.ids import SessionKey

#: Takes an event; called on the event loop's thread only, never waits.
Emit = Callable[[AnyEvent], None]


class Capabilities(NamedTuple):
    """What a provider can do beyond what the port demands."""

    pairing_code: bool
    history_sync: bool  # sends the phone's history once, after pairing
    sandbox: bool  # obeys the sandbox commands
    choose_message_id: bool
    archive_on_phone: bool
    history_on_demand: bool


class Provider(Protocol):
    """One session's line to WhatsApp.

    Events must leave in the order in which they happened, through the ``Emit`` given at
    construction. A provider must not raise for trouble of the line: it reports
    ``Troubled``. It must not write to stdout, nor outside the store directory given to it.
    """

    capabilities: Capabilities

    async def start(self) -> None:
        """Begin to pair or to log in; return at once, the rest is events."""
        ...

    async def execute(self, command: AnyCommand) -> AnyAnswer:
        """Do it and answer; ``Refused`` where it cannot be done. Must not answer ``Done`` before."""
        ...

    async def stop(self) -> None:
        """Disconnect, wait until nothing arrives any more, stop. Must end; may be called twice."""
        ...

    @property
    def disposable(self) -> bool:
        """Whether the process must end for this session to end (the core's QR phase cannot)."""
        ...


class ProviderFactory(Protocol):
    """Makes a provider for a session."""

    def __call__(self, key: SessionKey, store: str, emit: Emit) -> Provider:
        """Make it. Must not open the line yet."""
        ...
