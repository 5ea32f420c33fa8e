"""Writes what happens to the store, in the background and in order.

Whoever hands over never waits: a record is a place in a queue and a way to its newest state,
which is asked for when its batch is written. What changes again before that is written once.

Order, oldest first: the batch in hand, the spill, the queue. Marks (of the engine's journals)
stand in the queue as records do; one is told to ``on_durable`` when everything before it is in
the store or in the spill: either outlives a killed process.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple, TypeVar

from daemon.history.models import (
    Dropped,
    Health,
    Moved,
    Record,
    StoredChat,
    StoredContact,
    StoredMessage,
)
from daemon.history.port import HistoryFailed, HistoryStore, RecordRefused
from daemon.history.spill import Spill, SpillFailed
from daemon.history.troubles import Troubles
from daemon.history.waiting import Asked, Mark, Places, Waiting
from sessions.ids import ChatRef, SessionKey

log = logging.getLogger("zapd.history")
T = TypeVar("T")

OnDurable = Callable[[SessionKey, int], None]
"""Called on the event loop with a session and its newest mark; must not raise."""

_BITE = 256  # snapshots taken before others get a turn: less than a millisecond
_SPILL_BATCH = 512  # records of a frame
_BREATH = 0.05  # seconds between two looks at what is to go to the spill


class Bounds(NamedTuple):
    """How much waits, and how it is written. Bytes and seconds.

    From half of ``backlog`` on what waits goes to the spill; ``backlog`` is never passed.
    """

    backlog: int = 64 << 20
    batch: int = 2048
    batch_bytes: int = 4 << 20
    interval: float = 0.05
    retry: float = 0.5
    retry_most: float = 10.0


class _InHand:
    """A batch that is being written; ``records`` are None until they were asked for."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.records: list[Record] | None = None

    @property
    def marks(self) -> list[Mark]:
        """The marks among the places, in order."""
        return [what for _, (what, _, _) in self.places if isinstance(what, Mark)]

    @property
    def asked(self) -> list[Asked]:
        """Those who wait for their place."""
        return [what for _, (what, _, _) in self.places if isinstance(what, asyncio.Future)]


class Flusher:
    """The queue, and the tasks that empty it. All of it on one event loop."""

    def __init__(
        self, store: HistoryStore, spill: Spill, on_durable: OnDurable, bounds: Bounds | None = None
    ) -> None:
        """``spill`` must be open; from here on it is the flusher's."""
        self._store = store
        self._spill = spill
        self._disk = ThreadPoolExecutor(1, "history-spill")
        self._on_durable = on_durable
        self._bounds = bounds or Bounds()
        self._waiting = Waiting(self._bounds.backlog)
        self._in_hand: _InHand | None = None
        self._behind_hand: list[Mark] = []  # of what is in the spill, behind what is in hand
        self._asked: list[Asked] = []
        self._spilled_asked: list[Asked] = []  # of them, those whose place went to the spill
        self._order = asyncio.Lock()  # held by whoever takes from queue or spill, or puts there
        self._work, self._hurry, self._pressed = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._troubles = Troubles()
        self._written = 0
        self._work.set()

    # --- handing over: never waits, never raises ---

    def message(
        self, chat: ChatRef, id: str, snapshot: Callable[[], StoredMessage], nbytes: int
    ) -> None:
        """Take that a message is new or changed; ``snapshot`` gives its state when asked.

        ``nbytes`` is what it holds in RAM until then.
        """
        self._took(self._waiting.message(chat, id, snapshot, nbytes))

    def chat(self, ref: ChatRef, snapshot: Callable[[], StoredChat]) -> None:
        """Take that a chat's row is new or changed."""
        self._took(self._waiting.chat(ref, snapshot))

    def contact(self, contact: StoredContact) -> None:
        """Take that a contact is new or changed."""
        self._took(self._waiting.contact(contact))

    def moved(self, old: ChatRef, new: ChatRef) -> None:
        """Take that two chats became one."""
        self._waiting.divide(Moved(old, new))
        self._took(True)

    def dropped(self, key: SessionKey) -> None:
        """Take that a session was deleted."""
        self._waiting.divide(Dropped(*key))
        self._took(True)

    def mark(self, key: SessionKey, mark: int) -> None:
        """Have ``on_durable`` called when everything that was handed over before is durable."""
        self._waiting.mark(key, mark)
        self._work.set()

    def _took(self, taken: bool) -> None:
        if not taken:
            self._troubles.lose(1)
        if not self._work.is_set():
            self._work.set()
        if self._is_pressed or self._troubles.of_store is not None:
            self._pressed.set()

    @property
    def _is_pressed(self) -> bool:
        return self._waiting.nbytes * 2 > self._bounds.backlog

    # --- asking ---

    def pending(self, chat: ChatRef) -> bool:
        """Tell whether messages or the row of the chat may not be in the store yet.

        Looks through the queue; what is in hand or in the spill may be of any chat.
        """
        if self._in_hand is not None or self._spill.records:
            return True
        return self._waiting.may_hold(chat)

    async def flush(self) -> None:
        """Return when everything that was handed over before is in the store.

        Raises ``HistoryFailed`` where the store refuses; the caller bounds the time.
        """
        asked: Asked = asyncio.get_running_loop().create_future()
        self._waiting.ask(asked)
        self._asked.append(asked)
        self._work.set()
        self._hurry.set()
        try:
            await asked
        finally:
            self._asked.remove(asked)

    def health(self) -> Health:
        """Return how it stands."""
        spill, health = self._spill, self._troubles.health()
        return health._replace(
            state="behind" if health.state == "ok" and spill.records else health.state,
            backlog=self._waiting.records,
            backlog_bytes=self._waiting.nbytes,
            spilled=spill.records,
            spilled_bytes=spill.bytes,
            written=self._written,
            lost=self._troubles.lost + spill.lost,
        )

    # --- emptying ---

    async def run(self) -> None:
        """Write what comes, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._write_on())
            tasks.create_task(self._relieve())

    async def close(self, seconds: float) -> None:
        """Write all that waits, or put it into the spill; after ``run`` has ended.

        Takes at most ``seconds`` for the store, and as long as the disk takes for the spill.
        """
        with suppress(TimeoutError, HistoryFailed):
            async with asyncio.timeout(seconds):
                while await self._step():
                    pass
        await self._save(in_hand_too=True)
        if self._waiting.records:
            self._troubles.lost += self._waiting.records
            log.error(
                "%d records of the history are lost, as zapd ends: %s",
                self._waiting.records,
                self._troubles.of_spill,
            )
        self._fail_asked(HistoryFailed("The history is closed."))
        self._disk.shutdown()

    async def _write_on(self) -> None:
        pause = self._bounds.retry
        while True:
            await self._work.wait()
            if len(self._waiting) < self._bounds.batch and not self._spill.records:
                await self._hurried(self._bounds.interval)
            try:
                if not await self._step():
                    self._work.clear()
            except HistoryFailed as error:
                self._troubles.met(error)
                self._fail_asked(error)
                await self._save(in_hand_too=True)
                await self._hurried(pause)
                pause = min(pause * 2, self._bounds.retry_most)
            else:
                pause = self._bounds.retry

    async def _hurried(self, seconds: float) -> None:
        """Let a batch come together, or the store recover, unless somebody waits for it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        self._hurry.clear()

    async def _relieve(self) -> None:
        """Move what waits to the spill while the store refuses or cannot follow."""
        while True:
            await self._pressed.wait()
            self._pressed.clear()
            await self._save()
            await asyncio.sleep(self._bounds.retry if self._troubles.of_spill else _BREATH)

    async def _step(self) -> bool:
        """Write the oldest batch; return whether there was one. Raises ``HistoryFailed``."""
        spilled: list[Record] | None = None
        if self._in_hand is None:
            async with self._order:
                if self._spill.records:
                    spilled = await self._on_disk(self._spill.peek)
                elif self._waiting:
                    places = self._waiting.take(self._bounds.batch, self._bounds.batch_bytes)
                    self._in_hand = _InHand(places)
                else:
                    return False
        if spilled is not None:
            await self._write_spilled(spilled)
        elif self._in_hand is not None:
            await self._write_in_hand(self._in_hand)
        return True

    async def _write_in_hand(self, in_hand: _InHand) -> None:
        if in_hand.records is None:
            in_hand.records = await self._snapshots(in_hand.places)
        await self._put(in_hand.records)
        self._in_hand = None
        self._waiting.release(in_hand.places)
        if not self._is_pressed:
            self._troubles.of_spill = None
        self._durable([*in_hand.marks, *self._behind_hand])
        self._answer(in_hand.asked)

    async def _write_spilled(self, records: list[Record]) -> None:
        await self._put(records)
        async with self._order:
            await self._on_disk(self._spill.advance)
        if not self._spill.records:
            self._troubles.of_spill = None
            self._answer(self._spilled_asked)
            self._spilled_asked.clear()

    async def _put(self, records: Sequence[Record]) -> None:
        """Write the records; those that can never be stored are found by halving."""
        try:
            if records:
                await self._store.write(records)
        except RecordRefused as error:
            if len(records) == 1:
                log.warning("a %s cannot be stored: %s", type(records[0]).__name__, error)
                self._troubles.refuse(1)
                return
            half = len(records) // 2
            await self._put(records[:half])
            await self._put(records[half:])
        except HistoryFailed:
            raise
        except Exception as error:
            log.exception("the history's store failed in an unknown way")
            raise HistoryFailed(
                f"The history's store failed ({type(error).__name__}).", "See the daemon's log."
            ) from error
        else:
            self._written += len(records)
            self._troubles.well()

    async def _save(self, *, in_hand_too: bool = False) -> None:
        """Put what waits into the spill, as far as it has room.

        What is in hand goes with it only where nobody is writing it.
        """
        async with self._order:
            try:
                if in_hand_too and self._in_hand is not None:
                    await self._save_in_hand(self._in_hand)
                while self._waiting:
                    await self._save_some()
            except SpillFailed as error:
                self._troubles.met_spill(error)

    async def _save_in_hand(self, in_hand: _InHand) -> None:
        if in_hand.records is None:
            in_hand.records = await self._snapshots(in_hand.places)
        records = in_hand.records
        self._troubles.refuse(await self._on_disk(lambda: self._spill.prepend(records)))
        self._in_hand = None
        self._saved(in_hand)

    async def _save_some(self) -> None:
        batch = _InHand(self._waiting.take(_SPILL_BATCH, self._bounds.batch_bytes))
        try:
            records = batch.records = await self._snapshots(batch.places)
            self._troubles.refuse(await self._on_disk(lambda: self._spill.append(records)))
        except BaseException:
            self._waiting.give_back(batch.places)
            raise
        self._saved(batch)

    def _saved(self, batch: _InHand) -> None:
        self._troubles.of_spill = None
        self._waiting.release(batch.places)
        self._spilled_asked += batch.asked
        if self._in_hand is not None:
            self._behind_hand += batch.marks
        else:
            self._durable([*batch.marks, *self._behind_hand])
        self._work.set()

    async def _snapshots(self, places: Places) -> list[Record]:
        """Ask for the records, with turns for others between."""
        records: list[Record] = []
        for number, (_, (what, _, _)) in enumerate(places):
            if number % _BITE == _BITE - 1:
                await asyncio.sleep(0)
            if callable(what):
                try:
                    records.append(what())
                except Exception:
                    # One record's fault must not hold up all others.
                    log.exception("a record for the history could not be made")
                    self._troubles.refuse(1)
        return records

    async def _on_disk(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, work)

    def _durable(self, marks: Sequence[Mark]) -> None:
        """Tell each session's newest mark."""
        self._behind_hand.clear()
        for key, mark in dict(marks).items():
            self._on_durable(key, mark)

    def _answer(self, asked: Sequence[Asked]) -> None:
        for each in asked:
            if not each.done():
                each.set_result(None)

    def _fail_asked(self, error: HistoryFailed) -> None:
        for each in self._asked:
            if not each.done():
                each.set_exception(error)
