from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sessions.cache import sizing
from sessions.cache.chats import ChatCache, ChatQuery
from sessions.cache.messages import MessageCache, MessageLimits
from tests.unit.sessions.cache.entries import entry, ref, row

_SCRIPT = Path(__file__).parents[3] / "support" / "measure_sizes.py"


@pytest.mark.parametrize("kind", ["messages", "chats", "contacts", "annotated"])
def test_estimates_are_near_what_is_measured(kind: str) -> None:
    """50,000 of a kind grow a process by what the books say, within a quarter."""
    command = [sys.executable, "-I", str(_SCRIPT), kind, "50000"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    estimated, resident, traced = (int(number) for number in answer.stdout.split())
    assert estimated == pytest.approx(resident, rel=0.25)
    assert estimated == pytest.approx(traced, rel=0.25)


@pytest.mark.parametrize("text", ["", "abc", "a" * 1000, "é", "ção" * 50, "日本語" * 50, "😀" * 50])
def test_a_text_weighs_at_least_what_it_takes(text: str) -> None:
    """An estimate of a string is never under its real size, and a multiple of malloc's 16."""
    assert sys.getsizeof(text) <= sizing.text_cost(text)
    assert sizing.text_cost(text) % 16 == 0


@pytest.mark.parametrize("length", [0, 1, 300, 5000])
def test_bytes_weigh_what_they_take(length: int) -> None:
    """Within malloc's rounding."""
    data = b"x" * length
    assert 0 <= sizing.bytes_cost(data) - sys.getsizeof(data) < 16


def test_nothing_weighs_nothing() -> None:
    """An absent text costs its slot only, which the overheads have."""
    assert sizing.text_cost(None) == 0


def _best(work: Callable[[], object]) -> float:
    """Return the seconds of the quickest of some runs."""
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)


def _messages(count: int) -> MessageCache:
    bounds = MessageLimits(1 << 40, 1 << 40, 1 << 40, idle_ms=10)
    cache = MessageCache(bounds, lambda _c, _b: None)
    for number in range(count):
        cache.add(entry(str(number), number, ref(number // 10)), 0)
    return cache


def _chats(count: int) -> ChatCache:
    cache = ChatCache(1 << 40)
    for number in range(count):
        cache.add(row(number, number, unread=number % 2))
    return cache


def _use_messages(cache: MessageCache) -> Callable[[], object]:
    def work() -> None:
        for number in range(200):
            added = entry(f"n{number}", number, ref(number))
            cache.add(added, 0)
            window = cache.window(ref(number), 0)
            assert window is not None
            window.before(None, 50)
            cache.drop_idle(0)
            cache.change(added, added.tail)

    return work


def _use_chats(cache: ChatCache) -> Callable[[], object]:
    def work() -> None:
        for number in range(200):
            found = cache.get(ref(number))
            assert found is not None
            with cache.unindexed(found):
                found.unread += 1
                found.updated_at += 1
            cache.page(ChatQuery("w", unread=True, after=(-500, "")))
            cache.unread_chats("w")

    return work


@pytest.mark.parametrize(
    ("make", "use"), [(_messages, _use_messages), (_chats, _use_chats)], ids=["messages", "chats"]
)
def test_no_operation_costs_more_the_more_is_cached(make: Callable, use: Callable) -> None:  # type: ignore[type-arg]  # two kinds of cache
    """Fifty times as much in the cache leaves reads and writes within a small factor."""
    few, many = use(make(1_000)), use(make(50_000))
    assert _best(many) < 8 * _best(few)
