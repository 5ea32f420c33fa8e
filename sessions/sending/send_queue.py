"""One session's sends, one after the other, in the order in which they were accepted.

A row is marked on disk before the engine is asked, and after it answered, so that a
restart knows what was never tried, and says ``unknown`` of what was tried without an answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from sessions.commands import AnyAnswer, Refused, Sent
from sessions.errors import EngineError, OutcomeUnknown, SendQueueFull, SessionNotConnected
from sessions.models import SendStatus, Value
from sessions.ports import SendJournal, SendRow

log = logging.getLogger("zapd.send")

LINE_PAUSE = 0.5  # seconds before an engine that had no line is asked again
JOURNAL_PAUSE = 1.0  # seconds before a journal that cannot be written is tried again


class SendOutcome(Value, frozen=True, kw_only=True):
    """What became of a send; ``code`` says why where it went wrong."""

    status: SendStatus
    sent: Sent | None = None
    code: str | None = None


class SendQueue:
    """The waiting sends of a session, and the one that is in hand."""

    def __init__(
        self,
        journal: SendJournal,
        deliver: Callable[[SendRow], Awaitable[AnyAnswer]],
        report: Callable[[SendRow, SendOutcome], None],
        most: int,
    ) -> None:
        """``deliver`` asks the engine; ``report`` takes the outcome and must not raise."""
        self._journal = journal
        self._deliver = deliver
        self._report = report
        self._most = most
        self._rows: deque[SendRow] = deque()
        self._doomed: deque[tuple[SendRow, str]] = deque()
        self._refusal: str | None = None
        self._wake = asyncio.Event()
        self._connected = False
        self._closing = False

    def __len__(self) -> int:
        """How many wait."""
        return len(self._rows) + len(self._doomed)

    def check_room(self) -> None:
        """Raise ``SendQueueFull`` when no further send may be accepted."""
        if len(self) >= self._most:
            raise SendQueueFull(
                f"The session has {self._most} sends waiting.",
                user_action="Wait until some of them have left.",
            )

    def put(self, row: SendRow) -> None:
        """Queue an accepted row."""
        if self._refusal is None:
            self._rows.append(row)
        else:
            self._doomed.append((row, self._refusal))
        self._wake.set()

    def set_connected(self, connected: bool) -> None:
        """Say whether the session can send now."""
        self._connected = connected
        if connected:
            self._refusal = None
        self._wake.set()

    def refuse(self, code: str) -> None:
        """Fail all that waits, and what comes until there is a line: its account is gone."""
        self._refusal = code
        self._doomed.extend((row, code) for row in self._rows)
        self._rows.clear()
        self._wake.set()

    def drop(self, chats: frozenset[str]) -> int:
        """Forget what waits for these chats (JIDs); the one in hand is not among them."""
        before = len(self)
        self._rows = deque(row for row in self._rows if row.chat not in chats)
        self._doomed = deque(each for each in self._doomed if each[0].chat not in chats)
        return before - len(self)

    def close(self) -> None:
        """Take nothing new in hand; ``run`` ends when what is in hand has finished."""
        self._closing = True
        self._wake.set()

    async def run(self) -> None:
        """Send until closed (the manager owns this task)."""
        while not self._closing:
            if self._doomed:
                row, code = self._doomed.popleft()
                await self._finish(row, SendOutcome(status="failed", code=code))
            elif self._rows and self._connected:
                await self._send(self._rows.popleft())
            else:
                self._wake.clear()
                await self._wake.wait()

    async def _send(self, row: SendRow) -> None:
        if not await self._mark(row, "trying"):
            self._rows.appendleft(row)  # not on disk, so not to be tried
            await asyncio.sleep(JOURNAL_PAUSE)
            return
        try:
            outcome = _outcome(await self._deliver(row))
        except OutcomeUnknown as unknown:
            outcome = SendOutcome(status="unknown", code=unknown.code)
        except SessionNotConnected:
            outcome = None
        except EngineError as error:  # it cannot even be asked
            outcome = SendOutcome(status="failed", code=error.code)
        if outcome is None:
            await self._put_back(row)
        else:
            await self._finish(row, outcome)

    async def _put_back(self, row: SendRow) -> None:
        """The engine did not try it: it waits for the line, if its account still is."""
        if self._refusal is not None:
            self._doomed.append((row, self._refusal))
            return
        self._rows.appendleft(row)
        await self._mark(row, "accepted")
        await asyncio.sleep(LINE_PAUSE)

    async def _finish(self, row: SendRow, outcome: SendOutcome) -> None:
        await self._mark(row, outcome.status, outcome.sent.wa_id if outcome.sent else None)
        self._report(row, outcome)

    async def _mark(self, row: SendRow, state: str, wa_id: str | None = None) -> bool:
        try:
            await self._journal.mark(row, state, wa_id)
        except EngineError as error:
            log.warning("the send journal cannot be written: %s", error)
            return False
        return True


def _outcome(answer: AnyAnswer) -> SendOutcome | None:
    """Return what the answer means; None: it was not tried, for want of a line."""
    match answer:
        case Sent():
            return SendOutcome(status="sent", sent=answer)
        case Refused(kind="session_not_connected"):
            return None
        case Refused(reason="timeout"):  # the engine's own: WhatsApp may have taken it
            return SendOutcome(status="unknown", code="outcome_unknown")
        case Refused(reason=reason):
            return SendOutcome(status="failed", code=reason)
        case _:
            return SendOutcome(status="unknown", code="outcome_unknown")
