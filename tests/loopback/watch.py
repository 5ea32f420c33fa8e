"""Waiting for something that stanzas change, without polling."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Watch:
    """Wakes those who wait for a condition each time that something happened."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    def touch(self) -> None:
        """Something happened: checks every condition once."""
        for condition, future in self._waiting:
            if not future.done() and condition():
                future.set_result(None)

    async def until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Waits until the condition holds.

        Raises:
            TimeoutError: after `seconds`; the message names `what` was waited for.
        """
        if condition():
            return
        entry = condition, asyncio.get_running_loop().create_future()
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(seconds):
                await entry[1]
        except TimeoutError:
            msg = f"no {what} within {seconds} s"
            raise TimeoutError(msg) from None
        finally:
            self._waiting.remove(entry)
