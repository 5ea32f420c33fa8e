from __future__ import annotations

import asyncio

from daemon.auth.read_through import CAPACITY, FRESH_MS, ReadThrough
from tests.unit.daemon.manual_clock import ManualClock


class Book:
    """A lookup that counts."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {"a": "1"}
        self.asked: list[str] = []

    async def find(self, key: str) -> str | None:
        """Look it up."""
        self.asked.append(key)
        await asyncio.sleep(0)
        return self.pages.get(key)


async def test_an_answer_is_kept_for_half_a_second(clock: ManualClock) -> None:
    """Within it a change is not seen, after it it is; so for a "no"."""
    book = Book()
    memory = ReadThrough(book.find, clock)
    assert [await memory.get("a"), await memory.get("b")] == ["1", None]
    book.pages = {"a": "2", "b": "3"}
    assert [await memory.get("a"), await memory.get("b")] == ["1", None]
    clock.ms += FRESH_MS
    assert [await memory.get("a"), await memory.get("b")] == ["2", "3"]


async def test_many_at_once_cost_one_lookup(clock: ManualClock) -> None:
    """Streams of one key that ask together share the answer."""
    book = Book()
    memory = ReadThrough(book.find, clock)
    assert await asyncio.gather(*(memory.get("a") for _ in range(100))) == ["1"] * 100
    assert book.asked == ["a"]


async def test_dropping_asks_anew(clock: ManualClock) -> None:
    """What is known to have changed is looked up again."""
    book = Book()
    memory = ReadThrough(book.find, clock)
    await memory.get("a")
    memory.drop("a")
    memory.drop("never")
    await memory.get("a")
    assert book.asked == ["a", "a"]


async def test_it_is_bounded(clock: ManualClock) -> None:
    """However many names are tried, only so many answers are kept."""
    book = Book()
    memory = ReadThrough(book.find, clock)
    for number in range(CAPACITY + 10):
        await memory.get(f"n{number}")
    await memory.get(f"n{CAPACITY + 9}")
    await memory.get("n0")
    assert len(book.asked) == CAPACITY + 11


async def test_a_clock_that_is_set_back_does_not_stop_time(clock: ManualClock) -> None:
    """Else a key that was revoked would be good until the clock is where it was."""
    book = Book()
    memory = ReadThrough(book.find, clock)
    assert await memory.get("a") == "1"
    clock.forward(-3600)
    assert await memory.get("a") == "1"
    book.pages["a"] = "revoked"
    clock.ms += FRESH_MS
    assert await memory.get("a") == "revoked"
