"""What a provider may be able to do besides the port: whoever hosts it looks for each apart."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from sessions.models import Value


class Counts(Value, frozen=True, kw_only=True):
    """How often one session fell short of what it promises, since its provider was made.

    ``unkept``: events that went unjournaled (journal at its bound, disk full), so a kill would
    have lost them. ``overflowed``: events queued over the bound in RAM, after a wait.
    ``undecrypted``: messages that could not be decrypted, and did not come again in time.
    """

    unkept: int = 0
    overflowed: int = 0
    undecrypted: int = 0

    def plus(self, other: Counts) -> Counts:
        """Return the sums."""
        return Counts(
            unkept=self.unkept + other.unkept,
            overflowed=self.overflowed + other.overflowed,
            undecrypted=self.undecrypted + other.undecrypted,
        )

    def minus(self, other: Counts) -> Counts:
        """Return what came since ``other``."""
        return Counts(
            unkept=self.unkept - other.unkept,
            overflowed=self.overflowed - other.overflowed,
            undecrypted=self.undecrypted - other.undecrypted,
        )


NONE = Counts()


@runtime_checkable
class Counting(Protocol):
    """A provider that counts; the numbers never fall."""

    @property
    def counts(self) -> Counts:
        """What was counted so far."""
        ...


@runtime_checkable
class Pausable(Protocol):
    """A provider that can hold back events while nobody takes them.

    Paused, it emits no more than what it is in the midst of. It must not lose anything by it,
    and a ``stop`` must end all the same. Both methods may be called twice.
    """

    def pause(self) -> None:
        """Emit nothing more for now."""
        ...

    def resume(self) -> None:
        """Go on."""
        ...
