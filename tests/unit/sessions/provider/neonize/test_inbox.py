"""The queue between Go's thread and the loop."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, cast

from sessions.provider.neonize import codes
from sessions.provider.neonize.inbox import Bound, Inbox, Received

if TYPE_CHECKING:
    from sessions.provider.neonize.core import Raw  # loads the core


class Book:
    """Numbers what it is given."""

    def __init__(self) -> None:
        self.kept: list[tuple[int, bytes]] = []

    def keep(self, code: int, data: bytes) -> int:
        """Keep and number."""
        self.kept.append((code, data))
        return len(self.kept)


def raw(code: int, data: bytes = b"") -> Raw:
    """Return an event; the core's own type would load the core."""
    return cast("Raw", (code, data))


async def test_content_is_journaled_before_it_is_queued() -> None:
    """With its number; typing, presence and what tells of the line are not worth it."""
    book = Book()
    inbox = Inbox(asyncio.get_running_loop(), book.keep)
    for code in (
        codes.MESSAGE,
        codes.CHAT_PRESENCE,
        codes.PRESENCE,
        codes.CONNECTED,
        codes.QR_CODE,
    ):
        inbox.put(raw(code, b"x"))
    inbox.put(raw(codes.RECEIPT, b"y"))
    assert book.kept == [(codes.MESSAGE, b"x"), (codes.RECEIPT, b"y")]
    marks = [event.mark for event in iter(inbox.pop, None)]
    assert marks == [1, 0, 0, 0, 0, 2]


async def test_order_over_threads() -> None:
    """What another thread puts arrives as it was put."""
    inbox = Inbox(asyncio.get_running_loop(), Book().keep)
    texts = [b"%d" % number for number in range(1000)]

    def fill() -> None:
        for text in texts:
            inbox.put(raw(codes.MESSAGE, text))

    thread = threading.Thread(target=fill)
    thread.start()
    arrived: list[Received] = []
    while len(arrived) < len(texts):  # a wake-up may find nothing yet
        if event := await inbox.next(10):
            arrived.append(event)
    thread.join()
    assert texts == [event.data for event in arrived]


async def test_a_full_queue_makes_go_wait() -> None:
    """Until there is room; WhatsApp keeps what is not acknowledged."""
    inbox = Inbox(asyncio.get_running_loop(), Book().keep, Bound(events=2, patience=30))

    def fill() -> None:
        for _ in range(5):
            inbox.put(raw(codes.MESSAGE))

    thread = threading.Thread(target=fill)
    thread.start()
    await asyncio.sleep(0.1)
    assert inbox.taken <= 3
    assert [await inbox.next(10) for _ in range(5)] == [
        Received(codes.MESSAGE, b"", mark) for mark in range(1, 6)
    ]
    thread.join()
    assert inbox.overflowed == 0


async def test_nobody_waits_for_ever() -> None:
    """After its patience an event is queued all the same; the line's own never wait."""
    inbox = Inbox(asyncio.get_running_loop(), Book().keep, Bound(size=10, patience=0.05))
    inbox.put(raw(codes.MESSAGE, b"x" * 10))
    await asyncio.to_thread(inbox.put, raw(codes.MESSAGE, b"y"))
    inbox.put(raw(codes.DISCONNECTED))
    assert (inbox.taken, inbox.overflowed) == (3, 1)
    assert len(list(iter(inbox.pop, None))) == 3


async def test_a_nudge_and_time_return_nothing() -> None:
    """Whoever waits looks again at what it is to do."""
    inbox = Inbox(asyncio.get_running_loop(), Book().keep)
    assert await inbox.next(0.01) is None
    asyncio.get_running_loop().call_soon(inbox.nudge)
    assert await inbox.next(None) is None
