"""Tests of `watch`."""

from __future__ import annotations

import asyncio

import pytest

from .watch import Watch

_SOON = 0.05


@pytest.mark.asyncio
async def test_who_waits_is_woken_when_the_condition_holds() -> None:
    """A touch without the condition wakes nobody."""
    watch, seen = Watch(), set[str]()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(watch.until(lambda: "b" in seen, 1, "b"))
        for letter in "ab":
            await asyncio.sleep(0)
            assert not waiting.done()
            seen.add(letter)
            watch.touch()


@pytest.mark.asyncio
async def test_a_condition_that_holds_already_needs_no_touch() -> None:
    """`until` looks before it waits."""
    await Watch().until(lambda: True, _SOON, "nothing")


@pytest.mark.asyncio
async def test_a_timeout_names_what_was_waited_for() -> None:
    """The message helps whoever reads a failed test; later touches are harmless."""
    watch = Watch()
    with pytest.raises(TimeoutError, match="no receipt within"):
        await watch.until(lambda: False, _SOON, "receipt")
    watch.touch()
