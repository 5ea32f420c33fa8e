"""The port that a provider fills, one object a session, inside a worker process.

After mautrix' ``networkinterface.go``: what a method must *not* do is said here, and what a
provider may be unable to do stands apart, in ``sessions.provider.capabilities``.
"""

from __future__ import annotations

from typing import Protocol

from sessions.commands import AnyAnswer, AnyCommand
from sessions.events import AnyEvent
from sessions.ids import SessionKey
from sessions.provider.capabilities import Capabilities


class Emit(Protocol):
    """Takes an event; called on the event loop's thread only, never waits."""

    def __call__(self, event: AnyEvent, mark: int = 0) -> None:
        """Take it. ``mark`` says that with it all up to there is told (``Provider.confirm``)."""
        ...


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

    def confirm(self, mark: int) -> None:
        """Take that the daemon has all up to ``mark``: none of it need be told again.

        Also called before ``start``, with what an earlier life of the session told. Marks rise;
        one that means nothing here must be ignored. A provider that keeps nothing emits none.
        """
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
