from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sessions.commands import AnyAnswer, Done, Refused, Sent
from sessions.errors import (
    EngineError,
    OutcomeUnknown,
    SendQueueFull,
    SessionNotConnected,
    WireError,
)
from sessions.ports import SendRow
from sessions.sending import send_queue
from sessions.sending.send_queue import SendOutcome, SendQueue
from tests.support.engine import UNIT, until
from tests.support.recorders import MemoryJournal
from tests.unit.sessions.sending.rows import PN, send

SENT = Sent(wa_id="3EB0", at=1, chat=PN, sender=PN)
NO_LINE = Refused(kind="session_not_connected", message="no line")


class Line:
    """A queue, what it is answered, and what it told."""

    def __init__(self) -> None:
        self.journal = MemoryJournal()
        self.asked: list[tuple[str, str]] = []  # (id, state in the journal at that moment)
        self.told: list[tuple[str, SendOutcome]] = []
        self.answers: list[AnyAnswer | EngineError] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.queue = SendQueue(self.journal, self._deliver, self._report, most=3)

    async def _deliver(self, row: SendRow) -> AnyAnswer:
        known = self.journal.rows[row.id]
        self.asked.append((row.id, known.state))
        await self.gate.wait()
        answer = self.answers.pop(0) if self.answers else SENT
        if isinstance(answer, EngineError):
            raise answer
        return answer

    def _report(self, row: SendRow, outcome: SendOutcome) -> None:
        self.told.append((row.id, outcome))

    async def put(self, *names: str) -> None:
        """Accept sends."""
        for name in names:
            await self.journal.accept(send(name))
            self.queue.put(send(name))

    def outcomes(self) -> list[tuple[str, str, str | None]]:
        """Return what was told: id, status, code."""
        return [(id, outcome.status, outcome.code) for id, outcome in self.told]


@pytest_asyncio.fixture
async def line(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Line]:
    """Yield a running queue that is connected, with short pauses."""
    monkeypatch.setattr(send_queue, "LINE_PAUSE", UNIT)
    monkeypatch.setattr(send_queue, "JOURNAL_PAUSE", UNIT)
    made = Line()
    made.queue.set_connected(connected=True)
    running = asyncio.get_running_loop().create_task(made.queue.run())
    yield made
    made.gate.set()
    made.queue.close()
    await running


async def test_sends_leave_in_order_one_after_the_other(line: Line) -> None:
    """The next is asked when the one before has its answer on disk."""
    await line.put("a", "b", "c")
    await until(lambda: len(line.told) == 3)
    assert line.asked == [("a", "trying"), ("b", "trying"), ("c", "trying")]
    states = [(id, state) for id in "abc" for state in ("trying", "sent")]
    assert states == line.journal.marks
    assert [(id, "sent", None) for id in "abc"] == line.outcomes()
    assert line.journal.rows["a"].wa_id == "3EB0"


async def test_nothing_leaves_without_a_line(line: Line) -> None:
    """What is accepted waits until the session is connected."""
    line.queue.set_connected(connected=False)
    await line.put("a")
    await asyncio.sleep(0)
    assert (line.asked, len(line.queue)) == ([], 1)
    line.queue.set_connected(connected=True)
    await until(lambda: line.told)


@pytest.mark.parametrize("answer", [NO_LINE, SessionNotConnected("no worker")])
async def test_what_was_not_tried_waits_again(line: Line, answer: AnyAnswer | EngineError) -> None:
    """Without a line it goes back to the front, and is sent once when the line is there."""
    line.answers = [answer]
    await line.put("a", "b")
    await until(lambda: len(line.told) == 2)
    assert line.journal.marks[:3] == [("a", "trying"), ("a", "accepted"), ("a", "trying")]
    assert line.outcomes() == [("a", "sent", None), ("b", "sent", None)]


async def test_a_refusal_fails_with_its_reason(line: Line) -> None:
    """What WhatsApp refused is not tried again."""
    line.answers = [Refused(kind="command_failed", message="no", reason="rejected")]
    await line.put("a")
    await until(lambda: line.told)
    assert line.outcomes() == [("a", "failed", "rejected")]
    assert line.journal.states() == ["failed"]


TIMED_OUT = Refused(kind="command_failed", message="no answer", reason="timeout")


@pytest.mark.parametrize("answer", [OutcomeUnknown("it died"), Done(), TIMED_OUT])
async def test_without_an_answer_the_outcome_is_unknown(
    line: Line, answer: AnyAnswer | EngineError
) -> None:
    """It may have left, so it is never sent again by itself."""
    line.answers = [answer]
    await line.put("a")
    await until(lambda: line.told)
    assert line.outcomes() == [("a", "unknown", "outcome_unknown")]
    assert line.asked == [("a", "trying")]


async def test_what_cannot_be_asked_fails_and_the_queue_goes_on(line: Line) -> None:
    """A send that no frame can hold costs itself only."""
    line.answers = [WireError("too large")]
    await line.put("a", "b")
    await until(lambda: len(line.told) == 2)
    assert line.outcomes() == [("a", "failed", "wire_error"), ("b", "sent", None)]


async def test_what_is_not_on_disk_is_not_tried(line: Line) -> None:
    """A journal that fails stops the sending, in order, until it works again."""
    line.queue.set_connected(connected=False)
    await line.put("a", "b")
    line.journal.is_broken = True
    line.queue.set_connected(connected=True)
    await asyncio.sleep(2 * UNIT)
    assert line.asked == []
    line.journal.is_broken = False
    await until(lambda: len(line.told) == 2)
    assert [id for id, _ in line.asked] == ["a", "b"]


async def test_a_fate_is_told_even_if_it_cannot_be_written(line: Line) -> None:
    """The message did leave: clients hear it, the disk says unknown after a restart."""
    line.gate.clear()
    await line.put("a")
    await until(lambda: line.asked)
    line.journal.is_broken = True
    line.gate.set()
    await until(lambda: line.told)
    assert line.outcomes() == [("a", "sent", None)]
    assert line.journal.states() == ["trying"]


async def test_a_lost_account_fails_what_waits(line: Line) -> None:
    """Also what comes while it is gone, and what was in hand and not tried; not what follows."""
    line.gate.clear()
    line.answers = [NO_LINE]
    await line.put("a", "b")
    await until(lambda: line.asked)
    line.queue.set_connected(connected=False)
    line.queue.refuse("session_logged_out")
    await line.put("c")
    assert len(line.queue) == 2
    line.gate.set()
    await until(lambda: len(line.told) == 3)
    assert {(id, "failed", "session_logged_out") for id in "abc"} == set(line.outcomes())
    line.queue.set_connected(connected=True)
    await line.put("d")
    await until(lambda: len(line.told) == 4)
    assert line.outcomes()[3] == ("d", "sent", None)


async def test_a_full_queue_takes_nothing(line: Line) -> None:
    """The bound counts what waits."""
    line.queue.set_connected(connected=False)
    await line.put("a", "b")
    line.queue.check_room()
    await line.put("c")
    with pytest.raises(SendQueueFull) as refusal:
        line.queue.check_room()
    assert refusal.value.user_action


async def test_closing_finishes_what_is_in_hand(line: Line) -> None:
    """Nothing new is taken; what waits stays accepted on disk."""
    line.gate.clear()
    await line.put("a", "b")
    await until(lambda: line.asked)
    line.queue.close()
    line.gate.set()
    await until(lambda: line.told)
    assert line.asked == [("a", "trying")]
    assert line.journal.states() == ["sent", "accepted"]
