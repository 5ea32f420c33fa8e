"""Sends what waits in the outbox to Supabase: parents first, in batches, until nothing waits.

One request is under way at a time, so that a row never overtakes its parent and never itself.
What goes wrong is of four kinds (:mod:`daemon.metadata.trouble`): a pause that grows, an alarm
with a probe every half minute, a dead letter, or another try when its parent may be there.
Nothing leaves the outbox but what Supabase has confirmed, and what can never be sent.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from daemon.metadata.models import KINDS
from daemon.metadata.session_rows import (
    SESSION,
    SESSION_KEY,
    SESSION_REMOTE,
    session_to_remote,
)
from daemon.metadata.tables import (
    ACTIVITY,
    ACTIVITY_KEY,
    ACTIVITY_REMOTE,
    decode,
    table_of,
    to_remote,
)
from daemon.metadata.trouble import Kind, Trouble, unsendable
from daemon.storage.failures import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from daemon.metadata.health import Health
    from daemon.metadata.remote import DataApi, RemoteRow
    from daemon.metadata.workspace_ids import WorkspaceIds
    from daemon.storage.outbox import Item, Outbox

log = logging.getLogger("zapd.supabase")

PART = "sending"
BATCH = 500  # rows a request: 200-400 KB, and a third of a second at the measured 12k rows/s
SENT_MAX = 4096  # operations remembered: Realtime tells of them within seconds
ORDER = (SESSION, *KINDS, ACTIVITY)
"""Kinds, parents first."""


class Pace(NamedTuple):
    """Seconds. After failures a pause of up to ``first``, doubling to ``longest`` (full jitter)."""

    first: float = 0.5
    longest: float = 60.0
    probe: float = 30.0  # while blocked
    gather: float = 0.05  # from a write to the request that takes it along with others
    look: float = 1.0  # until what waits for its parent is looked for again
    idle: float = 30.0  # likewise where nothing waits: a command may let a dead letter wait again
    orphan_tries: int = 7  # with pauses that double from `look`: about two minutes


class _Outgoing(NamedTuple):
    item: Item
    body: RemoteRow


class Drain:
    """The one who sends. :meth:`run` is its life."""

    def __init__(
        self,
        outbox: Outbox,
        api: DataApi,
        ids: WorkspaceIds,
        health: Health,
        *,
        on_success: Callable[[], None] = lambda: None,
        pace: Pace | None = None,
    ) -> None:
        """``on_success`` is called when Supabase took something; it must not wait."""
        self._outbox = outbox
        self._on_success = on_success
        self._api = api
        self._ids = ids
        self._health = health
        self._pace = pace or Pace()
        self._wake = asyncio.Event()
        self._reachable = asyncio.Event()
        self._lock = asyncio.Lock()
        self._verified: set[str] = set()
        self._sent: OrderedDict[str, None] = OrderedDict()

    def wake(self) -> None:
        """Tell that something was put into the outbox."""
        self._wake.set()

    def reachable(self) -> None:
        """Tell that Supabase answered somebody: a pause after failures ends."""
        self._reachable.set()

    def has_sent(self, op_id: object) -> bool:
        """Tell whether it was sent here lately: Realtime tells us of our own writes too."""
        return op_id in self._sent

    async def run(self) -> None:
        """Send until cancelled."""
        failures = 0
        while True:
            self._wake.clear()
            self._reachable.clear()
            try:
                await self.flush()
            except Trouble as trouble:
                failures += 1
                self._health.met(PART, trouble)
                if await _either(self._reachable, self._pause(trouble, failures)):
                    await asyncio.sleep(self._pace.first)  # who reads may be well while we are not
            except StorageError as error:
                failures += 1
                log.warning("what waits for Supabase cannot be read for now: %s", error)
                await asyncio.sleep(self._backoff(failures))
            else:
                failures = 0
                await self._rest()

    async def flush(self) -> None:
        """Send all that is due; raise ``Trouble`` where it cannot go on, keeping the rest."""
        async with self._lock:
            self._verified.clear()
            try:
                for kind in ORDER:
                    while items := await self._outbox.take(kind, BATCH):
                        await self._send(kind, items)
                        self._health.well(PART)
                        self._on_success()
            finally:
                self._health.counts = await self._outbox.counts()
            self._health.idle(PART)

    async def send_now(self, kind: str, item: Item) -> None:
        """Send one item ahead of its turn, for somebody who waits; raise ``Trouble``.

        It may be under way already: whichever comes second changes nothing in Supabase.
        """
        await self._ids.ensure([item.workspace])
        await self._upsert(kind, [_Outgoing(item, self._body(kind, item))])
        await self._outbox.ack([item])

    async def _send(self, kind: str, items: Sequence[Item]) -> None:
        await self._ids.ensure(item.workspace for item in items)
        groups: dict[frozenset[str], list[_Outgoing]] = {}
        for item in items:
            try:
                body = self._body(kind, item)
            except (msgspec.MsgspecError, ValueError) as error:  # of an older zapd, or damaged
                await self._bury(item, unsendable(error))
            else:
                groups.setdefault(frozenset(body), []).append(_Outgoing(item, body))
        for group in groups.values():
            await self._deliver(kind, group)

    async def _deliver(self, kind: str, batch: Sequence[_Outgoing]) -> None:
        """Send the batch; where a row of it is at fault, halve it until that row is alone."""
        try:
            await self._upsert(kind, batch)
        except Trouble as trouble:
            if trouble.kind in {Kind.TRANSIENT, Kind.BLOCKED}:
                raise
            if len(batch) == 1:
                await self._refused(batch[0].item, trouble)
                return
            middle = len(batch) // 2
            await self._deliver(kind, batch[:middle])
            await self._deliver(kind, batch[middle:])
        else:
            await self._outbox.ack([outgoing.item for outgoing in batch])

    async def _upsert(self, kind: str, batch: Sequence[_Outgoing]) -> None:
        bodies = [outgoing.body for outgoing in batch]
        self._sent.update(dict.fromkeys(outgoing.item.op_id for outgoing in batch))
        while len(self._sent) > SENT_MAX:
            self._sent.popitem(last=False)
        if kind == ACTIVITY:  # a line is never changed: the one that is there is the same
            await self._api.upsert(ACTIVITY_REMOTE, bodies, ACTIVITY_KEY, ignore=True)
        elif kind == SESSION:
            await self._api.upsert(SESSION_REMOTE, bodies, SESSION_KEY)
        else:
            table = table_of(kind)
            await self._api.upsert(table.remote, bodies, table.remote_key)

    def _body(self, kind: str, item: Item) -> dict[str, Any]:
        workspace_id = self._ids.id_of(item.workspace)
        if kind == SESSION:
            return session_to_remote(item.doc, workspace_id)
        return to_remote(decode(kind, item.doc), workspace_id)

    async def _refused(self, item: Item, trouble: Trouble) -> None:
        if trouble.kind is Kind.ORPHAN and await self._moved(item.workspace):
            return  # all of the workspace waits again, this item too
        if trouble.kind is Kind.ORPHAN and item.tries + 1 < self._pace.orphan_tries:
            await self._outbox.later([item], self._pace.look * 2.0**item.tries)
        else:
            await self._bury(item, trouble)

    async def _moved(self, workspace: str) -> bool:
        """Tell whether the workspace has another UUID than we knew: the project was made anew."""
        if workspace in self._verified:
            return False
        self._verified.add(workspace)
        before = self._ids.id_of(workspace)
        await self._ids.verify([workspace])
        return self._ids.id_of(workspace) != before

    async def _bury(self, item: Item, trouble: Trouble) -> None:
        reason = f"{trouble.sentence} {trouble.message}".strip()
        if await self._outbox.bury(item, trouble.code, reason):
            log.error(
                "a row (%s) cannot be stored in Supabase (%s): %s It is kept as a dead letter.",
                item.kind,
                trouble.code,
                trouble.sentence,
                extra={"workspace": item.workspace},
            )

    async def _rest(self) -> None:
        """Wait until something was put, or until what waits for a parent may be due."""
        counts = self._health.counts
        waiting = counts is not None and counts.pending > 0
        if await _either(self._wake, self._pace.look if waiting else self._pace.idle):
            await asyncio.sleep(self._pace.gather)

    def _pause(self, trouble: Trouble, failures: int) -> float:
        if trouble.kind is Kind.BLOCKED:
            return self._pace.probe
        asked = min(trouble.retry_after or 0.0, self._pace.longest)
        return max(asked, self._backoff(failures))

    def _backoff(self, failures: int) -> float:
        ceiling = min(self._pace.longest, self._pace.first * 2.0 ** min(failures - 1, 30))
        return random.uniform(0, ceiling)  # noqa: S311 - spreads load, no secret


async def _either(event: asyncio.Event, seconds: float | None) -> bool:
    """Wait for the event or the time; return whether it was the event."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
