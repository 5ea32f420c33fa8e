"""What a session keeps on disk of what came in: the journal, who is who, what is waited for.

Joins the journal to the marks that the daemon is told and confirms. Everything but ``keep``
is called on the loop; nothing here asks the core.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from sessions.provider.neonize.addresses import Addresses
from sessions.provider.neonize.inbox import JOURNALED, Received
from sessions.provider.neonize.journal import Record
from sessions.provider.neonize.journal_file import Journal
from sessions.provider.neonize.people import People
from sessions.provider.neonize.undecrypted import Undecrypted

log = logging.getLogger(__name__)

OPEN_PAUSE = 0.1


class Kept:
    """One session's journal, or none where the disk gives none: then RAM has to do."""

    def __init__(self, store: str, parse: Callable[[bytes], Any] = bytes) -> None:
        """Keep in ``store``; ``parse`` reads an ``UndecryptableMessage``. Nothing is opened yet."""
        self._store = store
        self._journal: Journal | None = None
        self._taken = 0  # confirmed before the journal was opened
        self._told = 0  # the newest mark that the daemon was told
        self._handled = 0  # the newest that was handled, told or not
        self._confirmed = asyncio.Event()
        self._is_keeping = True
        self.unkept = 0  # how many events went unjournaled
        self.people = People(store)
        self.undecrypted = Undecrypted(store, parse)

    async def open(self, patience: float, is_stopping: Callable[[], bool]) -> list[Record]:
        """Open the journal; return what the daemon may not have, oldest first.

        Waits up to ``patience`` seconds while another process holds it. Without one nothing
        is returned, and what comes is in RAM only.
        """
        end = asyncio.get_running_loop().time() + patience
        while True:
            try:
                self._journal = Journal(self._store)
            except BlockingIOError as error:
                if is_stopping() or asyncio.get_running_loop().time() >= end:
                    log.warning("another process holds the journal: %s", error)
                    return []
                await asyncio.sleep(OPEN_PAUSE)
            except OSError as error:
                log.warning("the journal cannot be opened: %s", error)
                return []
            else:
                self._journal.confirm(self._taken)
                return self._journal.unconfirmed()

    def introduce(self, addresses: Addresses) -> None:
        """Tell ``addresses`` who is who, as earlier lives learned it."""
        try:
            own, pairs = self.people.load()
            self.undecrypted.load()
        except OSError as error:
            log.warning("who is who cannot be read: %s", error)
            return
        for lid, pn in pairs:
            addresses.lids.learn(lid, pn)
        if own:
            addresses.own(own[0], own[1] or None)

    def keep(self, code: int, data: bytes) -> int:
        """Journal an event (on Go's thread); return its mark, 0 where it is not kept."""
        mark = self._journal.append(code, data) if self._journal else 0
        self.unkept += not mark
        return mark

    def note(self, event: Received) -> None:
        """Say once that events go unjournaled, and once that they do not any more."""
        if event.code not in JOURNALED or bool(event.mark) is self._is_keeping:
            return
        self._is_keeping = bool(event.mark)
        if self._is_keeping:
            log.warning("events are journaled again; %d were not", self.unkept)
        else:
            log.warning("events go unjournaled: the journal is at its bound, or the disk full")

    def told(self, mark: int) -> None:
        """Note that all of the event with ``mark`` was told to the daemon."""
        if mark:
            self._told = self._handled = mark

    def silent(self, mark: int) -> None:
        """Note an event that had nothing to tell: nobody will confirm it."""
        self._handled = mark or self._handled
        if mark and self._journal and self._journal.confirmed >= self._told:
            self._journal.confirm(mark)

    def confirm(self, mark: int) -> None:
        """Take that the daemon has all up to ``mark``; what was silent since goes with it."""
        if self._journal is None:
            self._taken = mark
        else:
            self._journal.confirm(self._handled if mark == self._told else mark)
            self._confirmed.set()

    @property
    def is_settled(self) -> bool:
        """Whether the daemon has confirmed all that it was told."""
        return self._journal is None or self._journal.confirmed >= self._told

    async def settled(self, patience: float) -> None:
        """Wait until all told is confirmed; up to ``patience`` seconds for each confirmation."""
        while not self.is_settled:
            self._confirmed.clear()
            try:
                await asyncio.wait_for(self._confirmed.wait(), patience)
            except TimeoutError:
                return

    def close(self) -> None:
        """Let another process have it."""
        if self._journal is not None:
            self._journal.close()
        self.people.close()
        self.undecrypted.close()

    def discard(self) -> None:
        """Delete everything: the account is gone."""
        if self._journal is not None:
            self._journal.discard()
        self.people.discard()
        self.undecrypted.discard()
