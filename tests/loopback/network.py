"""What all parts of one loopback server share: who there is, and stamps for stanzas."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from .companion import Companion
    from .group import Group
    from .nodes import Jid
    from .person import Person


class Stamps:
    """Message ids and times."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        """`clock` gives the aware time that stanzas carry."""
        self._clock = clock
        self._ids = itertools.count(1)

    def wa_id(self) -> str:
        """The next message id, unique for this server."""
        return f"LOOPBACK{next(self._ids):012X}"

    def seconds(self) -> str:
        """Now, in Unix seconds, as attributes have it."""
        return str(int(self._clock().timestamp()))


class Directory:
    """People by phone number and LID, and the devices that are linked to them."""

    def __init__(self) -> None:
        """Nobody is known yet."""
        self.media_address = ""
        """Host and port of the media host."""
        self._people: dict[str, Person] = {}
        self._companions: dict[tuple[str, int], Companion] = {}
        self._groups: dict[str, Group] = {}

    def add(self, person: Person) -> None:
        """Makes a person findable.

        Raises:
            ValueError: if the number or the LID is somebody's already.
        """
        if self._people.keys() & {person.number, person.lid}:
            msg = f"{person.number} or LID {person.lid} is taken"
            raise ValueError(msg)
        self._people |= {person.number: person, person.lid: person}

    def person(self, jid: Jid) -> Person | None:
        """Whose address this is, whatever the device."""
        return self._people.get(jid.user)

    def add_group(self, group: Group) -> None:
        """Makes a group findable."""
        self._groups[group.jid.user] = group

    def group(self, jid: Jid) -> Group | None:
        """The group with this address."""
        return self._groups.get(jid.user)

    def groups_of(self, number: str) -> list[Group]:
        """The groups that somebody is in."""
        return [g for g in self._groups.values() if any(p.number == number for p in g.members)]

    def link(self, companion: Companion) -> None:
        """A device may log in from now on."""
        self._companions[companion.jid.user, companion.jid.device] = companion

    def unlink(self, companion: Companion) -> None:
        """A device is removed: its next login fails."""
        companion.linked = False
        self._companions.pop((companion.jid.user, companion.jid.device), None)
        companion.record.watch.touch()

    def companion(self, number: str, device: int) -> Companion | None:
        """The linked device with this phone number and device number."""
        return self._companions.get((number, device))

    def devices(self, person: Person) -> list[int]:
        """The device numbers of a person, the phone's 0 first."""
        return [0, *(device for number, device in self._companions if number == person.number)]
