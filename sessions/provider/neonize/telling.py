"""What came from WhatsApp, told to the daemon: decoded, marked, in order, as fast as it is taken.

One ``Teller`` a session. What it does not tell at once it keeps: marks that wait for a
confirmation, messages that wait for a second try.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import DecodeError

from sessions.events import AnyEvent, CallChanged, LidLearned
from sessions.provider.neonize import codes
from sessions.provider.neonize.addresses import plain
from sessions.provider.neonize.calls import Calls
from sessions.provider.neonize.core import Core
from sessions.provider.neonize.decode import Decoder, parse
from sessions.provider.neonize.flow import Flow
from sessions.provider.neonize.inbox import Received
from sessions.provider.neonize.journal import Record
from sessions.provider.neonize.kept import Kept
from sessions.provider.neonize.undecrypted import Missing
from sessions.provider.port import Emit

log = logging.getLogger(__name__)

#: Seconds. The loop is left to others after so long a slice of decoding.
SLICE = 0.005
LOOKUP_PATIENCE = 2.0
#: Milliseconds: what a replay tells of an older call is no news to anybody.
CALL_LASTS = 60_000
#: Seconds between two looks at what never came, while it cannot be told.
LOOK_AGAIN = 10.0


def now_ms() -> int:
    """Return the moment, in milliseconds since 1970."""
    return round(datetime.now(UTC).timestamp() * 1000)


def parse_undecryptable(data: bytes) -> Any:
    """Return the event that these bytes are; None where they are none."""
    try:
        return parse(codes.UNDECRYPTABLE, data)
    except DecodeError:
        return None


class Teller:
    """Decodes one session's events and emits what they mean."""

    def __init__(self, decoder: Decoder, kept: Kept, core: Core, calls: Calls, emit: Emit) -> None:
        """Ask ``core`` only for what it may know of a LID."""
        self._decoder = decoder
        self._kept = kept
        self._core = core
        self._calls = calls
        self._emit = emit
        self._alarm: asyncio.TimerHandle | None = None
        self.flow = Flow()
        self.undecrypted = (
            0  # messages that were told as a place, or dropped where nobody misses them
        )

    async def replay(self, records: list[Record]) -> None:
        """Tell what the daemon may not have. The core is not asked: nothing is connected."""
        self._kept.introduce(self._decoder.addresses)
        if records:
            log.info("%d events are told again or for the first time", len(records))
        since = now_ms() - CALL_LASTS
        for record in records:
            raw = Received(record.code, record.data, record.sequence)
            event = self._parsed(raw)
            if event is not None:
                told = self._decoder.read(record.code, event)
                fresh = (e for e in told if not isinstance(e, CallChanged) or e.at >= since)
                await self._tell(fresh, raw.mark)
        self._decoder.line_lost()

    async def take(self, raw: Received) -> None:
        """Tell what one raw event means."""
        self._kept.note(raw)
        event = self._parsed(raw)
        if event is None:
            return
        for lid in self._decoder.unnamed_lids(event):
            await self._look_up(lid)
        await self._tell(self._decoder.read(raw.code, event), raw.mark)

    def _parsed(self, raw: Received) -> Any:
        try:
            event = parse(raw.code, raw.data)
        except (DecodeError, KeyError) as error:
            log.warning("event %d cannot be parsed: %s", raw.code, type(error).__name__)
            self._kept.silent(raw.mark)
            return None
        if raw.code == codes.UNDECRYPTABLE and self._decoder.is_awaited(event):
            self._kept.undecrypted.add(Missing(now_ms(), raw.data, event))
            self._set_alarm()
        elif raw.code == codes.MESSAGE:
            self._came(event)
        return event

    async def _tell(self, events: Iterable[AnyEvent], mark: int) -> None:
        """Tell what one raw event means; a large one (history) leaves the loop to others.

        The last carries the mark: whoever confirms it has them all.
        """
        loop = asyncio.get_running_loop()
        slice_end = loop.time() + SLICE
        last: AnyEvent | None = None
        for event in events:
            await self.flow.wait()
            if last is not None:
                self._emit(last)
            last = event
            if isinstance(event, LidLearned):
                self._kept.people.learned(event.lid, event.pn)
            if loop.time() > slice_end:
                await asyncio.sleep(0)
                slice_end = loop.time() + SLICE
        if last is None:
            self._kept.silent(mark)
        else:
            self._kept.told(mark)
            self._emit(last, mark)

    async def _look_up(self, lid: str) -> None:
        """Ask the core for a LID's number: its store knows more than one process has seen."""
        addresses = self._decoder.addresses
        jid = await self._calls.make_within(LOOKUP_PATIENCE, self._core.pn_from_lid, lid)
        if jid is None:  # no answer is no knowledge
            return
        pn = plain(jid)
        if not pn:
            addresses.lids.give_up(lid)
        for told in addresses.learn(lid, pn):
            self._kept.people.learned(told.lid, told.pn)
            self._emit(told)

    # --- what could not be decrypted --------------------------------------------------------

    def _came(self, event: Any) -> None:
        """Wait no more for a message whose second try succeeded."""
        missing = self._kept.undecrypted.find(event)
        if missing is not None and self._decoder.is_same(missing.event, event):
            self._kept.undecrypted.end(missing)

    def line_is_up(self) -> None:
        """Tell soon what never came while the line was down."""
        self._set_alarm()

    def _set_alarm(self, least: float = 0.0) -> None:
        """Look again when the next is due, and not before ``least`` seconds."""
        if self._alarm is not None:
            self._alarm.cancel()
        seconds = self._kept.undecrypted.seconds(now_ms())
        if seconds is not None:
            loop = asyncio.get_running_loop()
            self._alarm = loop.call_later(max(least, seconds), self._look_at_missing)

    def _look_at_missing(self) -> None:
        """Tell what never came again; while the daemon takes nothing, or the line is down, later."""
        if self.flow.is_open and self._core.is_up:
            self._give_up(self._kept.undecrypted.due(now_ms()))
            self._set_alarm()
        else:
            self._set_alarm(LOOK_AGAIN)

    def give_up_all(self) -> None:
        """Tell all that is still waited for: the account is gone, nothing comes any more."""
        self._give_up(self._kept.undecrypted.all())

    def _give_up(self, missed: list[Missing]) -> None:
        for missing in missed:
            self.undecrypted += 1
            for event in self._decoder.undecrypted(missing.event):
                self._emit(event)
            self._kept.undecrypted.end(missing)

    def close(self) -> None:
        """Look no more; what is waited for is in its file."""
        if self._alarm is not None:
            self._alarm.cancel()
